import CEGL
import Glibc
import LinuxSystem
import Synchronization

/// The GL thread's own half of `GPUStage`: everything in it is made, used and ended on that thread.
final class GPUWorker {
    let report: GPUStage.Report
    let videoLayout: FrameLayout?

    private let display: GPUDisplay
    private let source: GPUSource
    private let chain: GPUChain
    /// What photos are made of, where that is not what the video is made of.
    private let ownStillChain: GPUChain?
    private let video: GPUOutput?
    private let still: GPUOutput
    private let taps: [Tap]
    private let waiting: Ring<FrameLease>
    private let bell: EventCounter
    private let shared: GPUStage.Shared
    private let corners: [GLfloat] = [-1, -1, 3, -1, -1, 3]

    private var sink: (any VideoSink)?
    private var stills: [StillTicket] = []
    private var isStopping = false
    /// Frames in the GPU's hands, oldest first. A ring is used by two threads elsewhere; here by one.
    private let inFlight = Ring<InFlight>(capacity: 2)
    private var fenceDescriptor: Int32?

    /// One more output, and its pictures that the GPU is at, oldest first.
    private struct Tap {
        var output: GPUOutput
        var sink: any VideoSink
        var drawing = Ring<FrameLease>(capacity: 2)
    }

    private struct InFlight: ~Copyable {
        /// A bit for each tap that gets a picture of the frame.
        var taps: UInt64
        var capture: FrameLease
        var video: FrameLease?
        var still: FrameLease?
        var tickets: [StillTicket]
        var fence: GPUFence
    }

    /// A GPU that takes longer for a frame has hung.
    private static let hangMilliseconds: Int32 = 5000

    init(
        source pool: FramePool, writes: DriverWrites, plan: PicturePlan, choice: HeapChoice, stock: BufferStock,
        waiting: Ring<FrameLease>, bell: EventCounter, shared: GPUStage.Shared
    ) throws(CamdError) {
        var refusals = choice.refusals.map { PathRefusal(.output, $0.source.name, $0.reason) }
        display = try GPUDisplay()
        let source = try GPUSource(
            display, pool, writes: writes.handling(isSoftwareGPU: display.isSoftware), look: plan.look,
            refusals: &refusals)
        self.source = source
        var stillLook = plan.ownStillLook(source.reading)
        if stillLook?.quality == .still {
            do throws(CamdError) {
                try GPUChain.checkPrecision(display)
            } catch {
                refusals.append(PathRefusal(.output, "photos in still quality", error.withoutRemedy))
                stillLook?.quality = .video
                if stillLook == plan.look { stillLook = nil }
            }
        }
        let whole = PictureView(width: pool.layout.width, height: pool.layout.height)
        let (videoView, stillView) = (plan.video ?? whole, plan.still ?? whole)
        let wishes = plan.taps.prefix(PictureTap.most)
        let views = wishes.compactMap(\.view) + (plan.hasVideo ? [videoView] : [])
        chain = try Self.chain(display, source.input, stillLook == nil ? views + [stillView] : views)
        if let stillLook {
            ownStillChain = try Self.chain(display, source.addInput(display, look: stillLook), [stillView])
        } else {
            ownStillChain = nil
        }
        // What photos are refused is told only where there are no videos: else it is the same.
        var ofVideo: [PathRefusal] = []
        video =
            try plan.hasVideo
            ? GPUOutput(
                display, .nv12, of: chain, view: videoView, color: plan.videoColor,
                slots: GPUStage.videoSlots(bytes: videoView.width * videoView.height * 3 / 2),
                sources: choice.sources, stock: stock, refusals: &ofVideo) : nil
        var ofStills: [PathRefusal] = []
        still = try GPUOutput(
            display, .i420, of: ownStillChain ?? chain, view: stillView, color: .jfif,
            slots: GPUStage.stillSlots, sources: choice.sources, stock: stock, refusals: &ofStills)
        refusals += plan.hasVideo ? ofVideo : ofStills
        var ignored: [PathRefusal] = []
        var made: [Tap] = []
        for wish in wishes {
            let output = try GPUOutput(
                display, wish.outputKind, of: chain, view: wish.view ?? whole, color: wish.color,
                slots: min(FramePool.mostSlots, max(2, wish.slots)), sources: choice.sources, stock: stock,
                refusals: &ignored)
            made.append(Tap(output: output, sink: wish.sink))
        }
        taps = made
        glEnableVertexAttribArray(0)
        glDisable(GLenum(GL_DITHER))
        self.waiting = waiting
        self.bell = bell
        self.shared = shared
        videoLayout = video?.pool.layout
        report = GPUStage.Report(
            gpuPath: source.path, outputPath: (video ?? still).path, renderer: display.renderer,
            isSoftware: display.isSoftware, refusals: refusals, videoSlots: video?.pool.slotCount ?? 0)
        try warmUp()
        shared.wantsFrames.store(!taps.isEmpty, ordering: .releasing)
    }

    /// What pictures with these views are made of.
    private static func chain(
        _ display: GPUDisplay, _ input: GPUInput, _ views: [PictureView]
    ) throws(CamdError) -> GPUChain {
        try GPUChain(
            display, input, needsPicture: views.contains { !$0.isWhole(input.width, input.height) },
            smallest: views.map { $0.scale(input.width, input.height) }.min() ?? 1)
    }

    /// Draws from each capture buffer and into each output once: drivers compile late and map pages at their first use,
    /// and the first frames should not wait for that.
    private func warmUp() throws(CamdError) {
        useCorners()
        for slot in 0..<max(source.slotsToWarm, video?.pool.slotCount ?? 0, still.pool.slotCount) {
            _ = try source.bind(slot % source.slotsToWarm)
            chain.draw()
            if let video { _ = try video.draw(slot % video.pool.slotCount) }
            if slot < still.pool.slotCount {
                ownStillChain?.draw()
                _ = try still.draw(slot)
            }
            for tap in taps where slot < tap.output.pool.slotCount { _ = try tap.output.draw(slot) }
        }
        glFinish()
        for pool in [video?.pool, still.pool].compactMap(\.self) + taps.map(\.output.pool) {
            for buffers in pool.buffers { for buffer in buffers { try buffer.prepareForCPU() } }
        }
        try display.checkErrors()
    }

    private func useCorners() {
        corners.withUnsafeBufferPointer {
            glVertexAttribPointer(0, 2, GLenum(GL_FLOAT), GLboolean(GL_FALSE), 0, $0.baseAddress)
        }
    }

    /// Works until it is told to stop; an error ends it.
    func run() -> CamdError? {
        do throws(CamdError) {
            while !isStopping {
                try sleepUntilNeeded()
                try finishFrames(waitingMilliseconds: 0)
                takeOrders()
                while inFlight.count < inFlight.capacity, let frame = waiting.pop() {
                    // What was ordered before this frame was offered holds for it.
                    takeOrders()
                    try draw(frame)
                }
            }
            try finishAll()
            return nil
        } catch {
            for ticket in stills { ticket.fail(error) }
            return error
        }
    }

    /// Sleeps until there is a frame or an order, or the oldest frame in the GPU is done.
    private func sleepUntilNeeded() throws(CamdError) {
        var entries = InlineArray<2, pollfd>(repeating: pollfd())
        entries[0] = pollfd(fd: bell.fileDescriptor, events: CShort(POLLIN), revents: 0)
        // While the GPU is full, new frames are no reason to wake.
        if inFlight.count == inFlight.capacity { entries[0].fd = -1 }
        entries[1] = pollfd(fd: fenceDescriptor ?? -1, events: CShort(POLLIN), revents: 0)
        let isPolledByHand = inFlight.count > 0 && fenceDescriptor == nil
        let limit: CInt = isPolledByHand ? 1 : Self.hangMilliseconds
        var span = entries.mutableSpan
        let count = span.withUnsafeMutableBufferPointer { list in retrying { poll(list.baseAddress, 2, limit) } }
        if count == 0, inFlight.count > 0, !isPolledByHand {
            throw CamdError(
                .unavailable, subject: "GPU \(display.renderer)",
                reason: "it did not finish a frame within \(Self.hangMilliseconds / 1000) s",
                remedy: "See the kernel's log (dmesg) for a reset of the GPU.")
        }
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
        var videoFrame: FrameLease?
        if sink != nil, let video {
            videoFrame = video.pool.acquire()
            if videoFrame == nil { shared.lostNoOutputBuffer.wrappingAdd(1, ordering: .relaxed) }
        }
        var stillFrame: FrameLease?
        if !stills.isEmpty { stillFrame = still.pool.acquire() }
        let hasVideo = videoFrame != nil
        let hasStill = stillFrame != nil
        guard hasVideo || hasStill || !taps.isEmpty else { return }
        var copied = try source.bind(frame.slot)
        useCorners()
        if hasVideo || !taps.isEmpty || ownStillChain == nil { chain.draw() }
        let metadata = frame.metadata
        if let video, let slot = videoFrame?.slot {
            copied += try video.draw(slot)
            videoFrame?.metadata = metadata
        }
        var tickets: [StillTicket] = []
        if let slot = stillFrame?.slot {
            ownStillChain?.draw()
            copied += try still.draw(slot)
            stillFrame?.metadata = metadata
            swap(&tickets, &stills)
        }
        var tapped: UInt64 = 0
        for index in taps.indices {
            guard let picture = taps[index].output.pool.acquire() else { continue }
            copied += try taps[index].output.draw(picture.slot)
            picture.metadata = metadata
            let refused = taps[index].drawing.push(picture)
            precondition(refused == nil, "the GPU is given a frame only when it has room")
            tapped |= 1 << UInt64(index)
        }
        if copied > 0 { shared.bytesCopied.wrappingAdd(UInt64(copied), ordering: .relaxed) }
        let fence = try GPUFence(display)
        if inFlight.count == 0 { fenceDescriptor = fence.descriptor }
        let entry = InFlight(
            taps: tapped, capture: frame, video: videoFrame, still: stillFrame, tickets: tickets, fence: fence)
        let refused = inFlight.push(entry)
        precondition(refused == nil, "the GPU is given a frame only when it has room")
    }

    /// Hands on what the GPU is done with, oldest first.
    private func finishFrames(waitingMilliseconds limit: Int32) throws(CamdError) {
        while inFlight.count > 0, isOldestOver(limit) {
            guard let entry = inFlight.pop() else { break }
            deliver(entry)
            fenceDescriptor = oldestFence()
        }
    }

    private func isOldestOver(_ limit: Int32) -> Bool {
        inFlight.withOldest { $0.fence.isOver(withinMilliseconds: limit) } ?? true
    }

    private func oldestFence() -> Int32? { inFlight.withOldest { $0.fence.descriptor } ?? nil }

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

    private func finishAll() throws(CamdError) {
        let deadline = Deadline(afterMilliseconds: 1000)
        while inFlight.count > 0, !deadline.hasPassed {
            try finishFrames(waitingMilliseconds: deadline.remainingMilliseconds)
        }
        let ended = CamdError(.temporary, subject: "photo", reason: "the camera was closed before its frame came")
        for ticket in stills { ticket.fail(ended) }
        while waiting.pop() != nil {}
        try display.checkErrors()
    }
}
