import CV4L2
import Glibc

/// Owns one open file descriptor and closes it when its life ends (close(2)).
public struct FileDescriptor: ~Copyable, Sendable {
    /// The number, for a system call; it stays owned by this value.
    public let rawValue: CInt

    /// Takes over a descriptor that nobody else will close.
    public init(owning rawValue: CInt) {
        precondition(rawValue >= 0, "a file descriptor is not negative")
        self.rawValue = rawValue
    }

    deinit { _ = Glibc.close(rawValue) }

    /// Opens `path` (open(2)), always with `O_CLOEXEC`. `mode` counts where a file is made.
    public static func open(
        _ path: String, _ flags: CInt, mode: mode_t = 0o600
    ) throws(CamdError) -> FileDescriptor {
        let fd = retrying { cv4l2_open(path, flags | O_CLOEXEC, mode) }
        guard fd >= 0 else { throw CamdError(call: "open", errno: .current, subject: path) }
        return FileDescriptor(owning: fd)
    }

    /// A second descriptor of the same open file (fcntl(2) `F_DUPFD_CLOEXEC`).
    public func duplicate() throws(CamdError) -> FileDescriptor {
        let fd = cv4l2_fcntl(rawValue, F_DUPFD_CLOEXEC, 0)
        guard fd >= 0 else { throw CamdError(call: "fcntl F_DUPFD_CLOEXEC", errno: .current, subject: "descriptor") }
        return FileDescriptor(owning: fd)
    }

    /// Gives the number away: whoever takes it closes it.
    public consuming func take() -> CInt {
        let fd = rawValue
        discard self
        return fd
    }
}

/// Makes a call again for as long as a signal interrupts it (EINTR).
public func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
