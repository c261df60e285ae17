import Glibc
import LinuxSystem

/// What is free on a disk.
public struct DiskSpace: Sendable, Hashable {
    /// Bytes that any user may take.
    public var freeBytes: Int
    /// Files that can still be made; nil where the file system makes room for them as it goes.
    public var freeFiles: Int?
    /// Bytes of the whole file system.
    public var totalBytes: Int

    public init(freeBytes: Int, freeFiles: Int? = nil, totalBytes: Int) {
        self.freeBytes = freeBytes
        self.freeFiles = freeFiles
        self.totalBytes = totalBytes
    }

    /// Of the file system that a descriptor lies on (fstatvfs(3)). nil when the call failed, with its number in `errno`.
    public static func of(_ descriptor: CInt) -> DiskSpace? {
        var status = statvfs()
        guard retrying({ fstatvfs(descriptor, &status) }) == 0 else { return nil }
        func bytes(_ blocks: fsblkcnt_t) -> Int {
            let (product, over) = UInt(blocks).multipliedReportingOverflow(by: UInt(status.f_frsize))
            return over ? .max : Int(clamping: product)
        }
        return DiskSpace(
            freeBytes: bytes(status.f_bavail), freeFiles: status.f_files == 0 ? nil : Int(clamping: status.f_favail),
            totalBytes: bytes(status.f_blocks))
    }
}

/// The calls that a test puts its own in place of. All of names, relative to the folder's descriptor.
struct RetentionCalls: Sendable {
    /// fstatvfs(3).
    var space: @Sendable (CInt) -> DiskSpace? = { DiskSpace.of($0) }
    /// statx(2).
    var identify: @Sendable (CInt, String) -> FileIdentity? = { FileIdentity.of($1, in: $0) }
    /// unlinkat(2).
    var remove: @Sendable (CInt, String) -> CInt = { Glibc.unlinkat($0, $1, 0) }
    /// renameat(2).
    var rename: @Sendable (CInt, String, String) -> CInt = { Glibc.renameat($0, $1, $0, $2) }
    /// pwrite(2).
    var write: @Sendable (CInt, UnsafeRawPointer, Int, Int) -> Int = { Glibc.pwrite($0, $1, $2, $3) }
    /// ftruncate(2).
    var truncate: @Sendable (CInt, Int) -> CInt = { Glibc.ftruncate($0, $1) }
    /// fsync(2).
    var sync: @Sendable (CInt) -> CInt = { Glibc.fsync($0) }
    var realtimeNanoseconds: @Sendable () -> UInt64 = { Clock.realtimeNanoseconds() }
    var monotonicNanoseconds: @Sendable () -> UInt64 = { Clock.monotonicNanoseconds() }
}
