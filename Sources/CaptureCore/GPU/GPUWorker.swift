import CEGL
import Glibc
import LinuxSystem
import Synchronization

/// The GL thread's own half of `GPUStage`: everything in it is made, used and ended on that thread.
final class GPUWorker {
    let report: GPUStage.Report
    let videoLayout: FrameLayout?

    private let plan: GPUPlan
    private let kept: GPUScene.Kept
    /// Nil from the loss of a context until it is made anew.
    private var scene: GPUScene?
    private let taps: [Tap]
    private let waiting: Ring<FrameLease>
    private let bell: EventCounter
    private let shared: GPUStage.Shared

    private var sink: (any VideoSink)?
    private var stills: [StillTicket] = []
    private var isStopping = false
    /// Frames in the GPU's hands, oldest first. A ring is used by two threads elsewhere; here by one.
    private let inFlight = Ring<InFlight>(capacity: 2)
    /// Frames that a lost context had, until it is destroyed.
    private let stranded = Ring<InFlight>(capacity: 3)
    private var fenceDescriptor: Int32?
    /// Frames in a row that the GPU gave up.
    private var failuresInARow = 0
    /// Why the context has to be made anew.
    private var lossReason: String?
    private var limit: GPUResetLimit

    /// One more output, and its pictures that the GPU is at, oldest first.
    private struct Tap {
        var pool: FramePool
        var sink: any VideoSink
        var drawing = Ring<FrameLease>(capacity: 2)
    }

    private struct InFlight: ~Copyable {
        /// A bit for each tap that gets a picture of the frame.
        var taps: UInt64 = 0
        var capture: FrameLease
        var video: FrameLease?
        var still: FrameLease?
        var tickets: [StillTicket] = []
        var fence: GPUFence?
        /// When it was given to the GPU.
        var began = Clock.monotonicNanoseconds()

        func outcome(withinMilliseconds limit: Int32) -> GPUFence.Outcome {
            switch fence {
            case .some(let fence): fence.outcome(withinMilliseconds: limit)
            case .none: .over
            }
        }

        var descriptor: Int32? {
            switch fence {
            case .some(let fence): fence.descriptor
            case .none: nil
            }
        }
    }

    /// So many frames in a row that the GPU gives up are a loss of the context, whatever it says of itself.
    private static let mostFailures = 8

    init(
        _ plan: GPUPlan, waiting: Ring<FrameLease>, bell: EventCounter, shared: GPUStage.Shared
    ) throws(CamdError) {
        let scene = try GPUScene(plan)
        self.plan = plan
        self.scene = scene
        let kept = scene.kept
        self.kept = kept
        taps = zip(kept.taps, plan.pictures.taps).map { Tap(pool: $0.pool, sink: $1.sink) }
        limit = GPUResetLimit(
            most: plan.setup.mostResets, pauseMilliseconds: plan.setup.pauseMilliseconds)
        self.waiting = waiting
        self.bell = bell
        self.shared = shared
        videoLayout = kept.video?.pool.layout
        report = GPUStage.Report(scene)
        shared.wantsFrames.store(!taps.isEmpty, ordering: .releasing)
    }

    /// Works until it is told to stop; an error ends it, unless the context can be made anew.
    func run() -> CamdError? {
        while true {
            do throws(CamdError) {
                try work()
                try finishAll()
                let ended = CamdError(
                    .temporary, subject: "photo", reason: "the camera was closed before its frame came")
                end(ended)
                return nil
            } catch {
                guard !isStopping, let reason = lossReason ?? scene?.display.lossReason() else { return end(error) }
                if let failure = recover(reason) { return end(failure) }
            }
        }
    }

    /// Lets go of all: photos fail with this.
    @discardableResult
    private func end(_ error: CamdError) -> CamdError {
        release()
        for ticket in stills { ticket.fail(error) }
        stills = []
        while waiting.pop() != nil {}
        return error
    }

    private func work() throws(CamdError) {
        while !isStopping {
            sleepUntilNeeded()
            try finishFrames(waitingMilliseconds: 0)
            takeOrders()
            while inFlight.count < inFlight.capacity, let frame = waiting.pop() {
                // What was ordered before this frame was offered holds for it.
                takeOrders()
                try draw(frame)
            }
        }
    }

    /// Sleeps until there is a frame or an order, or the oldest frame in the GPU is done.
    private func sleepUntilNeeded() {
        var entries = InlineArray<2, pollfd>(repeating: pollfd())
        entries[0] = pollfd(fd: bell.fileDescriptor, events: CShort(POLLIN), revents: 0)
        // While the GPU is full, new frames are no reason to wake.
        if inFlight.count == inFlight.capacity { entries[0].fd = -1 }
        entries[1] = pollfd(fd: fenceDescriptor ?? -1, events: CShort(POLLIN), revents: 0)
        let isPolledByHand = inFlight.count > 0 && fenceDescriptor == nil
        let limit: CInt = isPolledByHand ? 1 : plan.setup.hangMilliseconds
        var span = entries.mutableSpan
        _ = span.withUnsafeMutableBufferPointer { list in retrying { poll(list.baseAddress, 2, limit) } }
        if entries[0].revents != 0 { bell.clear() }
    }

    private func takeOrders() {
        guard shared.hasOrders.exchange(false, ordering: .acquiringAndReleasing) else { return }
        let generation = shared.orders.withLock { orders in
            sink = orders.sink
            stills.append(contentsOf: orders.stills)
            orders.stills.removeAll(keepingCapacity: true)
            isStopping = orders.isStopping
            return orders.sinkGeneration
        }
        shared.wantsVideo.store(sink != nil, ordering: .releasing)
        shared.wantsFrames.store(sink != nil || !taps.isEmpty, ordering: .releasing)
        // A photo that waits for its frame keeps frames coming.
        if !stills.isEmpty { shared.hasOrders.store(true, ordering: .releasing) }
        if shared.appliedGeneration.load(ordering: .relaxed) != generation {
            shared.appliedGeneration.store(generation, ordering: .releasing)
            shared.applied.signal()
        }
    }

    private func draw(_ frame: consuming FrameLease) throws(CamdError) {
        guard let scene else { return }
        var videoFrame: FrameLease?
        if sink != nil, let video = kept.video {
            videoFrame = video.pool.acquire()
            if videoFrame == nil { shared.lostNoOutputBuffer.wrappingAdd(1, ordering: .relaxed) }
        }
        var stillFrame: FrameLease?
        if !stills.isEmpty { stillFrame = kept.still.pool.acquire() }
        let hasVideo = videoFrame != nil
        let hasStill = stillFrame != nil
        guard hasVideo || hasStill || !taps.isEmpty else { return }
        var entry = InFlight(capture: frame, video: videoFrame, still: stillFrame)
        if hasStill { swap(&entry.tickets, &stills) }
        do throws(CamdError) {
            try draw(&entry, scene)
        } catch {
            // What was submitted may still be at work.
            let refused = stranded.push(entry)
            precondition(refused == nil, "a lost context has the frames in flight and one more")
            throw error
        }
        if inFlight.count == 0 { fenceDescriptor = entry.descriptor }
        let refused = inFlight.push(entry)
        precondition(refused == nil, "the GPU is given a frame only when it has room")
    }

    /// Draws what is wanted of a frame, and marks the end of it.
    private func draw(_ entry: inout InFlight, _ scene: GPUScene) throws(CamdError) {
        var copied = try scene.source.bind(entry.capture.slot)
        scene.useCorners()
        if entry.video != nil || !taps.isEmpty || scene.ownStillChain == nil { scene.chain.draw() }
        let metadata = entry.capture.metadata
        if let video = scene.video, let slot = entry.video?.slot {
            copied += try video.draw(slot)
            entry.video?.metadata = metadata
        }
        if let slot = entry.still?.slot {
            scene.ownStillChain?.draw()
            copied += try scene.still.draw(slot)
            entry.still?.metadata = metadata
        }
        for index in taps.indices {
            guard let picture = taps[index].pool.acquire() else { continue }
            let slot = picture.slot
            picture.metadata = metadata
            let refused = taps[index].drawing.push(picture)
            precondition(refused == nil, "the GPU is given a frame only when it has room")
            entry.taps |= 1 << UInt64(index)
            copied += try scene.taps[index].draw(slot)
        }
        if copied > 0 { shared.bytesCopied.wrappingAdd(UInt64(copied), ordering: .relaxed) }
        // Only fences that lie on the buffers have to know them.
        guard scene.display.fenceKind == .implicit else {
            entry.fence = try GPUFence(scene.display, reads: [], writes: [])
            return
        }
        var writes = (entry.video?.buffers ?? []) + (entry.still?.buffers ?? [])
        for index in taps.indices where entry.taps & (1 << UInt64(index)) != 0 {
            writes += taps[index].drawing.withNewest { $0.buffers } ?? []
        }
        entry.fence = try GPUFence(scene.display, reads: entry.capture.buffers, writes: writes)
    }

    /// Hands on what the GPU is done with, oldest first.
    private func finishFrames(waitingMilliseconds limit: Int32) throws(CamdError) {
        while let outcome = inFlight.withOldest({ $0.outcome(withinMilliseconds: limit) }) {
            switch outcome {
            case .pending:
                let began = inFlight.withOldest { $0.began } ?? 0
                let waited = (Clock.monotonicNanoseconds() - began) / 1_000_000
                guard waited >= UInt64(plan.setup.hangMilliseconds) else { return }
                throw lost("it did not finish a frame within \(Double(plan.setup.hangMilliseconds) / 1000) s")
            case .over:
                // Fences of a GPU that was reset are over, too.
                if let reason = scene?.display.lossReason() { throw lost(reason) }
                failuresInARow = 0
                if let entry = inFlight.pop() { deliver(entry) }
            case .failed(let reason, let isEnded):
                if let reason = scene?.display.lossReason() { throw lost(reason) }
                failuresInARow += 1
                guard isEnded, failuresInARow < Self.mostFailures else { throw lost(reason) }
                if failuresInARow == 1 { plan.setup.told("GPU \(report.renderer): \(reason): what it drew is lost") }
                if let entry = inFlight.pop() { discard(entry) }
            }
            fenceDescriptor = inFlight.withOldest { $0.descriptor } ?? nil
        }
    }

    private func lost(_ reason: String) -> CamdError {
        lossReason = reason
        return CamdError(
            .unavailable, subject: "GPU \(report.renderer)", reason: reason,
            remedy: "See the kernel's log (dmesg) for a reset of the GPU.")
    }

    private func deliver(_ entry: consuming InFlight) {
        var entry = entry
        if let frame = entry.video.take(), let sink {
            shared.video.wrappingAdd(1, ordering: .relaxed)
            sink.offer(frame)
        }
        if let frame = entry.still.take() {
            for ticket in entry.tickets { ticket.fulfil(frame.share()) }
        }
        for index in taps.indices where entry.taps & (1 << UInt64(index)) != 0 {
            if let picture = taps[index].drawing.pop() { taps[index].sink.offer(picture) }
        }
        // The capture buffer goes back to the driver here: the GPU's reads are over.
    }

    /// Lets go of a frame whose pictures are worth nothing. Photos are drawn from the next one.
    private func discard(_ entry: consuming InFlight) {
        if entry.video != nil, sink != nil { shared.lostGPUFailed.wrappingAdd(1, ordering: .relaxed) }
        stills.insert(contentsOf: entry.tickets, at: 0)
        if !stills.isEmpty { shared.hasOrders.store(true, ordering: .releasing) }
        for index in taps.indices where entry.taps & (1 << UInt64(index)) != 0 { _ = taps[index].drawing.pop() }
    }

    private func finishAll() throws(CamdError) {
        let deadline = Deadline(afterMilliseconds: 1000)
        while inFlight.count > 0, !deadline.hasPassed {
            try finishFrames(waitingMilliseconds: deadline.remainingMilliseconds)
        }
        try scene?.display.checkErrors()
    }

    // MARK: A lost context

    /// Destroys the context, then lets go of the frames that it had: only now the GPU surely reads and writes no more of them.
    private func release() {
        while var entry = inFlight.pop() {
            entry.fence = nil
            let refused = stranded.push(entry)
            precondition(refused == nil, "a lost context has the frames in flight and one more")
        }
        fenceDescriptor = nil
        weak let display = scene?.display
        scene = nil
        assert(display == nil, "somebody holds on to a context that is to be destroyed")
        while let entry = stranded.pop() { discard(entry) }
    }

    /// Makes the context anew, with the same buffers; returns why that is given up.
    private func recover(_ reason: String) -> CamdError? {
        let began = Clock.monotonicNanoseconds()
        var reason = reason
        lossReason = nil
        failuresInARow = 0
        shared.isRecovering.store(true, ordering: .releasing)
        defer {
            shared.isRecovering.store(false, ordering: .releasing)
            // For frames that came before: their bell is read.
            bell.signal()
        }
        shared.resets.wrappingAdd(1, ordering: .relaxed)
        plan.setup.told("GPU \(report.renderer): \(reason): its context is made anew")
        while true {
            release()
            guard let pause = limit.next() else {
                return CamdError(
                    .unavailable, subject: "GPU \(report.renderer)",
                    reason:
                        "its context was lost \(plan.setup.mostResets) times within a minute and once more: \(reason)",
                    remedy: "See the kernel's log (dmesg) for a reset of the GPU.")
            }
            rest(milliseconds: pause)
            if isStopping { return nil }
            do throws(CamdError) {
                scene = try GPUScene(plan, kept: kept)
                let milliseconds = (Clock.monotonicNanoseconds() - began) / 1_000_000
                plan.setup.told("GPU \(report.renderer): goes on after \(milliseconds) ms")
                return nil
            } catch {
                reason = error.withoutRemedy
            }
        }
    }

    /// Sleeps, but takes orders meanwhile.
    private func rest(milliseconds: Int) {
        let deadline = Deadline(afterMilliseconds: milliseconds)
        while !deadline.hasPassed, !isStopping {
            _ = try? wait(for: .input, on: bell.fileDescriptor, milliseconds: deadline.remainingMilliseconds)
            bell.clear()
            takeOrders()
        }
    }
}
