import Glibc
import LinuxSystem

/// The names of a recording's files: a path, in whose last part conversions of strftime(3) stand for local time:
/// `/srv/cam/%Y%m%d-%H%M%S.mkv`. `%%` is a percent sign.
public struct FileNames: Sendable, Hashable {
    /// As it was given.
    public let text: String
    private let folder: String
    private let pattern: String
    /// Whether the time is in the name.
    public let hasTime: Bool

    /// Those that give neither a slash nor another name on another day for the same time.
    private static let conversions = Set("YymdHMSjFsZzabABeT".utf8)

    /// Throws `.usage` for a conversion that there is not, or one in the name of a folder.
    public init(_ text: String) throws(CamdError) {
        try FileErrors.check(text)
        self.text = text
        let slash = text.utf8.lastIndex(of: UInt8(ascii: "/"))
        folder = slash.map { String(text[...$0]) } ?? ""
        pattern = slash.map { String(text[text.utf8.index(after: $0)...]) } ?? text
        guard !folder.utf8.contains(UInt8(ascii: "%")) else {
            throw CamdError(
                .usage, subject: text, reason: "a folder's name has no time in it",
                remedy: "Put %Y, %m and so on into the last part, after the last slash.")
        }
        var hasTime = false
        var isConversion = false
        for byte in pattern.utf8 {
            if isConversion {
                isConversion = false
                if byte == UInt8(ascii: "%") { continue }
                guard Self.conversions.contains(byte) else { throw Self.unknown(text, byte) }
                hasTime = true
            } else {
                isConversion = byte == UInt8(ascii: "%")
            }
        }
        guard !isConversion else { throw Self.unknown(text, nil) }
        self.hasTime = hasTime
    }

    private static func unknown(_ text: String, _ byte: UInt8?) -> CamdError {
        let given = byte.map { "%" + String(UnicodeScalar($0)) } ?? "a % at the end"
        return CamdError(
            .usage, subject: text, reason: "\(given) is no conversion that a file's name can have",
            remedy: "There are %Y %m %d %H %M %S %j %F %T %y %s %z %Z %a %A %b %B %e, and %% for a percent sign.")
    }

    /// The path at a time of CLOCK_REALTIME (strftime(3)).
    public func path(at nanoseconds: UInt64) -> String { path(at: nanoseconds, isUTC: false) }

    private func path(at nanoseconds: UInt64, isUTC: Bool) -> String {
        guard pattern.utf8.contains(UInt8(ascii: "%")) else { return text }
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        if isUTC { gmtime_r(&seconds, &parts) } else { localtime_r(&seconds, &parts) }
        // The longest conversion gives some thirty bytes; a name of more than 255 is no name anyhow.
        let room = pattern.utf8.count * 32 + 64
        let name = withUnsafeTemporaryAllocation(of: CChar.self, capacity: room) { bytes in
            let count = strftime(bytes.baseAddress!, room, pattern, &parts)
            return String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return folder + name
    }

    /// The same with a number before the ending: for a name that is taken already. `a.mkv` becomes `a-2.mkv`.
    static func numbered(_ path: String, _ number: Int) -> String {
        guard let dot = path.utf8.lastIndex(of: UInt8(ascii: ".")) else { return "\(path)-\(number)" }
        return "\(path[..<dot])-\(number)\(path[dot...])"
    }

    /// Throws `.usage` where segments would have the names of others, as far as one can know: not on the night when the
    /// clocks go back.
    public func check(_ rule: SegmentRule, from nanoseconds: UInt64 = Clock.realtimeNanoseconds()) throws(CamdError) {
        try rule.check()
        guard !rule.isEmpty else { return }
        guard hasTime else {
            throw CamdError(
                .usage, subject: text, reason: "all segments would have this name",
                remedy: "Put the time into it, such as %Y%m%d-%H%M%S.")
        }
        let steps = [rule.seconds, rule.clockSeconds.map { Double($0) }].compactMap { $0 }
        guard let step = steps.min() else { return }
        // The next segments, and later ones at the same time of other days, weeks, months and years.
        let days = Array(1...31) + [365, 366]
        let later = (1...60).map { Double($0) * step } + days.map { Double($0) * 86_400 }
        var names: Set = [path(at: nanoseconds, isUTC: true)]
        var (last, isRepeated) = (0.0, false)
        for seconds in later where !isRepeated {
            // A day is a multiple of most steps, so the same segment may come twice here.
            guard seconds > last else { continue }
            last = seconds
            isRepeated = !names.insert(path(at: nanoseconds + UInt64(seconds * 1e9), isUTC: true)).inserted
        }
        guard isRepeated else { return }
        throw CamdError(
            .usage, subject: text,
            reason: "segments that follow each other would have the same name, \(path(at: nanoseconds))",
            remedy: "Put more of the time into it: %Y%m%d-%H%M%S.")
    }
}
