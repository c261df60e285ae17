import LinuxSystem

/// Whether a recording goes on, or is paused for want of space, and when it goes on again. It makes no call: who drives it
/// tells what failed and what is free, and asks at `nextLookNanoseconds`.
///
///     recording --noSpace--> paused --enough free, seen twice--> recording
///
/// It does not flap: it resumes at a higher mark than it pauses at, and when a recording that was resumed pauses again
/// within a minute, each pause is twice as long as the one before, up to a minute. All times are CLOCK_MONOTONIC.
public struct SpaceWatch: Sendable {
    public enum Cause: String, Sendable, Hashable {
        /// ENOSPC, or less free than the floor, and nothing that may be removed.
        case noSpace = "no space"
        /// EDQUOT: the user's quota of the file system, of which statvfs(2) tells nothing.
        case diskQuota = "disk quota"
        /// Files that the rules have no room for cannot be removed.
        case rules = "rules cannot hold"
    }

    public enum State: Sendable, Hashable {
        case recording
        case paused(Cause, sinceNanoseconds: UInt64)
    }

    /// What the status of a recording says of it.
    public struct Status: Sendable, Hashable {
        public var state: State
        /// What was free when it was last looked at; nil when it never was.
        public var freeBytes: Int?
        /// What has to be free for it to go on.
        public var resumeBytes: Int
        /// How often it paused so far.
        public var pauses: Int
        /// Of all pauses, with the present one.
        public var pausedNanoseconds: UInt64

        /// One line for people; nil while it records.
        public var text: String? {
            guard case .paused(let cause, _) = state else { return nil }
            switch cause {
            case .noSpace:
                let free = freeBytes.map { "\($0) bytes are free" } ?? "nothing is known of the disk"
                return "paused: no space: \(free); goes on by itself at \(resumeBytes) bytes"
            case .diskQuota: return "paused: the user's disk quota is used up; tries again by itself"
            case .rules:
                return "paused: the rules do not hold, and nothing can be removed; tries again by itself"
            }
        }
    }

    public private(set) var state = State.recording
    /// When `look` is to be called next; nil while it records.
    public private(set) var nextLookNanoseconds: UInt64?
    /// What has to be free for a paused recording to go on. On a disk that is too small for that, half of what it has
    /// above the floor.
    public private(set) var resumeBytes: Int

    private static let second: UInt64 = 1_000_000_000
    private static let longest: UInt64 = 60 * second
    /// A file system that runs out of files says ENOSPC, too.
    private static let leastFiles = 8

    private let floor: Int
    private var freeBytes: Int?
    private var pauses = 0
    private var pausedBefore: UInt64 = 0
    private var resumedAt: UInt64?
    /// How long the present pause is at least.
    private var patience: UInt64 = 0
    /// How often in succession enough was free.
    private var enough = 0

    /// - Parameter floorBytes: what is to stay free; 0 without such a rule.
    /// - Parameter segmentBytes: what a segment is expected to have. The largest of that, an eighth of the floor and 1 MiB
    ///   has to be free above the floor for a recording to go on.
    public init(floorBytes: Int, segmentBytes: Int) {
        floor = min(max(0, floorBytes), 1 << 60)
        resumeBytes = floor + max(1 << 20, floor / 8, min(max(0, segmentBytes), 1 << 60))
    }

    /// Nothing could be removed for what is needed. While it is paused already, nothing changes.
    public mutating func pause(_ cause: Cause, space: DiskSpace? = nil, nowNanoseconds now: UInt64) {
        if let space { freeBytes = space.freeBytes }
        guard state == .recording else { return }
        let isSoon = resumedAt.map { Self.span($0, now) < Self.longest } ?? false
        patience = isSoon ? min(max(patience, Self.second) * 2, Self.longest) : Self.second
        pauses += 1
        enough = 0
        state = .paused(cause, sinceNanoseconds: now)
        nextLookNanoseconds = now + Self.second
    }

    /// What is free now, or nil where that could not be told. Returns whether recording goes on from now.
    /// - Parameter rulesHold: whether `Retention.makeRoom` says so, for who has asked it before.
    public mutating func look(_ space: DiskSpace?, rulesHold: Bool = true, nowNanoseconds now: UInt64) -> Bool {
        if let space { freeBytes = space.freeBytes }
        if let total = space?.totalBytes, total > floor { resumeBytes = min(resumeBytes, floor + (total - floor) / 2) }
        guard case .paused(let cause, let since) = state else { return false }
        nextLookNanoseconds = now + Self.second
        let isEnough = space.map { $0.freeBytes >= resumeBytes && $0.freeFiles ?? .max >= Self.leastFiles } ?? false
        enough = isEnough && rulesHold ? enough + 1 : 0
        guard Self.span(since, now) >= patience, enough >= 2 else { return false }
        // Of a quota nobody tells; and it may be the only thing that is short.
        if cause == .diskQuota, Self.span(since, now) < max(patience, 10 * Self.second) { return false }
        pausedBefore += Self.span(since, now)
        resumedAt = now
        state = .recording
        nextLookNanoseconds = nil
        return true
    }

    public func status(nowNanoseconds now: UInt64) -> Status {
        var paused = pausedBefore
        if case .paused(_, let since) = state { paused += Self.span(since, now) }
        return Status(
            state: state, freeBytes: freeBytes, resumeBytes: resumeBytes, pauses: pauses, pausedNanoseconds: paused)
    }

    private static func span(_ from: UInt64, _ to: UInt64) -> UInt64 { to > from ? to - from : 0 }
}
