import CV4L2
import Glibc

/// Unix stream sockets: the one border over which other processes speak to camd.
public enum UnixSocket {
    /// Who is at the other end of a connection, as the kernel tells it (SO_PEERCRED).
    public struct Credentials: Sendable, Hashable {
        public var processID: Int32
        public var userID: UInt32
        public var groupID: UInt32
    }

    /// Connects to `path` (socket(2), connect(2)); the descriptor blocks.
    public static func connect(_ path: String) throws(CamdError) -> FileDescriptor {
        let fd = try make(nonBlocking: false, path)
        let result = try withAddress(path) { address, length in
            retrying { Glibc.connect(fd.rawValue, address, length) }
        }
        guard result == 0 else { throw CamdError(call: "connect", errno: .current, subject: path) }
        return fd
    }

    /// Binds and listens on `path` (bind(2), listen(2)), non-blocking. A socket that nobody listens on any more is
    /// replaced; one that somebody does is an error, and so is a file of another type.
    public static func listen(_ path: String, mode: mode_t, backlog: CInt = 16) throws(CamdError) -> FileDescriptor {
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFSOCK else {
                throw CamdError(
                    .cannotCreate, subject: path, reason: "a file that is not a socket is there",
                    remedy: "Choose another --socket, or move that file away.")
            }
            if isAlive(path) {
                throw CamdError(
                    .temporary, subject: path, call: "bind", errno: .addressInUse,
                    reason: "another process listens on this socket",
                    remedy: "Stop it (is camd running already?), or choose another --socket.")
            }
            unlink(path)
        }
        let fd = try make(nonBlocking: true, path)
        // The file is made with the socket's mode less the umask: closed to all until its mode is set.
        let before = umask(0o177)
        let bound = try withAddress(path) { address, length in Glibc.bind(fd.rawValue, address, length) }
        let bindError = Errno.current
        umask(before)
        guard bound == 0 else {
            throw CamdError(
                call: "bind", errno: bindError, subject: path,
                remedy: "The folder has to exist and to be writable; choose another with --socket.", kind: .cannotCreate
            )
        }
        guard chmod(path, mode) == 0 else { throw CamdError(call: "chmod", errno: .current, subject: path) }
        guard Glibc.listen(fd.rawValue, backlog) == 0 else {
            throw CamdError(call: "listen", errno: .current, subject: path)
        }
        return fd
    }

    /// The next connection (accept4(2)), non-blocking; nil when none waits.
    public static func accept(_ listener: borrowing FileDescriptor) throws(CamdError) -> FileDescriptor? {
        let fd = retrying { cv4l2_accept(listener.rawValue) }
        if fd >= 0 { return FileDescriptor(owning: fd) }
        switch errno {
        case EAGAIN, ECONNABORTED: return nil
        default: throw CamdError(call: "accept4", errno: .current, subject: "control socket")
        }
    }

    /// The peer's process, user and group at the time it connected (getsockopt(2) SO_PEERCRED).
    public static func peer(of connection: borrowing FileDescriptor) throws(CamdError) -> Credentials {
        var credentials = cv4l2_credentials()
        guard cv4l2_peer_credentials(connection.rawValue, &credentials) == 0 else {
            throw CamdError(call: "getsockopt SO_PEERCRED", errno: .current, subject: "control socket")
        }
        return Credentials(processID: credentials.pid, userID: credentials.uid, groupID: credentials.gid)
    }

    /// What one read or write of a non-blocking socket came to.
    public enum Transfer: Sendable, Hashable {
        case bytes(Int)
        case wouldBlock
        case closed
    }

    /// recv(2).
    public static func receive(
        _ fd: borrowing FileDescriptor, into buffer: UnsafeMutableRawBufferPointer
    ) throws(CamdError) -> Transfer {
        let count = retrying { recv(fd.rawValue, buffer.baseAddress, buffer.count, 0) }
        if count > 0 { return .bytes(count) }
        if count == 0 { return .closed }
        switch errno {
        case EAGAIN: return .wouldBlock
        case ECONNRESET, EPIPE: return .closed
        default: throw CamdError(call: "recv", errno: .current, subject: "socket")
        }
    }

    /// send(2) with MSG_NOSIGNAL.
    public static func send(
        _ fd: borrowing FileDescriptor, _ buffer: UnsafeRawBufferPointer
    ) throws(CamdError) -> Transfer {
        let count = retrying { Glibc.send(fd.rawValue, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL)) }
        if count >= 0 { return .bytes(count) }
        switch errno {
        case EAGAIN: return .wouldBlock
        case ECONNRESET, EPIPE: return .closed
        default: throw CamdError(call: "send", errno: .current, subject: "socket")
        }
    }

    private static func make(nonBlocking: Bool, _ path: String) throws(CamdError) -> FileDescriptor {
        let type =
            CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | (nonBlocking ? CInt(SOCK_NONBLOCK.rawValue) : 0)
        let fd = socket(AF_UNIX, type, 0)
        guard fd >= 0 else { throw CamdError(call: "socket", errno: .current, subject: path) }
        return FileDescriptor(owning: fd)
    }

    /// A stale socket file refuses connections; a live one takes them, or at least has a full backlog.
    private static func isAlive(_ path: String) -> Bool {
        guard let probe = try? make(nonBlocking: true, path) else { return true }
        let result = try? withAddress(path) { address, length in Glibc.connect(probe.rawValue, address, length) }
        return result == 0 || errno != ECONNREFUSED
    }

    private static func withAddress<R>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) throws(CamdError) -> R {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        // One byte is kept for the NUL; Linux allows 108 in all.
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path), !bytes.contains(0) else {
            throw CamdError(
                .usage, subject: path, reason: "a socket's path has 1 to 107 bytes, this one has \(bytes.count)",
                remedy: "Choose a shorter --socket.")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
