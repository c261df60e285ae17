import LinuxSystem
import Synchronization

/// A fixed set of frame buffers of one layout, and who holds each of them. A buffer is either free or held by one or
/// more leases; the last lease that ends gives it back. Nothing is allocated after it is made, and giving back takes
/// no lock.
///
/// The pool lives as long as any of its leases, so a lease that outlives the stream it came from is safe: its memory
/// is still there, only nobody takes the buffer back.
public final class FramePool: @unchecked Sendable {
    /// V4L2 gives at most 32 buffers (VIDEO_MAX_FRAME); one word holds them all.
    public static let mostSlots = 32

    public let layout: FrameLayout
    public let slotCount: Int
    /// For each slot its dma-bufs, as many as the layout has buffers.
    public let buffers: [[DMABuf]]

    private let holders: UnsafeMutablePointer<Atomic<Int32>>
    private let details: UnsafeMutablePointer<FrameMetadata>
    /// A bit for each slot that came back and was not taken up again.
    private let returned = Atomic<UInt64>(0)
    private let bell: ReturnBell
    private let heir: Heir?

    /// Who gets the buffers when the pool and all of its leases are gone, and where they came from.
    public struct Heir: Sendable {
        var stock: BufferStock
        var source: BufferSource

        public init(_ stock: BufferStock, _ source: BufferSource) {
            self.stock = stock
            self.source = source
        }
    }

    /// Who is woken when buffers come back.
    public enum ReturnBell: Sendable {
        case none
        /// The counter is signalled when a buffer comes back and fewer than `below` others wait: an owner with
        /// enough buffers left needs no extra wake-up.
        case signal(EventCounter, when: @Sendable (_ returnedSlots: Int) -> Bool)
    }

    /// All slots begin as free.
    public init(layout: FrameLayout, buffers: [[DMABuf]], bell: ReturnBell = .none, heir: Heir? = nil) {
        precondition((1...Self.mostSlots).contains(buffers.count), "a pool has 1 to 32 slots")
        self.layout = layout
        self.buffers = buffers
        self.bell = bell
        self.heir = heir
        slotCount = buffers.count
        holders = .allocate(capacity: slotCount)
        details = .allocate(capacity: slotCount)
        for slot in 0..<slotCount {
            (holders + slot).initialize(to: Atomic(0))
            (details + slot).initialize(to: .none)
        }
        returned.store(UInt64(1) << UInt64(slotCount) - 1, ordering: .releasing)
    }

    deinit {
        if let heir { heir.stock.giveBack(heir.source, buffers) }
        holders.deinitialize(count: slotCount)
        holders.deallocate()
        details.deallocate()
    }

    /// Takes any free slot for a new frame; nil when all are held.
    public func acquire() -> FrameLease? {
        var free = returned.load(ordering: .acquiring)
        while free != 0 {
            let slot = free.trailingZeroBitCount
            let (exchanged, now) = returned.compareExchange(
                expected: free, desired: free & ~(1 << UInt64(slot)), ordering: .acquiringAndReleasing)
            if exchanged { return lease(slot, .none) }
            free = now
        }
        return nil
    }

    /// Takes all free slots at once, one bit each: what the owner then hands to a driver with no lease around it.
    public func takeReturned() -> UInt64 { returned.exchange(0, ordering: .acquiringAndReleasing) }

    /// The first lease of a slot that the owner has (from the driver, or from `takeReturned`).
    public func lease(_ slot: Int, _ metadata: FrameMetadata) -> FrameLease {
        let before = holders[slot].exchange(1, ordering: .acquiringAndReleasing)
        precondition(before == 0, "frame slot \(slot) is leased already")
        details[slot] = metadata
        return FrameLease(pool: self, slot: slot)
    }

    /// How many slots nobody holds and nobody has taken up.
    public var freeCount: Int { returned.load(ordering: .acquiring).nonzeroBitCount }

    fileprivate func metadata(_ slot: Int) -> FrameMetadata { details[slot] }
    fileprivate func setMetadata(_ slot: Int, _ metadata: FrameMetadata) { details[slot] = metadata }

    fileprivate func retain(_ slot: Int) {
        let before = holders[slot].wrappingAdd(1, ordering: .relaxed).oldValue
        precondition(before > 0, "frame slot \(slot) is shared after its release")
    }

    /// The end of one lease. Leases are move-only and end once each; that it is so is checked all the same, since a buffer that
    /// came back twice would be written while it is read.
    func release(_ slot: Int) {
        let before = holders[slot].wrappingSubtract(1, ordering: .acquiringAndReleasing).oldValue
        if before <= 0 { fatalError("frame slot \(slot) is released twice") }
        guard before == 1 else { return }
        let others = returned.bitwiseOr(1 << UInt64(slot), ordering: .acquiringAndReleasing).oldValue
        if case .signal(let counter, let isNeeded) = bell, isNeeded(others.nonzeroBitCount + 1) { counter.signal() }
    }
}

/// The right to read one frame's buffer. It is given up when its life ends; the last one sends the buffer back to
/// its owner.
public struct FrameLease: ~Copyable, Sendable {
    public let pool: FramePool
    public let slot: Int

    fileprivate init(pool: FramePool, slot: Int) {
        self.pool = pool
        self.slot = slot
    }

    deinit { pool.release(slot) }

    /// A second lease of the same frame.
    public func share() -> FrameLease {
        pool.retain(slot)
        return FrameLease(pool: pool, slot: slot)
    }

    public var layout: FrameLayout { pool.layout }
    public var buffers: [DMABuf] { pool.buffers[slot] }

    /// What the driver said of the frame. Set only by the frame's first holder, before others see it.
    public var metadata: FrameMetadata {
        get { pool.metadata(slot) }
        nonmutating set { pool.setMetadata(slot, newValue) }
    }
}
