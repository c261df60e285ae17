import CV4L2
import Glibc

/// A counter that wakes a poll (eventfd(2)), non-blocking.
public struct EventFD: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    public init() throws(CamdError) {
        let fd = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
        guard fd >= 0 else { throw CamdError(call: "eventfd", errno: .current, subject: "event counter") }
        descriptor = FileDescriptor(owning: fd)
    }

    /// Wakes whoever polls. Never blocks: a full counter is awake already.
    public func signal() {
        var one: UInt64 = 1
        _ = write(descriptor.rawValue, &one, 8)
    }

    /// Sets the counter back to 0.
    public func clear() {
        var count: UInt64 = 0
        _ = read(descriptor.rawValue, &count, 8)
    }
}

/// A timer that wakes a poll (timerfd_create(2)), on CLOCK_MONOTONIC, non-blocking.
public struct TimerFD: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    public init() throws(CamdError) {
        let fd = timerfd_create(CLOCK_MONOTONIC, CInt(TFD_CLOEXEC) | CInt(TFD_NONBLOCK))
        guard fd >= 0 else { throw CamdError(call: "timerfd_create", errno: .current, subject: "timer") }
        descriptor = FileDescriptor(owning: fd)
    }

    /// Fires each `microseconds` from now on; 0 stops it (timerfd_settime(2)).
    public func repeatEach(microseconds: Int) {
        let interval = timespec(tv_sec: microseconds / 1_000_000, tv_nsec: (microseconds % 1_000_000) * 1000)
        var setting = itimerspec(it_interval: interval, it_value: interval)
        timerfd_settime(descriptor.rawValue, 0, &setting, nil)
    }

    /// How often it fired since the last call.
    public func expirations() -> UInt64 {
        var count: UInt64 = 0
        return read(descriptor.rawValue, &count, 8) == 8 ? count : 0
    }
}

/// Signals as something that a poll waits for (signalfd(2)).
public struct SignalFD: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    /// Blocks these signals in the calling thread and in all that it starts later (pthread_sigmask(3)): to be made
    /// before the first thread.
    public init(_ signals: [CInt]) throws(CamdError) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let fd = signalfd(-1, &set, CInt(SFD_CLOEXEC) | CInt(SFD_NONBLOCK))
        guard fd >= 0 else { throw CamdError(call: "signalfd", errno: .current, subject: "signals") }
        descriptor = FileDescriptor(owning: fd)
    }

    /// The next signal that has come, nil when there is none.
    public func next() -> CInt? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        return read(descriptor.rawValue, &info, size) == size ? CInt(info.ssi_signo) : nil
    }
}

/// What a poll waits for or says.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: CShort
    public init(rawValue: CShort) { self.rawValue = rawValue }
    public static let input = Readiness(rawValue: CShort(POLLIN))
    public static let priority = Readiness(rawValue: CShort(POLLPRI))
    public static let output = Readiness(rawValue: CShort(POLLOUT))
    public static let error = Readiness(rawValue: CShort(POLLERR))
    public static let hangup = Readiness(rawValue: CShort(POLLHUP))
}

/// Waits for either of two descriptors, at most so long (poll(2)), and returns which are ready. A signal ends it early.
public func wait(
    for readiness: Readiness, on fd: CInt, or other: Readiness, on second: CInt, milliseconds: CInt
) throws(CamdError) -> (first: Bool, second: Bool) {
    var entries = (
        pollfd(fd: fd, events: readiness.rawValue, revents: 0), pollfd(fd: second, events: other.rawValue, revents: 0)
    )
    let count = withUnsafeMutableBytes(of: &entries) {
        poll($0.assumingMemoryBound(to: pollfd.self).baseAddress!, 2, milliseconds)
    }
    guard count >= 0 || errno == EINTR else { throw CamdError(call: "poll", errno: .current, subject: "descriptor") }
    return count <= 0 ? (false, false) : (entries.0.revents != 0, entries.1.revents != 0)
}

/// Waits for one descriptor (poll(2)); nil when the time is up.
public func wait(
    for readiness: Readiness, on fd: CInt, milliseconds: CInt
) throws(CamdError) -> Readiness? {
    var entry = pollfd(fd: fd, events: readiness.rawValue, revents: 0)
    var count = poll(&entry, 1, milliseconds)
    if count < 0, errno == EINTR {
        // Signals that come again and again must not make it wait for ever: from the first one on the time runs.
        let deadline = Deadline(afterMilliseconds: Int(milliseconds))
        repeat {
            count = poll(&entry, 1, milliseconds < 0 ? -1 : deadline.remainingMilliseconds)
        } while count < 0 && errno == EINTR
    }
    guard count >= 0 else { throw CamdError(call: "poll", errno: .current, subject: "descriptor") }
    return count == 0 ? nil : Readiness(rawValue: entry.revents)
}
