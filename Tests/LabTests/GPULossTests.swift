import CEGL
import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

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
                "30", "--pixel-format", "YUYV",
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
            source: source.pool, writes: DriverWrites(source.writes), plan: PicturePlan(videoColor: .hdVideo),
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
                "640x360", "--fps", "30", "--pixel-format", "YUYV", "--duration", "30",
            ], environment: ["LD_PRELOAD=\(library)", "FAULT_RESET=1:1000"], limitSeconds: 60)
        #expect(result.status == 69)
        #expect(result.errors.contains("lost 5 times within a minute"), "\(result.errors)")
    }
}
