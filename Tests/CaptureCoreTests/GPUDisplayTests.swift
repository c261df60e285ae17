import LinuxSystem
import Testing

@testable import CaptureCore

@Suite struct GPUDisplayTests {
    @Test func `who closes the GPU leaves it to others`() throws {
        let display = try GPUDisplay()
        let thread = try OSThread("another") { _ = try? GPUDisplay() }
        thread.join()
        // A call to EGL itself, which knows whether it was ended: it would give no fence.
        let fence = try GPUFence(display, reads: [], writes: [])
        let outcome = fence.outcome(withinMilliseconds: 5000)
        #expect(outcome == .over)
        #expect(throws: Never.self) { try display.checkErrors() }
    }

    // MARK: What a GPU lacks

    private static func setup(without names: Substring...) -> GPUSetup {
        var setup = GPUSetup()
        setup.faults.hidden = Set(names)
        return setup
    }

    /// What cannot be done without, and a word of the remedy.
    @Test(arguments: ["EGL_EXT_platform_base", "EGL_MESA_platform_surfaceless", "EGL_KHR_surfaceless_context"])
    func `an extension that is needed and missing is named, and what to do`(_ name: String) throws {
        let error = #expect(throws: CamdError.self) {
            _ = try GPUStage.probe(
                Self.setup(without: Substring(name), "EGL_KHR_platform_gbm", "EGL_MESA_platform_gbm"))
        }
        #expect(error?.description.contains("EGL has no \(name)") == true, "\(String(describing: error))")
        #expect(error?.remedy?.contains("libegl1") == true)
        #expect(error?.kind == .unavailable)
    }

    @Test func `a GPU in software without fences is refused: nothing would tell when a picture is finished`() throws {
        let error = #expect(throws: CamdError.self) {
            _ = try GPUStage.probe(Self.setup(without: "EGL_KHR_fence_sync"))
        }
        #expect(error?.reason.contains("EGL_KHR_fence_sync") == true)
        #expect(error?.remedy != nil)
        // A driver of the kernel's leaves them on the buffers.
        #expect(throws: Never.self) { try GPUFence.Kind.implicit.check(isSoftware: false, renderer: "") }
        #expect(GPUFence.Kind.best(["EGL_KHR_fence_sync", "EGL_ANDROID_native_fence_sync"]) == .native)
        #expect(GPUFence.Kind.best(["EGL_KHR_fence_sync"]) == .egl)
        #expect(GPUFence.Kind.best(["EGL_ANDROID_native_fence_sync"]) == .implicit)
    }

    @Test(arguments: ["EGL_EXT_image_dma_buf_import", "EGL_KHR_image_base", "GL_OES_EGL_image"])
    func `what is missing for imports is named where frames are copied`(_ name: String) throws {
        let setup = Self.setup(without: Substring(name))
        let ability = try GPUStage.probe(setup)
        #expect(!ability.importsDMABufs)
        let error = try #require(try GPUDisplay(setup).importRefusal)
        #expect(error.reason.contains("it has no \(name)"), "\(error)")
        #expect(error.remedy != nil)
    }

    @Test(arguments: ["EGL_KHR_no_config_context", "EGL_EXT_create_context_robustness", "GL_EXT_robustness"])
    func `an extension that can be done without is done without`(_ name: String) throws {
        let display = try GPUDisplay(Self.setup(without: Substring(name)))
        #expect(display.tellsResets == (name != "EGL_EXT_create_context_robustness"))
        #expect(display.lossReason() == nil)
        #expect(throws: Never.self) { try display.checkErrors() }
    }

    // MARK: Sizes

    private static func develop(
        _ format: PixelFormat, _ size: FrameSize, edge: Int, view: PictureView? = nil
    ) throws(CamdError) {
        var setup = GPUSetup()
        setup.faults.largestEdge = edge
        let layout = try FrameLayout.bare(format, width: size.width, height: size.height)
        let developer = try Developer(setup)
        _ = try developer.prepare(layout, look: .neutral, kind: .nv12(.hdVideo), view: view)
    }

    @Test func `a size beyond the GPU's limit is refused with the limit`() throws {
        try Self.develop(.yuyv, FrameSize(64, 32), edge: 48)
        // The frame itself; the picture's rows, chroma below luma; a picture in the GPU's memory that is scaled.
        let tooLarge: [(FrameSize, Int, PictureView?, String)] = [
            (FrameSize(128, 32), 48, nil, "a 128x32 frame is larger than its limit of 48"),
            (FrameSize(64, 40), 48, nil, "the most it can do is 48 each way"),
            (
                FrameSize(64, 32), 48, PictureView(width: 32, height: 16),
                "a picture of 64x32 is larger than its limit of 48"
            ),
        ]
        for (size, edge, view, words) in tooLarge {
            let error = #expect(throws: CamdError.self) { try Self.develop(.yuyv, size, edge: edge, view: view) }
            #expect(error?.reason.contains(words) == true, "\(String(describing: error))")
            #expect(error?.remedy == "Choose a smaller --size.")
        }
    }
}
