import Glibc
import LinuxSystem

/// A folder that segments lie in, held by its descriptor: whatever becomes of its path, names mean files of this folder.
final class SegmentFolder {
    let path: String
    let calls: RetentionCalls
    private let descriptor: FileDescriptor
    private let identity: FileIdentity
    /// FAT's inode numbers are made up anew with each mount.
    let inodesChange: Bool
    /// The device of files in it, as its list has it; an overlay's folders have another than its files. nil before there is
    /// a list.
    var fileDevice: UInt64?

    /// Opens the folder and locks it (open(2), flock(2)), so that no two recordings remove each other's open segments.
    init(_ path: String, calls: RetentionCalls) throws(CamdError) {
        try FileErrors.check(path)
        self.path = path
        self.calls = calls
        do throws(CamdError) {
            descriptor = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY)
        } catch {
            throw Self.failing(path, call: "open", error.errno ?? .inputOutput)
        }
        guard let identity = FileIdentity.of("", in: descriptor.rawValue) else {
            throw Self.failing(path, call: "statx", .current)
        }
        self.identity = identity
        // File systems with no locks are let pass.
        if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            throw CamdError(
                call: "flock", errno: .current, subject: path, reason: "another recording looks after this folder",
                remedy: "Give each recording that keeps segments a folder of its own.", kind: .temporary)
        }
        inodesChange = descriptor.inodesChange
    }

    /// At once, also where a process that somebody else just started still has a copy of the descriptor.
    deinit { flock(descriptor.rawValue, LOCK_UN) }

    /// For calls with names of files in it, such as openat(2). It stays owned by this value.
    var fileDescriptor: CInt { descriptor.rawValue }

    func identify(_ name: String) -> FileIdentity? {
        guard let found = calls.identify(fileDescriptor, name) else { return nil }
        // Something is mounted over the name.
        guard found.device == fileDevice else {
            errno = EXDEV
            return nil
        }
        return found
    }

    func remove(_ name: String) -> Errno? { calls.remove(fileDescriptor, name) == 0 ? nil : .current }

    func space() -> DiskSpace? { calls.space(fileDescriptor) }

    /// An error when the path no longer leads to this folder: it was removed, moved, unmounted, or mounted over. What
    /// another program now makes at the path would not be what this one counts (stat(2)).
    func check() throws(CamdError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Self.failing(path, call: "stat", .current) }
        guard UInt64(status.st_ino) == identity.inode, UInt64(status.st_dev) == identity.device else {
            throw CamdError(
                .unavailable, subject: path,
                reason: "another folder is there now: it was moved, or a disk was mounted or unmounted",
                remedy: "Start the recording anew, so that it looks at what is there.")
        }
    }

    static func failing(_ path: String, call: String, _ errno: Errno) -> CamdError {
        let (reason, remedy): (String?, String) =
            switch errno {
            case .noEntry: ("there is no such folder", "Make it first (mkdir -p), or mount its disk.")
            case .notDirectory: ("it is no folder", "Give the folder that segments are to lie in.")
            case .accessDenied, .notPermitted:
                ("this user may not", "Give user \(geteuid()) the right to read and write the folder.")
            case .readOnly: ("the file system is mounted read-only", "Mount it read-write, or choose another folder.")
            case .noSpace, .quotaExceeded: (nil, "Free some space on the disk of \(path).")
            default: (nil, "Check the disk of \(path): the kernel's log (dmesg) tells more.")
            }
        return CamdError(call: call, errno: errno, subject: path, reason: reason, remedy: remedy)
    }
}
