import LinuxSystem
import Synchronization

/// The first error that ended a session by itself.
enum SessionEnding {
    final class Box: Sendable {
        private let first = Mutex<CamdError?>(nil)
        func set(_ error: CamdError) { first.withLock { if $0 == nil { $0 = error } } }
        var error: CamdError? { first.withLock { $0 } }
    }
}
