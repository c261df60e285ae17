import CV4L2
import Glibc
import LinuxSystem
import Synchronization

/// A V4L2 camera that streams: one thread waits for frames, hands each on as a lease, and queues what comes back.
///
/// On that thread nothing is allocated, no lock is taken, and a frame costs one epoll_wait, one DQBUF, the sink's
/// wake-up and one QBUF.
public final class CaptureStream: FrameSource, @unchecked Sendable {
    public let identity: CameraIdentity
    public let framesPerSecond: Double?
    public let pool: FramePool
    public let ledger = Ledger()
    public let capturePath: String
    public let heapName: String?
    public let refusals: [PathRefusal]
    public let writes: DriverWrites.Kind
    public let buffers: (asked: Int, granted: Int)

    /// The driver's own words for its frames, and why they are not of a format that needs no conversion.
    let format: CaptureFormat

    private let node: VideoNode
    private let memory: QueueMemory
    private let depth: QueueDepth
    private let bell: EventCounter
    private let stopBell: EventCounter
    /// For each slot when the driver got it, 0 while it is not the driver's. The capture thread's own.
    private let queuedAt: UnsafeMutablePointer<UInt64>
    private let stopping = Atomic<Bool>(false)
    private var thread: OSThread?

    /// Without a frame for this long the camera is given up as stalled. The first frame has twice as long.
    static let stallNanoseconds: UInt64 = 5_000_000_000
    /// Wake-ups in a row without a frame.
    static let mostEmptyWakes = 1000

    /// Sets the camera up as wished and negotiates its buffers; nothing streams yet.
    /// `heaps`: names to allocate from, in order; empty lets camd choose. `buffers`: 3 to 32, given the layout of the
    /// frames. `stock`: what an earlier stream left, and where this one leaves its own.
    public init(
        node: consuming VideoNode, id: String, wish: FormatWish, heaps: [String],
        buffers asked: (FrameLayout) -> Int = { _ in VideoNode.usualBuffers },
        stock: BufferStock = BufferStock()
    ) throws(CamdError) {
        let format = try node.configure(wish)
        let need = MemoryNeed(driver: node.driver, hasIOMMU: node.hasIOMMU)
        let largest = format.layout.bufferSizes.max() ?? 0
        let choice = try HeapChoice.forMachine(heaps: heaps, need: need, bytes: largest, stock: stock)
        let buffers = asked(format.layout)
        let queue = try node.negotiate(format.layout, choice, count: buffers, stock: stock)
        // Frames with no planes tell with each where they begin.
        let isLocated = node.isMultiPlanar && !format.layout.isOpaque
        let layout = try isLocated ? node.located(format.layout, queue) : format.layout
        let depth = QueueDepth(low: 3)
        bell = try EventCounter()
        stopBell = try EventCounter()
        pool = FramePool(
            layout: layout, buffers: queue.buffers, bell: .signal(bell, when: { _ in depth.isLow }),
            heir: queue.source.map { FramePool.Heir(stock, $0) })
        identity = CameraIdentity(id: id, name: node.card, driver: node.driver, node: node.path)
        framesPerSecond = format.framesPerSecond
        writes = !node.writesWithCPU ? .clean : queue.memory == .dmaBuf ? .cached : .cachedOutOfReach
        self.buffers = (buffers, queue.buffers.count)
        capturePath = queue.path
        if case .heap(let heap)? = queue.source { heapName = heap.name } else { heapName = nil }
        refusals = queue.refusals
        memory = queue.memory
        self.format = format
        self.depth = depth
        self.node = node
        queuedAt = .allocate(capacity: pool.slotCount)
        queuedAt.initialize(repeating: 0, count: pool.slotCount)
    }

    deinit { queuedAt.deallocate() }

    public func start(
        sink: @escaping @Sendable (consuming FrameLease) -> Void, ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError) {
        precondition(thread == nil, "a stream is started once")
        do throws(CamdError) {
            if let error = queueReturned(Clock.monotonicNanoseconds()) { throw queueError(error, "VIDIOC_QBUF") }
            try node.streamOn()
        } catch {
            takeAllBack()
            throw error
        }
        // Only now: polling an idle queue whose driver also reads would start the read emulator.
        let epoll = try Epoll()
        try epoll.add(node.fileDescriptor, .input, token: 0)
        try epoll.add(bell.fileDescriptor, [.input, .edge], token: 1)
        try epoll.add(stopBell.fileDescriptor, .input, token: 2)
        let box = EpollBox(epoll)
        thread = try OSThread("camd-capture") { [self] in
            let error = run(box.epoll, sink)
            takeAllBack()
            if let error { ended(error) }
        }
    }

    /// Streams before `start` until `look` returns true, which is given the bytes of each whole frame, and takes all buffers
    /// back; false when it saw nothing that it liked within the limit. For what only a frame tells.
    func preview(
        limitMilliseconds: Int, _ look: (UnsafeRawBufferPointer) -> Bool
    ) throws(CamdError) -> Bool {
        precondition(thread == nil, "frames are previewed before the stream starts")
        defer {
            takeAllBack()
            for slot in 0..<pool.slotCount { _ = pool.lease(slot, .none) }
        }
        if let error = queueReturned(Clock.monotonicNanoseconds()) { throw queueError(error, "VIDIOC_QBUF") }
        try node.streamOn()
        let deadline = Deadline(afterMilliseconds: limitMilliseconds)
        while !deadline.hasPassed {
            guard try wait(for: .input, on: node.fileDescriptor, milliseconds: deadline.remainingMilliseconds) != nil
            else { return false }
            switch node.dequeueBuffer(memory) {
            case .success(nil): continue
            case .failure(let error): throw queueError(error, "VIDIOC_DQBUF")
            case .success(let frame?):
                if let error = wrongSlot(frame) { throw error }
                queuedAt[frame.slot] = 0
                depth.add(-1)
                setOwned(frame.slot, byDriver: false)
                if !frame.isCorrupt, try show(frame, look) { return true }
                if let error = queue(frame.slot, Clock.monotonicNanoseconds()) {
                    throw queueError(error, "VIDIOC_QBUF")
                }
            }
        }
        return false
    }

    private func show(
        _ frame: DequeuedBuffer, _ look: (UnsafeRawBufferPointer) -> Bool
    ) throws(CamdError) -> Bool {
        try pool.buffers[frame.slot][0].withBytes { (bytes) throws(CamdError) in
            guard let used = metadata(frame, stamp: 0, now: 0).used(of: bytes.byteCount) else { return false }
            return bytes.withUnsafeBytes { look(UnsafeRawBufferPointer(rebasing: $0[used])) }
        }
    }

    private func metadata(_ frame: DequeuedBuffer, stamp: UInt64, now: UInt64) -> FrameMetadata {
        var metadata = FrameMetadata(
            sequence: frame.sequence, timestampNanoseconds: stamp, bytesUsed: frame.bytesUsed, dequeuedNanoseconds: now)
        metadata.dataOffset = frame.dataOffset
        return metadata
    }

    /// What comes from a driver is checked like any other input: a lease of a buffer that it does not have would be
    /// written while it is read.
    private func wrongSlot(_ frame: DequeuedBuffer) -> CamdError? {
        guard frame.slot < pool.slotCount, queuedAt[frame.slot] != 0 else {
            return CamdError(
                .unavailable, subject: node.subject, call: "VIDIOC_DQBUF",
                reason: "the driver gave back buffer \(frame.slot) of \(pool.slotCount), which it did not have",
                remedy: "This is a fault of the driver \(identity.driver).")
        }
        return nil
    }

    private func takeAllBack() {
        node.streamOff()
        for slot in 0..<pool.slotCount {
            setOwned(slot, byDriver: false)
            queuedAt[slot] = 0
        }
        depth.clear()
    }

    public func stop() {
        stopping.store(true, ordering: .releasing)
        stopBell.signal()
        thread?.join()
        thread = nil
        // Leases that are still out keep their memory; only the driver lets go of it.
        node.freeBuffers(memory)
    }

    private func run(_ epoll: borrowing Epoll, _ sink: (consuming FrameLease) -> Void) -> CamdError? {
        var writer = Ledger.Writer(ledger, framesPerSecond: framesPerSecond)
        var lastFrame = Clock.monotonicNanoseconds() + Self.stallNanoseconds
        var isWatched = true
        var emptyWakes = 0
        while !stopping.load(ordering: .acquiring) {
            var nodeIsReady = false
            do throws(CamdError) {
                _ = try epoll.wait(milliseconds: 1000) { if $0.token == 0 { nodeIsReady = true } }
            } catch {
                return error
            }
            let now = Clock.monotonicNanoseconds()
            if nodeIsReady {
                switch node.dequeueBuffer(memory) {
                case .success(let frame?):
                    if let error = hand(frame, now, &writer, sink) { return error }
                    lastFrame = now
                    emptyWakes = 0
                case .success(nil):
                    // Polled as ready, and nothing is there: a driver that goes on so would keep a CPU busy for ever.
                    emptyWakes += 1
                    if emptyWakes > Self.mostEmptyWakes { return emptyReadiness() }
                case .failure(let error): return queueError(error, "VIDIOC_DQBUF")
                }
            }
            if now > lastFrame, now - lastFrame > Self.stallNanoseconds { return stalled() }
            if let error = queueReturned(now) { return queueError(error, "VIDIOC_QBUF") }
            do throws(CamdError) {
                // A queue with no buffer polls as an error without end: it is left out until it has one again.
                if depth.count == 0, isWatched {
                    epoll.remove(node.fileDescriptor)
                    isWatched = false
                } else if depth.count > 0, !isWatched {
                    try epoll.add(node.fileDescriptor, .input, token: 0)
                    isWatched = true
                }
            } catch {
                return error
            }
        }
        return nil
    }

    private func hand(
        _ frame: DequeuedBuffer, _ now: UInt64, _ writer: inout Ledger.Writer, _ sink: (consuming FrameLease) -> Void
    ) -> CamdError? {
        if let error = wrongSlot(frame) { return error }
        let queued = queuedAt[frame.slot]
        queuedAt[frame.slot] = 0
        depth.add(-1)
        setOwned(frame.slot, byDriver: false)
        let stamp = writer.enter(
            Ledger.Writer.Frame(
                sequence: frame.sequence, timestamp: frame.isMonotonic ? frame.timestampNanoseconds : now,
                isCorrupt: frame.isCorrupt, isStampedAtStart: frame.isStampedAtStart, queued: queued, now: now))
        if frame.isCorrupt {
            if let error = queue(frame.slot, now) { return queueError(error, "VIDIOC_QBUF") }
            return nil
        }
        sink(pool.lease(frame.slot, metadata(frame, stamp: stamp, now: now)))
        return nil
    }

    private func queueReturned(_ now: UInt64) -> Errno? {
        var slots = pool.takeReturned()
        while slots != 0 {
            let slot = slots.trailingZeroBitCount
            slots &= slots - 1
            if let error = queue(slot, now) { return error }
        }
        return nil
    }

    private func queue(_ slot: Int, _ now: UInt64) -> Errno? {
        setOwned(slot, byDriver: true)
        queuedAt[slot] = max(1, now)
        if let error = node.queueBuffer(slot, memory, pool.buffers[slot]) { return error }
        depth.add(1)
        return nil
    }

    private func setOwned(_ slot: Int, byDriver isOwned: Bool) {
        for buffer in pool.buffers[slot] { buffer.setOwnedByDriver(isOwned) }
    }

    private func queueError(_ error: Errno, _ call: String) -> CamdError {
        switch error {
        case .noDevice:
            return CamdError(
                .noInput, subject: node.subject, call: call, errno: error, reason: "the camera is gone",
                remedy: "Plug it in again.")
        case .inputOutput:
            return CamdError(
                .inputOutput, subject: node.subject, call: call, errno: error,
                reason: "its driver gave up the stream", remedy: "See the kernel's log (dmesg); start again.")
        default:
            return CamdError(
                .inputOutput, subject: node.subject, call: call, errno: error,
                reason: "its queue failed (\(error.message))", remedy: "See the kernel's log (dmesg).")
        }
    }

    private static let stallSeconds = stallNanoseconds / 1_000_000_000

    private func stalled() -> CamdError {
        guard depth.count > 0 else {
            // The camera cannot deliver into nothing: this is camd's own doing, or that of its clients.
            return CamdError(
                .temporary, subject: node.subject,
                reason: "all \(pool.slotCount) buffers were held for \(Self.stallSeconds) s, none was left to fill",
                remedy: "Give it more with --buffers, or see what holds frames so long.")
        }
        return CamdError(
            .unavailable, subject: node.subject, reason: "no frame came for \(Self.stallSeconds) s",
            remedy: "See the kernel's log (dmesg); unplug the camera and plug it in again.")
    }

    private func emptyReadiness() -> CamdError {
        CamdError(
            .unavailable, subject: node.subject, call: "VIDIOC_DQBUF",
            reason: "its driver says \(Self.mostEmptyWakes) times in a row that a frame is there, and gives none",
            remedy: "This is a fault of the driver \(identity.driver).")
    }
}

/// Carries the epoll instance into the thread's closure.
final class EpollBox: Sendable {
    let epoll: Epoll
    init(_ epoll: consuming Epoll) { self.epoll = epoll }
}

extension VideoNode {
    /// The layout with the offsets that the driver tells with a frame: one is captured for that, and given back.
    fileprivate func located(_ layout: FrameLayout, _ queue: NegotiatedQueue) throws(CamdError) -> FrameLayout {
        for slot in queue.buffers.indices {
            if let error = queueBuffer(slot, queue.memory, queue.buffers[slot]) {
                streamOff()
                throw CamdError(call: "VIDIOC_QBUF", errno: error, subject: subject)
            }
        }
        defer { streamOff() }
        try streamOn()
        let offsets = try firstDataOffsets(queue.memory, bufferCount: layout.bufferSizes.count)
        guard let moved = layout.moved(by: offsets) else {
            throw CamdError(
                .unavailable, subject: subject, call: "VIDIOC_DQBUF",
                reason:
                    "with the data offsets \(offsets) a frame does not fit into its buffers (\(layout.bufferSizes))",
                remedy: "This is a fault of the driver \(driver); try another --pixel-format.")
        }
        return moved
    }
}
