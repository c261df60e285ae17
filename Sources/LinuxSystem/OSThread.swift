import CV4L2
import Glibc

/// A thread with a name (pthread_create(3)), joined once. All signals are blocked in it: the main thread takes them.
public final class OSThread: @unchecked Sendable {
    private var handle = pthread_t()
    private var joined = false

    /// Of threads that do heavy work on frames: behind those that take frames from a driver and hand them on, which do
    /// little but may not be late.
    public static let workNiceness: CInt = 5

    private final class Start {
        let name: String
        let niceness: CInt
        let body: @Sendable () -> Void
        init(_ name: String, _ niceness: CInt, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.niceness = niceness
            self.body = body
        }
    }

    /// Starts a thread. `name`: at most 15 bytes are kept by the kernel. `niceness`: how far it, and all threads that it
    /// starts, stand behind others for a CPU (setpriority(2), which on Linux is a thread's own).
    public init(_ name: String, niceness: CInt = 0, _ body: @escaping @Sendable () -> Void) throws(CamdError) {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let start = Unmanaged.passRetained(Start(name, niceness, body))
        let result = pthread_create(
            &handle, nil,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                _ = cv4l2_set_thread_name(start.name)
                if start.niceness != 0 { setpriority(CInt(PRIO_PROCESS.rawValue), 0, start.niceness) }
                start.body()
                return nil
            }, start.toOpaque())
        if result != 0 {
            start.release()
            joined = true
            throw CamdError(call: "pthread_create", errno: Errno(result), subject: "thread \(name)")
        }
    }

    /// A thread that nobody joins gives back what it holds when it ends (pthread_detach(3)).
    deinit { if !joined { pthread_detach(handle) } }

    /// Waits for its end (pthread_join(3)). To be called once, by the owner.
    public func join() {
        precondition(!joined, "a thread is joined once")
        joined = true
        pthread_join(handle, nil)
    }
}
