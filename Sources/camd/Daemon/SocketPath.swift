import Glibc
import LinuxSystem

/// Where the control socket is.
enum SocketPath {
    static let system = "/run/camd/control"

    /// The path that counts when none was given.
    static var standard: String {
        standard(
            systemExists: access(system, F_OK) == 0, isRoot: geteuid() == 0,
            runtimeFolder: getenv("XDG_RUNTIME_DIR").map { String(cString: $0) })
    }

    static func standard(systemExists: Bool, isRoot: Bool, runtimeFolder: String?) -> String {
        // A relative one is to be ignored, says the specification of these folders.
        guard !systemExists, !isRoot, let runtimeFolder, runtimeFolder.hasPrefix("/") else { return system }
        return (runtimeFolder.hasSuffix("/") ? String(runtimeFolder.dropLast()) : runtimeFolder) + "/camd/control"
    }
}

/// The control socket's file: made with its folder, and removed at the end, if it is still the same.
final class SocketFile {
    let path: String
    private var listener: FileDescriptor?
    private let device: dev_t
    private let inode: ino_t

    /// Makes the folder (0755) if only that is missing, and listens (0660). Throws if somebody else listens there.
    init(_ path: String) throws(CamdError) {
        try Self.makeFolder(of: path)
        listener = try UnixSocket.listen(path, mode: 0o660)
        var status = stat()
        guard lstat(path, &status) == 0 else { throw CamdError(call: "lstat", errno: .current, subject: path) }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
    }

    /// The listening descriptor, for whoever accepts. To be called once.
    func takeListener() -> FileDescriptor? { listener.take() }

    /// Removes the file (unlink(2)), unless another one has taken its place.
    func remove() {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return }
        unlink(path)
    }

    private static func makeFolder(of path: String) throws(CamdError) {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let folder = String(path[..<slash])
        if mkdir(folder, 0o755) == 0 {
            // The umask may have taken rights away that clients need to reach the socket.
            chmod(folder, 0o755)
            return
        }
        guard Errno.current != .exists else { return }
        throw CamdError(
            call: "mkdir", errno: .current, subject: folder, reason: "the control socket's folder cannot be made",
            remedy: "Make it, or choose another --socket.", kind: .cannotCreate)
    }
}
