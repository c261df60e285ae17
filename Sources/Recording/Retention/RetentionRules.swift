import LinuxSystem

/// How much may be kept in a folder of recordings. All that are set hold together; with none, nothing is ever removed.
public struct RetentionRules: Sendable, Hashable {
    /// What a rule is about.
    public enum Rule: String, Sendable, Hashable, CaseIterable {
        case bytes
        case freeSpace = "free space"
        case age
    }

    /// At most so many bytes in all of our segments together, with the open one.
    public var bytes: Int?
    /// At least so many bytes free on the disk, of those that any user may take (statvfs(2), `f_bavail`).
    public var freeBytes: Int?
    /// Nothing that began longer ago.
    public var ageSeconds: Int?

    /// - Parameter segmentBytes: what a segment may become at most, where that is known.
    /// - Parameter segmentSeconds: the same in time.
    /// - Throws: `.configuration`, for what cannot be kept.
    public init(
        bytes: Int? = nil, freeBytes: Int? = nil, ageSeconds: Int? = nil, segmentBytes: Int? = nil,
        segmentSeconds: Int? = nil
    ) throws(CamdError) {
        try Self.check(bytes, "quota", "bytes")
        try Self.check(freeBytes, "free space", "bytes")
        try Self.check(ageSeconds, "age", "seconds")
        try Self.check(segmentBytes, "segment", "bytes")
        try Self.check(segmentSeconds, "segment", "seconds")
        if let bytes, let segmentBytes { try Self.check(bytes, segmentBytes, "quota", "bytes") }
        if let ageSeconds, let segmentSeconds { try Self.check(ageSeconds, segmentSeconds, "age", "seconds") }
        self.bytes = bytes
        self.freeBytes = freeBytes
        self.ageSeconds = ageSeconds
    }

    public var isEmpty: Bool { bytes == nil && freeBytes == nil && ageSeconds == nil }

    /// What a rule may be at most: numbers beyond are slips, and sums of them have to fit.
    private static let most = 1 << 60

    private static func check(_ value: Int?, _ subject: String, _ unit: String) throws(CamdError) {
        guard let value else { return }
        guard value > 0 else {
            throw CamdError(
                .configuration, subject: subject, reason: "\(value) \(unit) is no amount",
                remedy: "Give a number above 0, or leave the rule out.")
        }
        guard value <= most else {
            throw CamdError(
                .configuration, subject: subject, reason: "\(value) \(unit) is more than any disk or time there is",
                remedy: "Give a smaller number, or leave the rule out.")
        }
    }

    /// Two segments have to fit: the open one, and one that is whole.
    private static func check(
        _ value: Int, _ segment: Int, _ subject: String, _ unit: String
    ) throws(CamdError) {
        guard value / 2 < segment else { return }
        let reason =
            value < segment
            ? "\(value) \(unit) is less than a segment, which may become \(segment) \(unit)"
            : "\(value) \(unit) does not hold two segments of \(segment) \(unit), the open one and one that is whole"
        throw CamdError(
            .configuration, subject: subject, reason: reason,
            remedy: "Give at least \(2 * segment) \(unit), or make segments shorter.")
    }
}
