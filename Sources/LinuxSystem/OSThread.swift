import CV4L2
import Glibc

/// A thread with a name (pthread_create(3)), joined once. All signals are blocked in it: the main thread takes them.
public final class OSThread: @unchecked Sendable {
    private var handle = pthread_t()
    private var joined = false

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread. `name`: at most 15 bytes are kept by the kernel.
    public init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(CamdError) {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let start = Unmanaged.passRetained(Start(name, body))
        let result = pthread_create(
            &handle, nil,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                _ = cv4l2_set_thread_name(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        if result != 0 {
            start.release()
            throw CamdError(call: "pthread_create", errno: Errno(result), subject: "thread \(name)")
        }
    }

    /// Waits for its end (pthread_join(3)). To be called once, by the owner.
    public func join() {
        precondition(!joined, "a thread is joined once")
        joined = true
        pthread_join(handle, nil)
    }
}
