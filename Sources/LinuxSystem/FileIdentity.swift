import CV4L2
import Glibc

/// What tells a file from another that later has its name.
public struct FileIdentity: Hashable, Sendable {
    public var inode: UInt64
    public var device: UInt64
    /// Bytes.
    public var size: Int
    /// Bytes that it takes of the disk.
    public var allocated: Int
    /// Since 1970; 0 where the file system does not keep it. No program can set it.
    public var bornNanoseconds: Int64
    /// Since 1970.
    public var modifiedNanoseconds: Int64
    public var mode: mode_t
    /// Names that the file has.
    public var links: UInt32
    /// The user that it belongs to.
    public var owner: uid_t

    public init(
        inode: UInt64, device: UInt64, size: Int, allocated: Int, bornNanoseconds: Int64, modifiedNanoseconds: Int64,
        mode: mode_t, links: UInt32, owner: uid_t
    ) {
        self.inode = inode
        self.device = device
        self.size = size
        self.allocated = allocated
        self.bornNanoseconds = bornNanoseconds
        self.modifiedNanoseconds = modifiedNanoseconds
        self.mode = mode
        self.links = links
        self.owner = owner
    }

    public var isRegular: Bool { mode & S_IFMT == S_IFREG }

    /// The file of a name in a folder, or a link of that name itself; of the empty name, the descriptor's own
    /// (statx(2)). nil when the call failed, with its number in `errno`.
    public static func of(_ name: String, in folder: CInt) -> FileIdentity? {
        var found = cv4l2_identity()
        guard cv4l2_identify(folder, name, &found) == 0 else { return nil }
        return FileIdentity(
            inode: found.inode, device: found.device, size: Int(clamping: found.size),
            allocated: Int(clamping: found.blocks.multipliedReportingOverflow(by: 512).partialValue),
            bornNanoseconds: found.born, modifiedNanoseconds: found.modified, mode: found.mode, links: found.links,
            owner: found.owner)
    }
}

extension FileDescriptor {
    /// Whether inode numbers of the file system that it lies on are made up anew with each mount, as FAT's are
    /// (fstatfs(2)).
    public var inodesChange: Bool {
        // MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC
        [0x4d44, 0x2011_bab0].contains(cv4l2_file_system(rawValue))
    }

    /// Opens a file of a folder (openat(2)), always with `O_CLOEXEC` and `O_NOFOLLOW`. `mode` counts where one is made.
    public static func open(
        _ name: String, in folder: CInt, _ flags: CInt, mode: mode_t = 0o600
    ) throws(CamdError) -> FileDescriptor {
        let fd = retrying { cv4l2_openat(folder, name, flags | O_CLOEXEC | O_NOFOLLOW, mode) }
        guard fd >= 0 else { throw CamdError(call: "openat", errno: .current, subject: name) }
        return FileDescriptor(owning: fd)
    }
}
