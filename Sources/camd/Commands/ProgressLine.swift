import Glibc

/// One line on a terminal that tells how far a recording is, written over itself; nothing where stderr is no terminal.
struct ProgressLine {
    /// Nil where stderr is no terminal, or is one that cannot go back to the start of a line.
    static func ifTerminal() -> ProgressLine? {
        guard isatty(STDERR_FILENO) == 1 else { return nil }
        if let terminal = getenv("TERM"), String(cString: terminal) == "dumb" { return nil }
        return ProgressLine()
    }

    /// Twice a second.
    static let milliseconds: CInt = 500
    /// Goes back to the start of the line, and clears it.
    static let clear = "\r\u{1B}[K"

    /// Writes the line anew.
    func show(_ status: CameraStatus) {
        Console.writeError(Self.clear + String(Self.text(status).prefix(Self.columns - 1)))
    }

    /// Leaves an empty line for what comes next.
    func end() { Console.writeError(Self.clear) }

    /// `0:01:23  12.3 MB  1.2 Mbit/s  30.0 frames/s  0 dropped  0 lost  door-2.mkv`
    static func text(_ status: CameraStatus) -> String {
        guard let recording = status.recording else { return "waiting" }
        let seconds = Int(max(0, min(recording.seconds, 1e9)))
        let time = "\(seconds / 3600):\(padded(seconds / 60 % 60)):\(padded(seconds % 60))"
        let rate = recording.seconds > 0 ? Double(recording.bytes) * 8 / recording.seconds / 1e6 : 0
        let lost = recording.lost.values.reduce(0, &+)
        let name = recording.file.split(separator: "/").last.map(String.init) ?? recording.file
        return [
            time, Summary.size(recording.bytes), "\(Console.fixed(rate, 1)) Mbit/s",
            "\(Console.fixed(status.fps, 1)) frames/s", "\(status.dropped) dropped", "\(lost) lost",
            // A name may have anything in it, also what moves a terminal's cursor.
            String(name.unicodeScalars.map { $0.value < 32 || (127..<160).contains($0.value) ? "?" : Character($0) }),
        ].joined(separator: "  ")
    }

    private static func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Of the terminal (ioctl TIOCGWINSZ); 80 where it does not say.
    private static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return 80 }
        return Int(size.ws_col)
    }
}
