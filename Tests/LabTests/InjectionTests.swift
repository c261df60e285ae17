@testable import CaptureCore
import Glibc
import LinuxSystem
import Synchronization
import Testing

/// vivid's error controls, at random: a stream comes back or ends with a message, and nothing leaks.
@Suite(.serialized) struct InjectionTests {
    private enum Fault: String, CaseIterable {
        // Before the stream.
        case reqbufs = "inject_vidioc_reqbufs_error"
        case qbuf = "inject_vidioc_qbuf_error"
        case streamon = "inject_vidioc_streamon_error"
        // In the stream.
        case buffer = "inject_v4l2_buf_flag_error"
        case fatal = "inject_fatal_streaming_error"
        case drops = "percentage_of_dropped_buffers"

        var isBefore: Bool { self == .reqbufs || self == .qbuf || self == .streamon }
    }

    private static let camera = "/dev/camera/vivid0"

    private func set(_ fault: Fault, _ value: Int = 1) throws {
        let result = try run(["v4l2-ctl", "-d", Self.camera, "-c", "\(fault.rawValue)=\(value)"])
        try #require(result.status == 0, "\(result.errors)")
    }

    /// Counts what a stream hands over, and keeps a few leases as a slow consumer would.
    private final class Consumer: Sendable {
        let frames = Atomic<Int>(0)
        let ended = Mutex<CamdError?>(nil)
        let held = Ring<FrameLease>(capacity: 2)
    }

    private struct Outcome {
        var frames = 0
        var error: CamdError?
        var path = ""
        var counts = Ledger.Snapshot()
    }

    /// One stream's life under one fault.
    private func stream(_ fault: Fault) throws -> Outcome {
        var outcome = Outcome()
        if fault.isBefore { try set(fault) }
        if fault == .drops { try set(.drops, 30) }
        defer { if fault == .drops { try? set(.drops, 0) } }
        do throws(CamdError) {
            let wish = FormatWish(format: .yuyv, size: FrameSize(320, 180), framesPerSecond: 60)
            let source = try CaptureStream(node: VideoNode(path: Self.camera), id: "vivid0", wish: wish, heaps: [])
            outcome.path = source.capturePath
            let consumer = Consumer()
            try source.start(
                sink: { frame in
                    consumer.frames.add(1, ordering: .relaxed)
                    // Every third frame is held for a while.
                    if consumer.frames.load(ordering: .relaxed) % 3 == 0 { _ = consumer.held.push(frame) }
                }, ended: { error in consumer.ended.withLock { $0 = error } })
            usleep(100_000)
            if !fault.isBefore, fault != .drops { try? set(fault) }
            for _ in 0..<15 {
                usleep(10_000)
                _ = consumer.held.pop()
            }
            source.stop()
            let counts = source.ledger.snapshot
            outcome.counts = counts
            outcome.frames = consumer.frames.load(ordering: .relaxed)
            outcome.error = consumer.ended.withLock { $0 }
            #expect(counts.numbered == counts.delivered + counts.dropped + counts.corrupt, "\(counts)")
            #expect(counts.delivered == UInt64(outcome.frames))
            #expect(counts.starved <= counts.dropped)
        } catch {
            outcome.error = error
        }
        return outcome
    }

    /// What each fault has to come to.
    private func check(_ fault: Fault, _ outcome: Outcome, _ round: Int) throws {
        let told = "\(fault) in round \(round): \(outcome)"
        switch fault {
        case .streamon:
            #expect(outcome.error?.call == "VIDIOC_STREAMON", "\(told)")
        case .fatal:
            #expect(outcome.error?.errno == .inputOutput, "\(told)")
            #expect(outcome.error?.call?.hasPrefix("VIDIOC_") == true, "\(told)")
            #expect(outcome.frames > 0, "\(told)")
        case .reqbufs, .qbuf:
            // Refused once, the first path falls out, and the next one takes over.
            #expect(outcome.error == nil, "\(told)")
            #expect(outcome.frames > 0, "\(told)")
            #expect(outcome.path == "import:udmabuf", "\(told)")
        case .buffer:
            #expect(outcome.error == nil, "\(told)")
            #expect(outcome.counts.corrupt > 0, "\(told)")
            #expect(outcome.frames > 0, "\(told)")
        case .drops:
            #expect(outcome.error == nil, "\(told)")
            // Buffers were there: whoever drops is the driver.
            #expect(outcome.counts.starved == 0, "\(told)")
        }
    }

    @Test func `a buffer that is refused in the middle ends the recording with a message, and its file is whole`()
        throws
    {
        let file = try Scratch.folder() + "/video.mkv"
        let program = try Program([
            Program.camd, "record", "--camera", Self.camera, "-o", file, "--size", "320x180", "--fps", "30",
        ])
        #expect(eventually { (try? Program.read(file).count) ?? 0 > 0 })
        sleep(2)
        try set(.qbuf)
        let result = try program.wait(limitSeconds: 30)
        #expect(result.status == 74, "\(result.errors)")
        #expect(result.errors.contains("VIDIOC_QBUF"), "\(result.errors)")
        #expect(try Pictures.probe(file).frames > 20)
    }

    @Test func `200 faults at random leave nothing behind`() throws {
        var state: UInt64 = 0x2545_f491_4f6c_dd1d
        func random(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % count
        }
        var seen: [Fault: Int] = [:]
        var dropped: UInt64 = 0
        var baseline = (descriptors: 0, kilobytes: 0)
        for round in 0..<200 {
            let fault = Fault.allCases[random(Fault.allCases.count)]
            let outcome = try stream(fault)
            try check(fault, outcome, round)
            seen[fault, default: 0] += 1
            dropped += fault == .drops ? outcome.counts.dropped : 0
            if round == 40 {
                baseline = (Directory.names(in: "/proc/self/fd").count, try Program.residentKilobytes("self"))
            }
        }
        #expect(Directory.names(in: "/proc/self/fd").count <= baseline.descriptors)
        #expect(try Program.residentKilobytes("self") <= baseline.kilobytes + 4096)
        #expect(seen.count == Fault.allCases.count, "\(seen)")
        #expect(dropped > 0, "the driver drops 30 %")
        // The camera is as good as before.
        #expect(try stream(.buffer).error == nil)
    }
}
