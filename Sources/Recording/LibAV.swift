import CFFmpeg
import LinuxSystem

/// Calls into libav* whose failure is told with libav's own words: the number alone is mostly EINVAL, and the reason
/// stands in a log that nobody but us sees.
enum LibAV {
    // libav's log is one for the process; taken over once, at the first call.
    private static let logIsOurs: Void = cffmpeg_take_over_log()

    /// Makes a call that returns 0 or more, or an error below 0, and throws that as a `CamdError`.
    @discardableResult
    static func call(
        _ name: String, subject: String, kind: CamdError.Kind = .software, remedy: String? = nil, _ body: () -> CInt
    ) throws(CamdError) -> CInt {
        listen()
        let result = body()
        guard result < 0 else { return result }
        throw error(result, call: name, subject: subject, kind: kind, remedy: remedy)
    }

    /// For a call whose failure is not thrown by `call`: `error` then tells what was logged since.
    static func listen() {
        _ = logIsOurs
        cffmpeg_forget_words()
    }

    /// What a result below 0 means: what was logged since `listen`, else av_strerror(3).
    static func error(
        _ result: CInt, call: String, subject: String, kind: CamdError.Kind = .software, remedy: String? = nil
    ) -> CamdError {
        CamdError(
            kind, subject: subject, call: call, errno: errno(result), reason: words() ?? message(result),
            remedy: remedy)
    }

    /// The errno in an error of libav's; nil for those that it made up itself.
    static func errno(_ result: CInt) -> Errno? {
        (-4095 ... -1).contains(result) ? Errno(-result) : nil
    }

    /// The first error that libav logged in this thread since `listen`.
    private static func words() -> String? {
        guard let line = cffmpeg_words(), line.pointee != 0 else { return nil }
        var text = String(cString: line)
        while let last = text.last, last.isWhitespace || last == "." { text.removeLast() }
        return text.isEmpty ? nil : text
    }

    private static func message(_ result: CInt) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
            text.initialize(repeating: 0)
            av_strerror(result, text.baseAddress, 127)
            return String(cString: text.baseAddress!)
        }
    }

    /// What every allocation of libav's that returns null throws.
    static func noMemory(_ call: String, subject: String) -> CamdError {
        CamdError(call: call, errno: .noMemory, subject: subject)
    }
}
