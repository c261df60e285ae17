import Glibc

/// A number that a failed system call left in `errno`.
public struct Errno: Error, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: CInt

    public init(_ rawValue: CInt) { self.rawValue = rawValue }

    /// What the last failed call of this thread left behind.
    public static var current: Errno { Errno(errno) }

    /// The number's symbol, e.g. `ENODEV`, or `errno 4711` where it has none here.
    public var description: String { Self.symbols[rawValue] ?? "errno \(rawValue)" }

    /// The C library's words for the number (strerror(3)), in English.
    public var message: String {
        guard let text = strerror_l(rawValue, Self.cLocale) else { return "unknown error" }
        return String(cString: text)
    }

    // Made once and never freed: strerror_l(3) wants a real locale object.
    private nonisolated(unsafe) static let cLocale: locale_t? = newlocale(allCategories, "C", nil)
    /// LC_ALL_MASK, which is a macro of macros.
    private static let allCategories: CInt = 0x1fbf

    private static let symbols: [CInt: String] = [
        EPERM: "EPERM", ENOENT: "ENOENT", EINTR: "EINTR", EIO: "EIO", ENXIO: "ENXIO", E2BIG: "E2BIG",
        EBADF: "EBADF", EAGAIN: "EAGAIN", ENOMEM: "ENOMEM", EACCES: "EACCES", EFAULT: "EFAULT", EBUSY: "EBUSY",
        EEXIST: "EEXIST", EXDEV: "EXDEV", ENODEV: "ENODEV", ENOTDIR: "ENOTDIR", EISDIR: "EISDIR", EINVAL: "EINVAL",
        ENFILE: "ENFILE", EMFILE: "EMFILE", ENOTTY: "ENOTTY", EFBIG: "EFBIG", ENOSPC: "ENOSPC", EROFS: "EROFS",
        EPIPE: "EPIPE", ERANGE: "ERANGE", ENAMETOOLONG: "ENAMETOOLONG", ENOSYS: "ENOSYS", ELOOP: "ELOOP",
        ETIME: "ETIME", EPROTO: "EPROTO", EOVERFLOW: "EOVERFLOW", EADDRINUSE: "EADDRINUSE", ENOBUFS: "ENOBUFS",
        ETIMEDOUT: "ETIMEDOUT", ECONNREFUSED: "ECONNREFUSED", ECONNRESET: "ECONNRESET", EDQUOT: "EDQUOT",
        EOPNOTSUPP: "EOPNOTSUPP", ENOLINK: "ENOLINK", ECANCELED: "ECANCELED", ENOTCONN: "ENOTCONN",
        ETXTBSY: "ETXTBSY", EREMOTEIO: "EREMOTEIO", ESHUTDOWN: "ESHUTDOWN", EMSGSIZE: "EMSGSIZE",
    ]
}
