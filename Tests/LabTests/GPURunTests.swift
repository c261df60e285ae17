import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

/// The GPU with every kind of output on, for long.
@Suite(.serialized) struct GPURunTests {
    /// Takes pictures and lets go of them.
    private final class Sink: VideoSink {
        let pictures = Atomic<Int>(0)
        func offer(_ frame: consuming FrameLease) { pictures.add(1, ordering: .relaxed) }
    }

    @Test(arguments: [PixelFormat.srggb8, .yuyv])
    func `1,000 frames with all outputs on leave memory and descriptors as they were`(_ format: PixelFormat) throws {
        let wish = FormatWish(format: format, size: FrameSize(320, 180), framesPerSecond: 60)
        let source = try CaptureStream(
            node: VideoNode(path: "/dev/camera/vivid0"), id: "vivid0", wish: wish, heaps: ["system"])
        let (video, screen, turned, statistics) = (Sink(), Sink(), Sink(), Sink())
        var view = PictureView(width: 90, height: 160)
        view.rotation = .right
        view.isMirrored = true
        let failure = Mutex<CamdError?>(nil)
        var plan = PicturePlan(videoColor: Colorimetry.sRGB.asVideo)
        plan.look = Look(
            black: 0.02, balance: [1.5, 1, 1.3], defectThreshold: 0.2, curve: .sRGB, sharpening: 0.3, noise: 0.01)
        plan.stillLook = plan.look
        plan.stillLook.quality = .still
        plan.taps = [
            PictureTap(.rgba, view: PictureView(width: 160, height: 90), sink: screen),
            PictureTap(.nv12, view: view, color: Colorimetry.sRGB.asVideo, sink: turned),
            PictureTap(.statistics(columns: 16, rows: 9), sink: statistics),
        ]
        let gpu = try GPUStage(
            source: source.pool, writes: DriverWrites(source.writes), plan: plan,
            choice: try HeapChoice.forMachine(heaps: ["system"], need: .anything, bytes: 1 << 20),
            ended: { error in failure.withLock { $0 = error } })
        #expect(gpu.report.gpuPath == "eglimage")
        #expect(gpu.report.outputPath == "heap:system")
        try gpu.setVideoSink(video)
        try source.start(sink: { gpu.offer($0) }, ended: { error in failure.withLock { $0 = error } })

        /// Fences come and go with frames: the most of several looks is compared.
        func descriptors() -> Int {
            (0..<20).map { _ in
                usleep(7000)
                return Directory.names(in: "/proc/self/fd").count
            }.max() ?? 0
        }
        func photo() throws {
            let ticket = try StillTicket()
            try gpu.requestStill(ticket)
            _ = try ticket.wait(limitMilliseconds: 10_000)
        }
        #expect(eventually(limitSeconds: 60) { video.pictures.load(ordering: .relaxed) > 200 })
        try photo()
        let before = (descriptors(), try Program.residentKilobytes("self"))
        let start = statistics.pictures.load(ordering: .relaxed)
        for round in 1...10 {
            #expect(
                eventually(limitSeconds: 60) { statistics.pictures.load(ordering: .relaxed) >= start + 100 * round },
                "\(failure.withLock { $0.map(\.description) } ?? "too slow")")
            try photo()
        }
        let after = (descriptors(), try Program.residentKilobytes("self"))
        // Two frames may be in the GPU's hands, each with a fence; what leaks would be counted in hundreds.
        #expect(after.0 <= before.0 + 2, "\(before.0) descriptors became \(after.0)")
        #expect(after.1 <= before.1 + 4096, "\(before.1) kB became \(after.1)")
        for sink in [video, screen, turned] { #expect(sink.pictures.load(ordering: .relaxed) >= 900) }
        #expect(gpu.counts.bytesCopied == 0)
        source.stop()
        // Whatever GL had to complain of shows here at the latest.
        gpu.stop()
        #expect(failure.withLock { $0 } == nil)
    }
}
