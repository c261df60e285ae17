import Glibc
import LinuxSystem

/// When a recording goes on in another file. What is nil does not count; of several, the first one that is reached does.
/// Files begin with a key frame, which the encoder is asked for at the cut.
public struct SegmentRule: Sendable, Hashable {
    /// So long in the driver's time, 1 s or more. Cuts lie on a grid from the last cut that was made for another reason.
    public var seconds: Double?
    /// When the packets of a file have so many bytes, 64 kB or more; it gets larger by at most one frame.
    public var bytes: Int?
    /// At each multiple of so many seconds of the local time of day: 3600 is on the hour. It divides a day.
    public var clockSeconds: Int?

    public init(seconds: Double? = nil, bytes: Int? = nil, clockSeconds: Int? = nil) {
        self.seconds = seconds
        self.bytes = bytes
        self.clockSeconds = clockSeconds
    }

    /// One file, unless somebody asks for a cut.
    public var isEmpty: Bool { self == SegmentRule() }

    public static let secondsRange = 1.0...604_800
    public static let bytesRange = 65_536...(1 << 50)
    public static let clockRange = 10...86_400

    /// Throws `.usage` for numbers that are out of range.
    public func check() throws(CamdError) {
        if let seconds, !Self.secondsRange.contains(seconds) {
            throw Self.unfit("\(seconds) s", "a segment lasts from 1 to \(Int(Self.secondsRange.upperBound)) seconds")
        }
        if let bytes, !Self.bytesRange.contains(bytes) {
            throw Self.unfit("\(bytes) bytes", "a segment has \(Self.bytesRange.lowerBound) bytes or more")
        }
        if let clockSeconds, !Self.clockRange.contains(clockSeconds) || 86_400 % clockSeconds != 0 {
            throw Self.unfit("\(clockSeconds) s of the clock", "it is to divide a day, and to be 10 s or more")
        }
    }

    private static func unfit(_ what: String, _ reason: String) -> CamdError {
        CamdError(.usage, subject: "segments of \(what)", reason: reason)
    }
}

/// Where the cuts are: asked before each frame that is encoded, and told of each packet. For one thread at a time.
struct CutPlan {
    private let rule: SegmentRule
    /// Times are microseconds from the recording's first frame.
    private var nextByTime: Int64 = .max
    private var bytes = 0
    private var clock: ClockGrid?
    /// A key frame has been asked for at this time: the first one from there on begins a file.
    private var asked: Int64?

    private static let second: Int64 = 1_000_000

    /// - Parameter wallNanoseconds: CLOCK_REALTIME of the recording's first frame.
    init(_ rule: SegmentRule, wallNanoseconds: UInt64) {
        self.rule = rule
        if let seconds = rule.seconds { nextByTime = Int64(seconds * 1e6) }
        if let step = rule.clockSeconds { clock = ClockGrid(step: step, wallNanoseconds: wallNanoseconds) }
    }

    /// Whether a file is to begin with the frame of this time, so that it has to be a key frame.
    /// - Parameters:
    ///   - wallNanoseconds: CLOCK_REALTIME of the frame.
    ///   - isWanted: somebody asks for a cut.
    mutating func isCut(at time: Int64, wallNanoseconds: UInt64, isWanted: Bool) -> Bool {
        let isByClock = clock?.hasPassed(wallNanoseconds) ?? false
        let isByTime = time >= nextByTime
        let isBySize = rule.bytes.map { bytes >= $0 } ?? false
        guard isWanted || isByClock || isByTime || isBySize else { return false }
        if let seconds = rule.seconds {
            let step = Int64(seconds * 1e6)
            // A grid has no drift; what is cut for another reason begins a new one, and gaps are leapt over.
            nextByTime = isByTime && time - nextByTime < step ? nextByTime + step : time + step
        }
        bytes = 0
        if asked == nil { asked = time }
        return true
    }

    /// Whether this packet is the first one of a file.
    mutating func isFirst(at time: Int64, isKeyFrame: Bool, size: Int) -> Bool {
        bytes += size
        guard let asked, isKeyFrame, time >= asked else { return false }
        self.asked = nil
        bytes = size
        return true
    }
}

/// The multiples of some seconds of the local time of day.
private struct ClockGrid {
    private let step: Int
    private var index: Int
    /// CLOCK_REALTIME seconds at which to look again.
    private var nextLook: UInt64

    init(step: Int, wallNanoseconds: UInt64) {
        self.step = step
        index = Self.index(wallNanoseconds, step)
        nextLook = wallNanoseconds / 1_000_000_000 + 1
    }

    /// Whether a multiple lies between the last time and this one. Each second's first frame looks at the calendar: so the
    /// hours are right also on the days when the clocks are changed.
    mutating func hasPassed(_ wallNanoseconds: UInt64) -> Bool {
        let second = wallNanoseconds / 1_000_000_000
        guard second >= nextLook || second + 1 < nextLook else { return false }
        nextLook = second + 1
        let now = Self.index(wallNanoseconds, step)
        defer { index = now }
        return now != index
    }

    /// Which of the steps since 1970, in local time.
    private static func index(_ wallNanoseconds: UInt64, _ step: Int) -> Int {
        var seconds = time_t(wallNanoseconds / 1_000_000_000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        return (seconds + parts.tm_gmtoff) / step
    }
}
