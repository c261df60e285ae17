import LinuxSystem

/// What lies in a slot of the ring: frames of the card, or the time up to which there are none.
struct SoundBlock: Sendable {
    /// 0: silence until `stampNanoseconds`.
    var frames: Int
    var format: SoundFormat
    /// Whether the first frame is the one after the last of the block before. If not, something is missing between them.
    var isContinuous: Bool
    /// CLOCK_MONOTONIC at which the card took the frame that is `stampOffset` after the first of this block.
    var stampNanoseconds: UInt64
    var stampOffset: Int
}

/// A bounded queue of sound between the thread that reads the card and the one that encodes. All memory is taken at the
/// start.
final class SoundRing: @unchecked Sendable {
    /// Of one slot: 20 ms of stereo.
    static let slotBytes = 4096
    private let blocks: Ring<SoundBlock>
    private let memory: UnsafeMutableRawPointer
    /// Of the thread that pushes.
    private var pushed = 0
    /// Of the thread that pops.
    private var popped = 0

    /// 128 slots are two seconds and a half of stereo at 48 kHz.
    init(slots: Int = 128) {
        blocks = Ring(capacity: slots)
        memory = .allocate(byteCount: slots * Self.slotBytes, alignment: 64)
    }

    deinit { memory.deallocate() }

    /// The memory that the next block goes to; nil when the ring is full. For the thread that pushes.
    var freeSlot: UnsafeMutableRawPointer? {
        guard blocks.count < blocks.capacity else { return nil }
        return memory + pushed % blocks.capacity * Self.slotBytes
    }

    /// Puts in the block whose frames are in `freeSlot`; false when the ring is full.
    func push(_ block: SoundBlock) -> Bool {
        guard blocks.push(block) == nil else { return false }
        pushed += 1
        return true
    }

    /// Gives the oldest block to `body`, then takes it out; false when there is none. For the thread that pops.
    func pop<E: Error>(_ body: (SoundBlock, UnsafeRawBufferPointer) throws(E) -> Void) throws(E) -> Bool {
        guard let block = blocks.withOldest({ $0 }) else { return false }
        defer {
            popped += 1
            _ = blocks.pop()
        }
        let slot = memory + popped % blocks.capacity * Self.slotBytes
        try body(block, UnsafeRawBufferPointer(start: slot, count: block.frames * block.format.frameBytes))
        return true
    }
}
