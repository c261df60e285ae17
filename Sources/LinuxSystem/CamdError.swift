/// What went wrong, on what, why, and what to do about it. The one error type of all rooms: it is thrown where the
/// thing is known and told to the user as it is, by the command line, the log and the control socket alike.
public struct CamdError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The exit codes of sysexits.h, by what they mean.
    public enum Kind: Int32, Sendable, Hashable {
        case usage = 64
        case badData = 65
        case noInput = 66
        case unavailable = 69
        case software = 70
        case system = 71
        case cannotCreate = 73
        case inputOutput = 74
        case temporary = 75
        case protocolViolation = 76
        case noPermission = 77
        case configuration = 78

        /// The exit code of sysexits.h.
        public var exitCode: Int32 { rawValue }
    }

    public var kind: Kind
    /// What it happened to: "camera /dev/video0", "/var/lib/camd/a.mkv".
    public var subject: String
    /// The system or library call that failed, e.g. `VIDIOC_STREAMON`; nil where none was made.
    public var call: String?
    public var errno: Errno?
    /// Why, in words.
    public var reason: String
    /// What the user can do about it.
    public var remedy: String?

    public init(
        _ kind: Kind, subject: String, call: String? = nil, errno: Errno? = nil, reason: String, remedy: String? = nil
    ) {
        self.kind = kind
        self.subject = subject
        self.call = call
        self.errno = errno
        self.reason = reason
        self.remedy = remedy
    }

    /// An error of a system call, with the C library's words for the number and the kind that goes with it.
    public init(
        call: String, errno: Errno, subject: String, reason: String? = nil, remedy: String? = nil, kind: Kind? = nil
    ) {
        self.init(
            kind ?? Self.kind(of: errno), subject: subject, call: call, errno: errno, reason: reason ?? errno.message,
            remedy: remedy)
    }

    /// One line, without a program name: `SUBJECT: CALL: ERRNO: REASON. REMEDY`.
    public var description: String {
        var line = withoutRemedy
        if let remedy { line += (line.hasSuffix(".") ? " " : ". ") + remedy }
        return line
    }

    /// The same, for who shows the remedy elsewhere.
    public var withoutRemedy: String {
        var parts = [subject]
        if let call { parts.append(call) }
        if let errno { parts.append(errno.description) }
        parts.append(reason)
        return parts.joined(separator: ": ")
    }

    private static func kind(of errno: Errno) -> Kind {
        switch errno {
        case .accessDenied, .notPermitted: .noPermission
        case .noEntry, .noDevice, .noSuchDevice: .noInput
        case .busy, .tryAgain: .temporary
        case .noSpace, .quotaExceeded, .inputOutput, .readOnly: .inputOutput
        default: .system
        }
    }
}
