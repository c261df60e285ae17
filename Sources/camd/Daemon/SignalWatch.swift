import Glibc
import LinuxSystem
import Synchronization

/// SIGINT and SIGTERM: the first asks for a clean end, which whoever does the work has to see to; the second ends the
/// process at once, whatever it is doing. To be made before the first other thread.
final class SignalWatch: Sendable {
    private final class Shared: Sendable {
        let signals: SignalFD
        let bell: EventFD
        let first = Mutex<CInt?>(nil)

        init() throws(CamdError) {
            signals = try SignalFD([SIGINT, SIGTERM])
            bell = try EventFD()
        }

        func run() {
            while true {
                _ = try? wait(for: .input, on: signals.descriptor.rawValue, milliseconds: -1)
                while let signal = signals.next() {
                    let isFirst = first.withLock { first in
                        defer { first = first ?? signal }
                        return first == nil
                    }
                    // The exit code that a shell shows for a process that a signal ended.
                    if !isFirst { _exit(128 + signal) }
                    bell.signal()
                }
            }
        }
    }

    private let shared: Shared

    /// Starts a thread, because the one that was asked to end may hang in a driver.
    init() throws(CamdError) {
        // A reader of our output that has gone is told by write(2), and is no reason to leave a file unfinished.
        signal(SIGPIPE, SIG_IGN)
        let shared = try Shared()
        self.shared = shared
        _ = try OSThread("signals") { shared.run() }
    }

    /// Readable from the first signal on; it stays readable.
    var descriptor: CInt { shared.bell.descriptor.rawValue }

    static func name(_ signal: CInt) -> String { signal == SIGINT ? "SIGINT" : "SIGTERM" }

    /// The first signal that has come.
    var first: CInt? { shared.first.withLock { $0 } }
}
