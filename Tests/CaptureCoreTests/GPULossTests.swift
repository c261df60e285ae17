import CEGL
import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

/// A GPU that loses its context, by what the driver says, by its fences, or by no answer: pictures go on, in the same buffers.
@Suite(.serialized) struct GPULossTests {
    /// Counts pictures, and holds on to one of them.
    private final class Sink: VideoSink {
        let pictures = Atomic<Int>(0)
        let held = Ring<FrameLease>(capacity: 1)
        func offer(_ frame: consuming FrameLease) {
            pictures.add(1, ordering: .relaxed)
            _ = held.push(frame)
        }
        var count: Int { pictures.load(ordering: .relaxed) }
    }

    /// What the GPU does wrong, so many times more.
    private final class Fault: Sendable {
        let resets = Atomic<Int>(0)
        let failures = Atomic<Int>(0)
        let hangs = Atomic<Int>(0)
        let closed = Atomic<Int>(0)
        let lines = Mutex<[String]>([])
        let error = Mutex<CamdError?>(nil)

        /// One of `count` is used up; false when none is left.
        static func take(_ count: borrowing Atomic<Int>) -> Bool {
            let left = count.load(ordering: .relaxed)
            guard left > 0 else { return false }
            count.store(left - 1, ordering: .relaxed)
            return true
        }

        /// `isEnded`: of a fence that fails.
        func setup(isEnded: Bool = true, mostResets: Int = 5) -> GPUSetup {
            var setup = GPUSetup(told: { line in self.lines.withLock { $0.append(line) } })
            setup.mostResets = mostResets
            setup.pauseMilliseconds = 0
            setup.faults.resetStatus = {
                Self.take(self.resets) ? GLenum(GL_INNOCENT_CONTEXT_RESET_EXT) : GLenum(GL_NO_ERROR)
            }
            setup.faults.fence = {
                if self.hangs.load(ordering: .relaxed) > 0 { return .pending }
                return Self.take(self.failures) ? .failed(reason: "its fence says EIO", isEnded: isEnded) : nil
            }
            setup.faults.open = { () throws(CamdError) in
                // A new context: what hung before is gone.
                self.hangs.store(0, ordering: .relaxed)
                if Self.take(self.closed) {
                    throw CamdError(.unavailable, subject: "GPU", reason: "it is not back yet")
                }
            }
            return setup
        }
    }

    /// A stage that is given frames by the test.
    private struct Bench {
        let pool: FramePool
        let gpu: GPUStage
        let fault: Fault
        let sink = Sink()

        init(_ fault: Fault, _ setup: GPUSetup, taps: [PictureTap] = []) throws {
            let layout = try #require(
                FrameLayout(.nv12, width: 64, height: 32, strides: [64], color: .hdVideo))
            let pool = FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: 4))
            self.pool = pool
            self.fault = fault
            var plan = PicturePlan(videoColor: .hdVideo)
            plan.taps = taps
            gpu = try GPUStage(
                source: pool, writes: DriverWrites(.clean), plan: plan,
                choice: HeapChoice([], need: .anything), setup: setup,
                ended: { error in fault.error.withLock { $0 = error } })
            try gpu.setVideoSink(sink)
        }

        /// Offers a frame, all of its bytes the same, as soon as a buffer is free; false when none comes free.
        func offer(_ value: UInt8) -> Bool {
            let deadline = Deadline(afterMilliseconds: 10_000)
            while !deadline.hasPassed, fault.error.withLock({ $0 }) == nil {
                if let frame = pool.acquire() {
                    try? frame.buffers[0].withMutableBytes(.write) { (bytes) throws(CamdError) in
                        bytes.withUnsafeMutableBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: value) }
                    }
                    gpu.offer(frame)
                    return true
                }
                usleep(500)
            }
            return false
        }

        /// Offers so many frames, one after the other, and waits until each is a picture or lost.
        func run(_ frames: Int, value: UInt8 = 77) -> Bool {
            for _ in 0..<frames {
                let before = finished
                guard offer(value) else { return false }
                let deadline = Deadline(afterMilliseconds: 10_000)
                while finished == before {
                    if deadline.hasPassed || fault.error.withLock({ $0 }) != nil { return false }
                    usleep(200)
                }
            }
            return true
        }

        var noPicture: CamdError { CamdError(.software, subject: "test", reason: "no picture came") }

        var finished: UInt64 {
            let counts = gpu.counts
            return counts.video + counts.lostGPUFailed + counts.lostGPUBehind + counts.lostNoOutputBuffer
        }
    }

    /// The fewest fences that this process has open at one of several looks.
    private static func fences() -> Int {
        (0..<10).map { _ in
            usleep(2000)
            return Directory.names(in: "/proc/self/fd").count { name in
                var target = [CChar](repeating: 0, count: 128)
                readlink("/proc/self/fd/\(name)", &target, target.count - 1)
                return target.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }.contains("sync_file")
            }
        }.min() ?? 0
    }

    @Test func `20 lost contexts later pictures come in the same buffers, and nothing leaks`() throws {
        let fault = Fault()
        let screen = Sink()
        let bench = try Bench(
            fault, fault.setup(mostResets: 100), taps: [PictureTap(.rgba, sink: screen)])
        defer { bench.gpu.stop() }
        #expect(bench.run(3))
        // A picture that somebody holds on to all the time.
        guard let held = bench.sink.held.pop() else { throw bench.noPicture }
        fault.resets.store(1, ordering: .relaxed)
        #expect(bench.run(5))
        let baseline = Self.fences()
        for round in 2...20 {
            fault.resets.store(1, ordering: .relaxed)
            #expect(bench.run(3), "round \(round): \(String(describing: fault.error.withLock { $0 }))")
            #expect(bench.gpu.counts.resets == UInt64(round))
        }
        // Other tests have some, too, for a moment; what leaks would be one for each loss.
        let fences = Self.fences()
        #expect(fences < baseline + 10, "\(baseline) fences became \(fences)")
        _ = bench.sink.held.pop()
        #expect(bench.run(1, value: 99))
        guard let last = bench.sink.held.pop() else { throw bench.noPicture }
        let isSame = last.pool === held.pool
        #expect(isSame, "the same buffers go on")
        for (picture, value) in [(held.buffers[0], 77), (last.buffers[0], 99)] as [(DMABuf, UInt8)] {
            try picture.withBytes { (bytes) throws(CamdError) in
                bytes.withUnsafeBytes { bytes in #expect(bytes[0..<64 * 48].allSatisfy { $0 == value }) }
            }
        }
        let counts = bench.gpu.counts
        #expect(counts.lostGPUFailed == 20, "one frame was in the GPU's hands each time")
        #expect(counts.video + counts.lostGPUFailed == 3 + 5 + 19 * 3 + 1)
        #expect(Int(counts.video) == bench.sink.count)
        #expect(screen.count == bench.sink.count)
        #expect(fault.lines.withLock { $0.count } == 40, "one line for each loss, one for each return")
        #expect(fault.lines.withLock { $0[0] }.contains("GL_INNOCENT_CONTEXT_RESET"))
    }

    @Test func `a photo that was in a lost context's hands is drawn from the next frame`() throws {
        let fault = Fault()
        let bench = try Bench(fault, fault.setup())
        defer { bench.gpu.stop() }
        #expect(bench.run(2))
        fault.resets.store(1, ordering: .relaxed)
        let ticket = try StillTicket()
        try bench.gpu.requestStill(ticket)
        #expect(bench.run(2))
        let photo = try ticket.wait(limitMilliseconds: 5000)
        #expect(photo.layout.format == .yuv420)
        #expect(bench.gpu.counts.resets == 1)
    }

    @Test func `a frame that the GPU gives up is lost, and the context goes on`() throws {
        let fault = Fault()
        let bench = try Bench(fault, fault.setup(isEnded: true))
        defer { bench.gpu.stop() }
        #expect(bench.run(2))
        fault.failures.store(3, ordering: .relaxed)
        #expect(bench.run(6))
        let counts = bench.gpu.counts
        #expect(counts.lostGPUFailed == 3)
        #expect(counts.video == 5)
        #expect(bench.sink.count == 5, "what a failed frame drew is handed to nobody")
        #expect(counts.resets == 0)
        #expect(fault.lines.withLock { $0.count } == 1, "three in a row are one event")
    }

    @Test func `a GPU that gives up one frame after the other gets a new context`() throws {
        let fault = Fault()
        let bench = try Bench(fault, fault.setup(isEnded: true))
        defer { bench.gpu.stop() }
        fault.failures.store(8, ordering: .relaxed)
        #expect(bench.run(10))
        #expect(bench.gpu.counts.resets == 1)
        #expect(bench.gpu.counts.lostGPUFailed == 8)
    }

    @Test func `a fence that nothing can be learned from is a lost context`() throws {
        let fault = Fault()
        let bench = try Bench(fault, fault.setup(isEnded: false))
        defer { bench.gpu.stop() }
        #expect(bench.run(1))
        fault.failures.store(1, ordering: .relaxed)
        #expect(bench.run(3))
        #expect(bench.gpu.counts.resets == 1)
        #expect(bench.gpu.counts.lostGPUFailed == 1)
    }

    @Test func `a GPU that does not answer gets a new context`() throws {
        let fault = Fault()
        var setup = fault.setup()
        setup.hangMilliseconds = 50
        let bench = try Bench(fault, setup)
        defer { bench.gpu.stop() }
        #expect(bench.run(1))
        fault.hangs.store(1, ordering: .relaxed)
        #expect(bench.run(3))
        #expect(bench.gpu.counts.resets == 1)
        #expect(bench.gpu.counts.lostGPUFailed == 1)
        #expect(fault.lines.withLock { $0.first }?.contains("did not finish a frame within 0.05 s") == true)
    }

    @Test func `a GPU that is not back at once is tried again`() throws {
        let fault = Fault()
        let bench = try Bench(fault, fault.setup())
        defer { bench.gpu.stop() }
        #expect(bench.run(1))
        fault.closed.store(2, ordering: .relaxed)
        fault.resets.store(1, ordering: .relaxed)
        #expect(bench.run(3))
        #expect(bench.gpu.counts.resets == 1, "one loss, however many attempts")
        #expect(fault.error.withLock { $0 } == nil)
    }

    @Test func `a GPU that is lost again and again ends the stage with the reason, and gives all buffers back`() throws
    {
        let fault = Fault()
        let bench = try Bench(fault, fault.setup(mostResets: 3))
        defer { bench.gpu.stop() }
        fault.resets.store(1000, ordering: .relaxed)
        let ticket = try StillTicket()
        #expect(!bench.run(20))
        let error = try #require(fault.error.withLock { $0 })
        #expect(error.kind == .unavailable)
        #expect(error.description.contains("lost 3 times within a minute"), "\(error)")
        #expect(error.description.contains("GL_INNOCENT_CONTEXT_RESET"), "\(error)")
        #expect(bench.pool.freeCount == 4)
        _ = ticket
    }

    @Test func `a minute has so many attempts, each after a longer pause`() {
        var limit = GPUResetLimit(most: 5)
        let second: UInt64 = 1_000_000_000
        #expect((0..<6).map { limit.next(at: UInt64($0 + 100) * second) } == [0, 100, 200, 400, 800, nil])
        #expect(limit.next(at: 161 * second) == 800, "the first one is more than a minute ago")
        var many = GPUResetLimit(most: 100)
        #expect((0..<100).allSatisfy { many.next(at: UInt64($0)) ?? .max <= 1000 }, "nobody waits for long")
        #expect(limit.next(at: 300 * second) == 0)
    }

    @Test func `EGL's own fence tells the end of a frame where the driver has none`() throws {
        let fault = Fault()
        var setup = GPUSetup()
        setup.fence = .egl
        let bench = try Bench(fault, setup)
        defer { bench.gpu.stop() }
        #expect(bench.run(20), "\(String(describing: fault.error.withLock { $0 }))")
        #expect(bench.gpu.counts.video == 20)
        #expect(bench.gpu.counts.resets == 0)
    }
}
