import Synchronization

/// What became of every frame that the driver numbered: delivered, dropped or corrupt. Written by the capture thread
/// alone, but for the damage that whoever decodes frames finds; read by anyone.
public final class Ledger: Sendable {
    /// The counts at one moment.
    public struct Snapshot: Sendable, Hashable {
        /// Frames that camd got whole.
        public var delivered: UInt64 = 0
        /// Numbers that the driver skipped.
        public var dropped: UInt64 = 0
        /// Frames that came with V4L2_BUF_FLAG_ERROR, or that turned out to be damaged when they were decoded.
        public var corrupt: UInt64 = 0
        /// Of the dropped: those whose time came when the driver had no buffer to fill.
        public var starved: UInt64 = 0
        /// Of the delivered: those that camd took more than one frame interval after their time.
        public var late: UInt64 = 0
        /// All that the driver numbered, from the first frame that came to the last: its last number less its first, and
        /// one. Counted apart from the others, so that delivered + dropped + corrupt can be held against it.
        public var numbered: UInt64 = 0
        /// Frames whose timestamp the driver had not written yet, or had written backwards: the time of DQBUF stands in.
        public var restamped: UInt64 = 0
        /// Frames a second over the last frames; 0 before the second one.
        public var framesPerSecond: Double = 0
    }

    /// Odd while the writer is in the middle of a frame, so that a reader's counts add up.
    private let version = Atomic<UInt64>(0)
    private let delivered = Atomic<UInt64>(0)
    private let dropped = Atomic<UInt64>(0)
    private let corrupt = Atomic<UInt64>(0)
    /// Of the delivered: those that could not be decoded. In a snapshot they are corrupt.
    private let damaged = Atomic<UInt64>(0)
    private let starved = Atomic<UInt64>(0)
    private let late = Atomic<UInt64>(0)
    private let numbered = Atomic<UInt64>(0)
    private let restamped = Atomic<UInt64>(0)
    /// The smoothed time from frame to frame.
    private let intervalNanoseconds = Atomic<UInt64>(0)

    public init() {}

    /// A frame that was delivered cannot be decoded. To be called once for a frame, after it was delivered, on any thread.
    func countDamaged() { damaged.wrappingAdd(1, ordering: .releasing) }

    /// The counts between two frames.
    public var snapshot: Snapshot {
        var result = counts
        // The writer is in between for some hundred nanoseconds of each frame; a reader that met it for ever would be told
        // what it sees.
        for _ in 0..<1000 {
            let before = version.load(ordering: .acquiring)
            result = counts
            atomicMemoryFence(ordering: .acquiring)
            if before & 1 == 0, version.load(ordering: .relaxed) == before { break }
        }
        return result
    }

    private var counts: Snapshot {
        let interval = intervalNanoseconds.load(ordering: .relaxed)
        // First: of those that were delivered later there can only be more.
        let damaged = damaged.load(ordering: .acquiring)
        let whole = delivered.load(ordering: .relaxed) - damaged
        return Snapshot(
            delivered: whole, dropped: dropped.load(ordering: .relaxed),
            corrupt: corrupt.load(ordering: .relaxed) + damaged, starved: starved.load(ordering: .relaxed),
            late: min(whole, late.load(ordering: .relaxed)), numbered: numbered.load(ordering: .relaxed),
            restamped: restamped.load(ordering: .relaxed),
            framesPerSecond: interval == 0 ? 0 : 1e9 / Double(interval))
    }

    /// The running state of the one thread that writes.
    struct Writer {
        let ledger: Ledger
        /// The expected time between frames; 0 when the driver does not tell.
        let nominalInterval: UInt64
        /// The first and the last number since the driver began to count, and what was numbered before that.
        private var firstSequence: UInt32?
        private var lastSequence: UInt32 = 0
        private var numberedBefore: UInt64 = 0
        private var lastTimestamp: UInt64 = 0

        init(_ ledger: Ledger, framesPerSecond: Double?) {
            self.ledger = ledger
            nominalInterval = framesPerSecond.map { $0 > 0 ? UInt64(1e9 / $0) : 0 } ?? 0
        }

        /// One dequeued frame. Times are in nanoseconds of CLOCK_MONOTONIC.
        struct Frame {
            var sequence: UInt32
            var timestamp: UInt64
            var isCorrupt = false
            /// The timestamp is of the exposure's start, not of the frame's end (V4L2_BUF_FLAG_TSTAMP_SRC_SOE).
            var isStampedAtStart = false
            /// When its buffer was given to the driver. Drivers fill buffers in their order: what is skipped before this
            /// frame and lies before that time found no buffer.
            var queued: UInt64 = 0
            /// When camd took it.
            var now: UInt64
        }

        /// Enters a frame and returns its timestamp, mended where the driver's cannot be.
        mutating func enter(_ frame: Frame) -> UInt64 {
            ledger.version.wrappingAdd(1, ordering: .acquiringAndReleasing)
            defer { ledger.version.wrappingAdd(1, ordering: .releasing) }
            let stamp = mended(frame)
            let skipped = number(frame.sequence)
            if skipped > 0 {
                ledger.dropped.wrappingAdd(skipped, ordering: .relaxed)
                ledger.starved.wrappingAdd(starved(skipped, before: stamp, frame.queued), ordering: .relaxed)
            }
            if frame.isCorrupt {
                ledger.corrupt.wrappingAdd(1, ordering: .relaxed)
                return stamp
            }
            ledger.delivered.wrappingAdd(1, ordering: .relaxed)
            if lastTimestamp != 0 { smooth(stamp - lastTimestamp) }
            lastTimestamp = stamp
            // Stamped at its start, a frame is not there before it has been exposed and read out.
            let grace = frame.isStampedAtStart ? 2 * nominalInterval : nominalInterval
            if nominalInterval > 0, frame.now > stamp, frame.now - stamp > grace {
                ledger.late.wrappingAdd(1, ordering: .relaxed)
            }
            return stamp
        }

        /// Notes the driver's number; how many it skipped.
        private mutating func number(_ sequence: UInt32) -> UInt64 {
            defer { lastSequence = sequence }
            guard let first = firstSequence else {
                firstSequence = sequence
                ledger.numbered.store(1, ordering: .relaxed)
                return 0
            }
            let distance = sequence &- lastSequence
            // Half the range or more is a number that went backwards, none at all is one that was given twice: the
            // driver counts anew.
            guard distance > 0, distance < 1 << 31 else {
                numberedBefore += UInt64(lastSequence &- first) + 1
                firstSequence = sequence
                ledger.numbered.store(numberedBefore + 1, ordering: .relaxed)
                return 0
            }
            ledger.numbered.store(numberedBefore + UInt64(sequence &- first) + 1, ordering: .relaxed)
            return UInt64(distance - 1)
        }

        /// Of so many numbers that were skipped since the last frame: those whose time had come before the buffer was
        /// there that this frame lies in. One interval more, as a driver needs a buffer from a frame's beginning on.
        private func starved(_ skipped: UInt64, before stamp: UInt64, _ queued: UInt64) -> UInt64 {
            guard lastTimestamp != 0, stamp > lastTimestamp, queued > lastTimestamp else { return 0 }
            let interval = (stamp - lastTimestamp) / (skipped + 1)
            guard interval > 0 else { return 0 }
            return min(skipped, (queued - lastTimestamp + interval) / interval)
        }

        /// A driver may stamp the end of a frame that is still coming in (vivid does), but not one a second away, and not
        /// before the frame that came before.
        private func mended(_ frame: Frame) -> UInt64 {
            guard frame.timestamp <= lastTimestamp || frame.timestamp > frame.now + 1_000_000_000 else {
                return frame.timestamp
            }
            ledger.restamped.wrappingAdd(1, ordering: .relaxed)
            return max(frame.now, lastTimestamp + 1)
        }

        private func smooth(_ interval: UInt64) {
            let before = ledger.intervalNanoseconds.load(ordering: .relaxed)
            let next = before == 0 ? interval : (before * 15 + interval) / 16
            ledger.intervalNanoseconds.store(next, ordering: .relaxed)
        }
    }
}
