import Glibc

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
