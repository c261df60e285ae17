import CaptureCore
import Glibc
import LinuxSystem
import Synchronization
import Testing

/// Why a frame is missing: the driver dropped it, nobody gave it a buffer, or it was taken late.
@Suite(.serialized) struct LedgerTests {
    private static let camera = "/dev/camera/vivid0"
    private static let wish = FormatWish(format: .yuyv, size: FrameSize(320, 180), framesPerSecond: 30)

    @Test func `frames are starved when a consumer holds all buffers, and the stream goes on when it lets go`() throws {
        let source = try CaptureStream(node: VideoNode(path: Self.camera), id: "vivid0", wish: Self.wish, heaps: [])
        let held = Ring<FrameLease>(capacity: 32)
        let isHolding = Atomic<Bool>(true)
        try source.start(
            sink: { frame in if isHolding.load(ordering: .acquiring) { _ = held.push(frame) } },
            ended: { Issue.record($0) })
        #expect(eventually { held.count == source.pool.slotCount })
        usleep(500_000)
        isHolding.store(false, ordering: .releasing)
        while held.pop() != nil {}
        let before = source.ledger.snapshot.delivered
        #expect(eventually { source.ledger.snapshot.delivered > before + 10 })
        source.stop()
        let counts = source.ledger.snapshot
        #expect(counts.starved >= 10, "\(counts)")
        #expect(counts.numbered == counts.delivered + counts.dropped + counts.corrupt, "\(counts)")
    }

    @Test func `frames that a stopped process does not take are starved`() throws {
        let daemon = try Daemon("--size", "320x180", "--fps", "30")
        #expect(try eventually { try daemon.status().frames > 10 })
        let before = try daemon.status()
        daemon.program.signal(SIGSTOP)
        usleep(1_200_000)
        daemon.program.signal(SIGCONT)
        let frames = try daemon.status().frames
        #expect(try eventually { try daemon.status().frames > frames + 10 })
        let after = try daemon.status()
        #expect(after.starved - before.starved >= 15, "\(after)")
        #expect(after.late > before.late, "those that lay in the queue were taken late")
        #expect(try daemon.stop().status == 0)
    }

    @Test func `frames that the driver drops with buffers at hand are not starved`() throws {
        let daemon = try Daemon("--size", "320x180", "--fps", "30")
        let set = ["v4l2-ctl", "-d", Self.camera, "-c"]
        #expect(try run(set + ["percentage_of_dropped_buffers=30"]).status == 0)
        let frames = try daemon.status().frames
        #expect(try eventually { try daemon.status().frames > frames + 60 })
        let status = try daemon.status()
        #expect(try run(set + ["percentage_of_dropped_buffers=0"]).status == 0)
        #expect(status.dropped >= 10, "\(status)")
        #expect(status.starved == 0, "\(status)")
        #expect(try daemon.stop().status == 0)
    }

    @Test func `what camd counts is what the driver numbered`() throws {
        let file = try Scratch.folder() + "/video.mkv"
        let (witness, result) = try Witness.run([
            "record", "--camera", Self.camera, "-o", file, "--size", "320x180", "--duration", "3", "--json",
        ])
        let status = try decode(Status.self, result)
        // After each frame, how many the driver had numbered: from the first number to this one, and anew from where it
        // repeats itself (vivid does, now and then, when it is short of CPU).
        var numbered: [Int] = []
        var (before, first, last) = (0, 0, -1)
        for number in witness.events.filter({ $0.name == "dequeue" }).map({ Int($0.value) }) {
            if numbered.isEmpty { first = number }
            if !numbered.isEmpty, number <= last { (before, first) = (numbered[numbered.count - 1], number) }
            last = number
            numbered.append(before + last - first + 1)
        }
        // The status is taken before the stream ends: some frames may come after it.
        let index = try #require(numbered.firstIndex(of: status.numbered), "\(status.numbered) of \(numbered)")
        #expect(numbered.count - index < 30)
        #expect(index + 1 == status.frames + status.corrupt)
    }

    @Test(arguments: [4, 2])
    func `a driver that gives fewer buffers than it is asked for`(_ granted: Int) throws {
        let file = try Scratch.folder() + "/video.mkv"
        let (_, result) = try Witness.run(
            [
                "record", "--camera", Self.camera, "-o", file, "--size", "320x180", "--duration", "1", "--buffers", "8",
                "--json",
            ],
            environment: ["WITNESS_GRANT=\(granted)"])
        guard granted >= 3 else {
            #expect(result.status == 69, "\(result.errors)")
            #expect(result.errors.contains("gives 2 buffers"))
            return
        }
        let status = try decode(Status.self, result)
        #expect(status.buffers.asked == 8)
        #expect(status.buffers.granted == 4)
        #expect(status.frames > 0)
    }
}

/// A heap that has no more to give when half of the buffers are there.
@Suite(.serialized) struct ExhaustionTests {
    @Test func `a heap that is exhausted in the middle gives way to the next path, and that is told`() throws {
        // Measured and remembered before: what is counted are the stream's own buffers.
        try #require(try camd("heaps", "--probe").status == 0)
        let file = try Scratch.folder() + "/video.mkv"
        let (_, result) = try Witness.run(
            ["record", "--camera", "/dev/camera/vivid0", "-o", file, "--size", "320x180", "--duration", "1", "--json"],
            environment: ["WITNESS_EXHAUST=5"])
        let status = try decode(Status.self, result)
        #expect(status.path.capture == "import:udmabuf")
        #expect(
            status.refused.contains { $0.path == "import:heap:system" && $0.reason.contains("ENOMEM") },
            "\(status.refused)")
        #expect(status.frames > 10)
        #expect(status.bytesCopiedPerFrame == 0)
    }
}

/// Leases of real buffers that outlive their stream.
@Suite(.serialized) struct LeaseTests {
    @Test(arguments: ["/dev/camera/vivid0", "/dev/camera/vivid1"])
    func `a lease is good after its stream and its camera are gone`(_ camera: String) throws {
        let before = Directory.names(in: "/proc/self/fd").count
        do {
            let consumer = Ring<FrameLease>(capacity: 1)
            do {
                let wish = FormatWish(format: .yuyv, size: FrameSize(320, 180), framesPerSecond: 30)
                let source = try CaptureStream(node: VideoNode(path: camera), id: "vivid", wish: wish, heaps: [])
                try source.start(sink: { _ = consumer.push($0) }, ended: { Issue.record($0) })
                #expect(eventually { consumer.count == 1 })
                source.stop()
            }
            guard let taken = consumer.pop() else { return }
            let lease = Held(taken)
            let bytes = try lease.copy()
            // Another stream of the same camera does not reach into it.
            let wish = FormatWish(format: .yuyv, size: FrameSize(320, 180), framesPerSecond: 30)
            let other = try CaptureStream(node: VideoNode(path: camera), id: "vivid", wish: wish, heaps: [])
            let frames = Atomic<Int>(0)
            try other.start(
                sink: { _ in frames.add(1, ordering: .relaxed) }, ended: { Issue.record($0) })
            #expect(eventually { frames.load(ordering: .relaxed) > 20 })
            other.stop()
            #expect(try lease.copy() == bytes)
            #expect(bytes.contains { $0 != 0 })
        }
        #expect(Directory.names(in: "/proc/self/fd").count <= before)
    }

    private final class Held {
        private let lease: FrameLease
        init(_ lease: consuming FrameLease) { self.lease = lease }

        func copy() throws -> [UInt8] {
            try lease.buffers[0].withBytes { (bytes) throws(CamdError) in bytes.withUnsafeBytes { Array($0) } }
        }
    }
}
