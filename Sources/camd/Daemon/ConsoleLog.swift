import Glibc
import LinuxSystem
import Logging

/// Writes the log to stderr, a line for each event: `camd: MESSAGE`, or with the priority in front that journald
/// understands (sd-daemon(3)) when stderr is connected to the journal.
struct ConsoleLog: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    private let isJournal: Bool

    init() { isJournal = Self.isJournal(getenv("JOURNAL_STREAM").map { String(cString: $0) }, CInt(STDERR_FILENO)) }

    /// `$JOURNAL_STREAM` names the device and inode of the journal's socket. Children of a service inherit the variable
    /// also when their own stderr goes elsewhere, so the two are compared.
    static func isJournal(_ variable: String?, _ fd: CInt) -> Bool {
        var status = stat()
        guard let variable, fstat(fd, &status) == 0 else { return false }
        return variable == "\(status.st_dev):\(status.st_ino)"
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        Console.writeError(Self.line(event.level, event.message.description, isJournal: isJournal))
    }

    /// One line, with its end; line breaks in the message would be events of their own to the journal.
    static func line(_ level: Logger.Level, _ message: String, isJournal: Bool) -> String {
        let flat = String(message.map { $0.isNewline ? " " : $0 })
        return isJournal ? "<\(priority(level))>\(flat)\n" : "camd: \(flat)\n"
    }

    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

/// Lets the first few of many equal events through, and says how many it kept back.
struct RateLimit {
    let events: Int
    let nanoseconds: UInt64
    private var windowBegan: UInt64 = 0
    private var count = 0
    private var suppressed = 0

    init(events: Int, milliseconds: Int) {
        self.events = events
        nanoseconds = UInt64(milliseconds) * 1_000_000
    }

    /// Nil: not now. Otherwise how many were kept back since the last one that passed.
    mutating func pass(now: UInt64 = Clock.monotonicNanoseconds()) -> Int? {
        if windowBegan == 0 || now - windowBegan >= nanoseconds {
            windowBegan = now
            count = 0
        }
        count += 1
        guard count <= events else {
            suppressed += 1
            return nil
        }
        defer { suppressed = 0 }
        return suppressed
    }
}
