import CEGL
import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

/// GPUs that are named by their nodes, and found through GBM. The lab's two are displays without a GPU: Mesa draws in software
/// there (kms_swrast), and gives buffers of the display's.
@Suite(.serialized) struct GPUNodeTests {
    private static let camera = "/dev/camera/vivid0"

    @Test func `without a name the GPU is found on the surfaceless platform, and that is told`() throws {
        let result = try camd("doctor", "--camera", Self.camera, "--json")
        let doctor = try decode(DoctorAnswer.self, result)
        #expect(doctor.gpu?.platform == "surfaceless")
        #expect(doctor.gpu?.renderer.contains("llvmpipe") == true)
        #expect(doctor.gpu?.node == nil)
    }

    @Test func `without the surfaceless platform the first render node is taken, and the refusal is told`() throws {
        var setup = GPUSetup()
        setup.faults.hidden = ["EGL_MESA_platform_surfaceless"]
        let ability = try GPUStage.probe(setup)
        #expect(ability.platform == "gbm")
        #expect(ability.node == "/dev/dri/renderD128")
        #expect(ability.refusals.map(\.path) == ["surfaceless"])
        #expect(ability.refusals.first?.reason.contains("EGL_MESA_platform_surfaceless") == true)
    }

    @Test func `with neither platform both refusals are told`() throws {
        var setup = GPUSetup()
        setup.faults.hidden = ["EGL_MESA_platform_surfaceless", "EGL_KHR_platform_gbm", "EGL_MESA_platform_gbm"]
        let error = #expect(throws: CamdError.self) { _ = try GPUStage.probe(setup) }
        #expect(error?.reason.contains("surfaceless: ") == true, "\(String(describing: error))")
        #expect(error?.reason.contains("gbm:/dev/dri/renderD128: ") == true, "\(String(describing: error))")
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var node: String
        var output: String
        var testDescription: String { node }
    }

    @Test(arguments: [
        Case(node: "/dev/dri/card0", output: "gbm"), Case(node: "/dev/dri/card1", output: "gbm"),
        // A render node gives no display's buffers: what is drawn has to be read back.
        Case(node: "/dev/dri/renderD128", output: "readback"),
    ])
    func `a video and a photo through GBM have true colours, and what is copied is told`(_ this: Case) throws {
        let daemon = try Daemon(
            ["--size", "640x360", "--fps", "30", "--pixel-format", "NV12", "--gpu", this.node],
            camera: Self.camera)
        let (video, photo) = (daemon.folder + "/video.mkv", daemon.folder + "/photo.jpg")
        #expect(try daemon.call("start", "-o", video).status == 0)
        #expect(try daemon.call("snapshot", "-o", photo, "--quality", "95", "--gpu", this.node).status == 0)
        sleep(2)
        #expect(try daemon.call("stop").status == 0)
        let status = try daemon.status()
        #expect(status.gpu?.platform == "gbm")
        #expect(status.gpu?.node == this.node)
        #expect(status.gpu?.renderer.contains("llvmpipe") == true)
        #expect(status.path.output == this.output, "\(status.refused)")
        // Mesa's own fault in software on GBM: see docs/paths.md.
        #expect(status.path.gpu == "upload")
        #expect(status.refused.contains { $0.path == "eglimage" && $0.reason.contains("kms_swrast") })
        let oneWay = 640.0 * 360 * 1.5
        #expect(status.bytesCopiedPerFrame > 0)
        if this.output == "gbm" {
            #expect(status.bytesCopiedPerFrame <= oneWay, "frames go in by a copy, pictures come out without")
            #expect(status.refused.contains { $0.stage == "output" && $0.path == "heap:system" })
        }
        let elsewhere = try daemon.call("snapshot", "-o", photo, "--gpu", "/dev/dri/nothing")
        #expect(elsewhere.status == 69)
        #expect(elsewhere.errors.contains("it draws with \(this.node)"), "\(elsewhere.errors)")
        #expect(try daemon.stop().status == 0)
        #expect(Pictures.worst(try Pictures.barsOfVideo(video, frame: 20)) <= 3)
        #expect(Pictures.worst(try Pictures.barsOfPhoto(photo).bars) <= 3)
    }

    @Test func `a node that cannot be used is an error that says what to do`() throws {
        func record(_ node: String, by command: [String] = []) throws -> Program.Result {
            let file = try Scratch.folder() + "/video.mkv"
            return try run(
                command + [
                    Program.camd, "record", "--camera", "test", "-o", file, "--duration", "1", "--gpu", node,
                    "--socket",
                    "/tmp/no-socket",
                ])
        }
        let missing = try record("/dev/dri/renderD200")
        #expect(missing.status == 66)
        #expect(missing.errors.contains("/dev/dri/renderD200: open: ENOENT"), "\(missing.errors)")
        #expect(missing.errors.contains("/dev/dri/renderD128"), "\(missing.errors)")
        let other = try record("/dev/null")
        #expect(other.status == 66)
        #expect(other.errors.contains("it is no DRM device"), "\(other.errors)")
        let forbidden = try record(
            "/dev/dri/renderD128", by: ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
        #expect(forbidden.status == 77, "\(forbidden.errors)")
        #expect(forbidden.errors.contains("SupplementaryGroups=render"), "\(forbidden.errors)")
        let relative = try record("renderD128")
        #expect(relative.status == 64)
    }
}

/// A GPU that is lost in the middle (Tests/Lab/faults.c): the released program goes on in the same file.
@Suite(.serialized) struct GPULossTests {
    private func record(_ fault: String) throws -> (status: Status, file: String, errors: String) {
        let folder = try Scratch.folder()
        let library = folder + "/faults.so"
        let compiled = try run(["cc", "-shared", "-fPIC", "-O2", "-o", library, "Tests/Lab/faults.c", "-ldl"])
        try #require(compiled.status == 0, "\(compiled.errors)")
        let file = folder + "/video.mkv"
        let result = try run(
            [
                Program.camd, "record", "--camera", "/dev/camera/vivid0", "-o", file, "--size", "640x360", "--fps",
                "30",
                "--duration", "5", "--require-zero-copy", "--json",
            ], environment: ["LD_PRELOAD=\(library)", fault])
        return (try decode(Status.self, result), file, result.errors)
    }

    @Test(arguments: ["FAULT_RESET=40:2", "FAULT_FENCE=50:2"])
    func `a recording survives lost contexts, and its frames add up`(_ fault: String) throws {
        let (status, file, errors) = try record(fault)
        #expect(status.gpu?.resets == 2, "\(errors)")
        let recording = try #require(status.recording)
        #expect(recording.state == "finished")
        #expect((recording.lost["gpu failed"] ?? 0) >= 2, "\(recording.lost)")
        #expect(status.bytesCopiedPerFrame == 0)
        #expect(status.path.gpu == "eglimage")
        let seen = try Pictures.probe(file)
        #expect(seen.frames == recording.frames)
        #expect(recording.frames > 100)
        // Every frame that was delivered while it recorded is in the file or lost.
        let entered = recording.frames + recording.lost.values.reduce(0, +)
        #expect((status.frames - entered) <= 6, "\(status.frames) frames, \(entered) recorded or lost")
        #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: recording.frames - 5)) <= 3)
        #expect(errors.split(separator: "\n").filter { $0.contains("made anew") }.count == 2, "\(errors)")
        #expect(errors.split(separator: "\n").filter { $0.contains("goes on after") }.count == 2, "\(errors)")
    }

    /// Counts pictures.
    private final class Sink: VideoSink {
        let pictures = Atomic<Int>(0)
        let lost = Atomic<Bool>(false)
        func offer(_ frame: consuming FrameLease) { pictures.add(1, ordering: .relaxed) }
        var count: Int { pictures.load(ordering: .relaxed) }
    }

    @Test func `20 lost contexts later buffers are imported still, and descriptors are as many as before`() throws {
        let wish = FormatWish(format: .yuyv, size: FrameSize(320, 180), framesPerSecond: 60)
        let source = try CaptureStream(
            node: VideoNode(path: "/dev/camera/vivid0"), id: "vivid0", wish: wish, heaps: ["system"])
        let sink = Sink()
        let failure = Mutex<CamdError?>(nil)
        var setup = GPUSetup()
        setup.mostResets = 100
        setup.pauseMilliseconds = 0
        setup.faults.resetStatus = {
            sink.lost.exchange(false, ordering: .relaxed) ? GLenum(GL_GUILTY_CONTEXT_RESET_EXT) : GLenum(GL_NO_ERROR)
        }
        let gpu = try GPUStage(
            source: source.pool, writes: DriverWrites(source.writes), videoColor: .hdVideo,
            choice: try HeapChoice.forMachine(heaps: ["system"], need: .anything, bytes: 1 << 20), setup: setup,
            ended: { error in failure.withLock { $0 = error } })
        #expect(gpu.report.gpuPath == "eglimage")
        try gpu.setVideoSink(sink)
        try source.start(sink: { gpu.offer($0) }, ended: { error in failure.withLock { $0 = error } })
        /// Fences come and go with frames: the most of several looks is compared.
        func descriptors() -> Int {
            (0..<20).map { _ in
                usleep(7000)
                return Directory.names(in: "/proc/self/fd").count
            }.max() ?? 0
        }
        var baseline = 0
        for round in 1...21 {
            sink.lost.store(true, ordering: .relaxed)
            #expect(eventually { gpu.counts.resets == UInt64(round) })
            let before = sink.count
            #expect(
                eventually { sink.count > before + 3 }, "\(failure.withLock { $0.map(\.description) } ?? "no pictures")"
            )
            if round == 1 { baseline = descriptors() }
        }
        let after = descriptors()
        #expect(after <= baseline + 2, "\(baseline) descriptors became \(after)")
        #expect(gpu.counts.lostGPUFailed >= 21)
        #expect(gpu.counts.bytesCopied == 0)
        source.stop()
        gpu.stop()
        #expect(failure.withLock { $0 } == nil)
    }

    @Test func `a GPU that is lost with every frame ends the recording with the reason`() throws {
        let folder = try Scratch.folder()
        let library = folder + "/faults.so"
        let compiled = try run(["cc", "-shared", "-fPIC", "-O2", "-o", library, "Tests/Lab/faults.c", "-ldl"])
        try #require(compiled.status == 0, "\(compiled.errors)")
        let result = try run(
            [
                Program.camd, "record", "--camera", "/dev/camera/vivid0", "-o", folder + "/video.mkv", "--size",
                "640x360", "--fps", "30", "--duration", "30",
            ], environment: ["LD_PRELOAD=\(library)", "FAULT_RESET=1:1000"], limitSeconds: 60)
        #expect(result.status == 69)
        #expect(result.errors.contains("lost 5 times within a minute"), "\(result.errors)")
    }
}

/// The driver's cache of compiled programs.
@Suite(.serialized) struct ShaderCacheTests {
    /// As in a service: no home to write to, and a cache folder.
    private func service(_ cache: String) -> [String] {
        ["env", "-u", "XDG_CACHE_HOME", "HOME=/proc", "CACHE_DIRECTORY=\(cache)", "MESA_SHADER_CACHE_SHOW_STATS=1"]
    }

    private func bytes(_ folder: String) throws -> Int {
        let result = try run(["du", "-sb", folder])
        return try #require(Int(result.text.split(separator: "\t").first ?? ""))
    }

    @Test func `a service's second start finds all programs compiled`() throws {
        let cache = try Scratch.folder()
        func misses() throws -> Int {
            let result = try run(
                service(cache) + [
                    Program.camd, "snapshot", "--camera", "/dev/camera/vivid0", "-o", cache + "/photo.jpg", "--size",
                    "320x180",
                ])
            #expect(result.status == 0, "\(result.errors)")
            let line = (result.text + result.errors).split(separator: "\n").first { $0.contains("disk shader cache") }
            let text = try #require(line, "the driver tells of its cache: \(result.text) \(result.errors)")
            return try #require(Int(text.split(separator: " ").last ?? ""))
        }
        #expect(try misses() > 5)
        #expect(try misses() == 0)
    }

    @Test func `all programs are compiled at the start, none with the first frames`() throws {
        let cache = try Scratch.folder()
        let daemon = try Daemon(
            ["--size", "320x180", "--fps", "30"], camera: "/dev/camera/vivid0", through: service(cache))
        // The driver writes its cache in the background.
        var before = 0
        #expect(
            try eventually {
                let last = before
                usleep(500_000)
                before = try bytes(cache + "/mesa_shader_cache_db")
                return before == last
            })
        #expect(before > 100_000)
        #expect(try daemon.call("start", "-o", daemon.folder + "/video.mkv").status == 0)
        #expect(try daemon.call("snapshot", "-o", daemon.folder + "/photo.jpg").status == 0)
        sleep(2)
        #expect(try daemon.call("stop").status == 0)
        #expect(try bytes(cache + "/mesa_shader_cache_db") == before)
        #expect(try daemon.stop().status == 0)
    }
}
