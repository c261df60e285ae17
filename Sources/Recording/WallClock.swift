import Glibc
import LinuxSystem

/// The time of day as text.
enum WallClock {
    /// CLOCK_REALTIME nanoseconds as ISO 8601 in UTC with microseconds: `2026-11-22T18:24:05.123456Z`.
    static func text(_ nanoseconds: UInt64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let day = "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
        let clock = "\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec))"
        let fraction = padded(CInt(nanoseconds % 1_000_000_000 / 1000), 6)
        return "\(day)T\(clock).\(fraction)Z"
    }

    private static func padded(_ number: CInt, _ digits: Int = 2) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}

/// What CLOCK_REALTIME says of the frames of a recording: its start and the driver's time from there on, so that files
/// lie as far apart as their frames do. When the clock is set, it is set, too.
struct WallTime {
    private var start: UInt64
    /// CLOCK_REALTIME less CLOCK_MONOTONIC.
    private var offset = Self.offset()
    private var nextLook: Int64 = 0

    private static let steps: Int64 = 100_000_000

    init(startNanoseconds: UInt64) { start = startNanoseconds }

    /// At so many microseconds from the first frame. Looks at the clocks once for each second.
    mutating func nanoseconds(at microseconds: Int64) -> UInt64 {
        if microseconds >= nextLook {
            nextLook = microseconds + 1_000_000
            let now = Self.offset()
            // What NTP slews moves both clocks alike.
            if abs(now - offset) > Self.steps {
                start = UInt64(max(0, Int64(start) + now - offset))
                offset = now
            }
        }
        return start + UInt64(max(0, microseconds)) * 1000
    }

    private static func offset() -> Int64 {
        Int64(Clock.realtimeNanoseconds()) - Int64(Clock.monotonicNanoseconds())
    }
}
