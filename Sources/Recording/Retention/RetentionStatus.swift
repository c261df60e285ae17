import LinuxSystem

/// What `Retention.makeRoom` did, and whether the rules hold now.
public struct Room: Sendable {
    public enum Outcome: Sendable, Hashable {
        /// All rules hold.
        case holds
        /// There is more to remove: call again, soon.
        case unfinished
        /// Enough was removed, but the file system has not given the space free yet: look again in a second.
        case settling
        /// This rule does not hold, and there is nothing left that may be removed for it.
        case short(RetentionRules.Rule)
        /// The folder is gone, or cannot be written any more. Nothing holds and nothing was tried further.
        case failed(CamdError)
    }

    public var outcome: Outcome
    /// Names that were removed, oldest first; at most `RetentionLimits.removals`.
    public var removed: [String] = []
    /// Bytes that they had.
    public var removedBytes = 0
    /// What the disk had free when it was last looked at; nil when nobody had to know.
    public var space: DiskSpace?
    /// The first file of ours that could not be removed, and why. It is tried again after a minute.
    public var refusal: CamdError?
}

/// What can be done about a disk that is full.
public enum DiskFullAnswer: Sendable {
    /// Something was removed: the write that failed can be tried again.
    case retry(Room)
    /// There is nothing that may be removed: recording has to pause until there is space.
    case pause(Room)
}

/// What is kept, for status.
public struct RetentionStatus: Sendable, Hashable {
    /// Our segments in the folder that are whole or left over, without open ones.
    public var segments = 0
    public var bytes = 0
    /// Since this recording looks after the folder.
    public var removedSegments = 0
    public var removedBytes = 0
    /// Listed files that were not touched, because somebody had removed, replaced or changed them.
    public var foreignSegments = 0
    /// Why the list of segments could not be shortened, or what was wrong with the one that was there.
    public var notice: String?
}

/// How much a call may do.
struct RetentionLimits: Sendable {
    /// Files that one call removes, or tries to.
    var removals = 64
    /// Files that one call looks at before it removes something for the sum of bytes.
    var looks = 512
    /// Segments that are kept at most: what is remembered has a bound. Beyond, the oldest are removed, or, with no rules,
    /// forgotten.
    var segments = 200_000
    /// Bytes that the list of segments may have beyond twice what is wanted of it.
    var manifestSlack = 64 << 10
    /// How long a file system may take to give space free.
    var settleNanoseconds: UInt64 = 30_000_000_000
    /// How long a file that could not be removed is let be.
    var stuckNanoseconds: UInt64 = 60_000_000_000
}
