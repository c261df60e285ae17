import Synchronization

/// What became of every frame that the driver numbered: delivered, dropped or corrupt. Written by the capture thread
/// alone, read by anyone.
public final class Ledger: Sendable {
    /// The counts at one moment.
    public struct Snapshot: Sendable, Hashable {
        /// Frames that camd got whole.
        public var delivered: UInt64 = 0
        /// Numbers that the driver skipped.
        public var dropped: UInt64 = 0
        /// Frames that came with V4L2_BUF_FLAG_ERROR.
        public var corrupt: UInt64 = 0
        /// Of the dropped: those after a time in which the driver had no buffer to fill.
        public var starved: UInt64 = 0
        /// Of the delivered: those that camd took more than one frame interval after their time.
        public var late: UInt64 = 0
        /// All that the driver numbered, from the first frame that came: delivered + dropped + corrupt.
        public var numbered: UInt64 = 0
        /// Frames whose timestamp the driver had not written yet, or had written backwards: the time of DQBUF stands in.
        public var restamped: UInt64 = 0
        /// Frames a second over the last frames; 0 before the second one.
        public var framesPerSecond: Double = 0
    }

    private let delivered = Atomic<UInt64>(0)
    private let dropped = Atomic<UInt64>(0)
    private let corrupt = Atomic<UInt64>(0)
    private let starved = Atomic<UInt64>(0)
    private let late = Atomic<UInt64>(0)
    private let numbered = Atomic<UInt64>(0)
    private let restamped = Atomic<UInt64>(0)
    /// The smoothed time from frame to frame.
    private let intervalNanoseconds = Atomic<UInt64>(0)

    public init() {}

    public var snapshot: Snapshot {
        let interval = intervalNanoseconds.load(ordering: .relaxed)
        return Snapshot(
            delivered: delivered.load(ordering: .relaxed), dropped: dropped.load(ordering: .relaxed),
            corrupt: corrupt.load(ordering: .relaxed), starved: starved.load(ordering: .relaxed),
            late: late.load(ordering: .relaxed), numbered: numbered.load(ordering: .relaxed),
            restamped: restamped.load(ordering: .relaxed),
            framesPerSecond: interval == 0 ? 0 : 1e9 / Double(interval))
    }

    /// The running state of the one thread that writes.
    struct Writer {
        let ledger: Ledger
        /// The expected time between frames; 0 when the driver does not tell.
        let nominalInterval: UInt64
        private var lastSequence: UInt32?
        private var lastTimestamp: UInt64 = 0
        private var ranDry = false

        init(_ ledger: Ledger, framesPerSecond: Double?) {
            self.ledger = ledger
            nominalInterval = framesPerSecond.map { $0 > 0 ? UInt64(1e9 / $0) : 0 } ?? 0
        }

        /// The driver had no buffer left: numbers that it skips from now on are starvation.
        mutating func driverIsStarving() { ranDry = true }

        /// Enters one dequeued frame and returns its timestamp, mended where the driver's cannot be.
        mutating func enter(sequence: UInt32, timestamp: UInt64, isCorrupt: Bool, now: UInt64) -> UInt64 {
            var skipped: UInt64 = 0
            if let last = lastSequence {
                let distance = sequence &- last
                // Half the range or more is a number that went backwards: the driver began anew.
                if distance > 1, distance < 1 << 31 { skipped = UInt64(distance - 1) }
            }
            lastSequence = sequence
            if skipped > 0 {
                ledger.dropped.wrappingAdd(skipped, ordering: .relaxed)
                if ranDry { ledger.starved.wrappingAdd(skipped, ordering: .relaxed) }
            }
            ranDry = false
            ledger.numbered.wrappingAdd(skipped + 1, ordering: .relaxed)
            if isCorrupt {
                ledger.corrupt.wrappingAdd(1, ordering: .relaxed)
                return timestamp
            }
            ledger.delivered.wrappingAdd(1, ordering: .relaxed)
            var stamp = timestamp
            // A driver may stamp the end of a frame that is still coming in (vivid does), but not one a second away.
            if stamp <= lastTimestamp || stamp > now + 1_000_000_000 {
                stamp = max(now, lastTimestamp + 1)
                ledger.restamped.wrappingAdd(1, ordering: .relaxed)
            }
            if lastTimestamp != 0 { smooth(stamp - lastTimestamp) }
            lastTimestamp = stamp
            if nominalInterval > 0, now > stamp, now - stamp > nominalInterval {
                ledger.late.wrappingAdd(1, ordering: .relaxed)
            }
            return stamp
        }

        private func smooth(_ interval: UInt64) {
            let before = ledger.intervalNanoseconds.load(ordering: .relaxed)
            let next = before == 0 ? interval : (before * 15 + interval) / 16
            ledger.intervalNanoseconds.store(next, ordering: .relaxed)
        }
    }
}
