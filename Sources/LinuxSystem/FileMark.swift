import CV4L2
import Glibc

/// A mark that a file carries itself: an extended attribute (xattr(7)) of the `user` name space. It goes with the file
/// when that is renamed, and not with another one that is put in its place. File systems with no such attributes
/// (FAT, some of NFS) have none; then setting one fails, and none is seen.
public struct FileMark: Sendable, Hashable {
    /// Such as `user.camd.unfinished`.
    public let name: String

    public init(_ name: String) { self.name = name }

    /// Whether the open file has it (fgetxattr(2)).
    public func isOn(_ descriptor: CInt) -> Bool { cv4l2_has_mark(descriptor, name) == 1 }

    /// Puts it on an open file (fsetxattr(2)); false where that cannot be.
    @discardableResult
    public func put(on descriptor: CInt) -> Bool { cv4l2_set_mark(descriptor, name) == 0 }

    /// Takes it off an open file (fremovexattr(2)).
    @discardableResult
    public func remove(from descriptor: CInt) -> Bool { cv4l2_remove_mark(descriptor, name) == 0 }
}
