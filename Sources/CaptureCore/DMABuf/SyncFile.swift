import CV4L2
import Glibc
import LinuxSystem

/// A fence as a descriptor (the kernel's sync_file): the end of some device's work on a buffer.
///
/// The kernel arms a fence only when somebody polls it: a status that is read without a poll may say "active" for ever.
/// So every look at it here is a poll first.
public struct SyncFile: ~Copyable, Sendable {
    public enum Status: Sendable, Hashable {
        case active
        case signalled
        /// The device gave up; the number is its errno.
        case failed(Errno)
    }

    private let descriptor: FileDescriptor

    public init(owning descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// What poll(2) waits on: readable when the work is over.
    public var fileDescriptor: CInt { descriptor.rawValue }

    /// The fence of all work on a dma-buf so far (DMA_BUF_IOCTL_EXPORT_SYNC_FILE): of its writers, for who wants to
    /// read; of readers and writers, for who wants to write.
    public init(of buffer: DMABuf, for access: DMABuf.Access) throws(CamdError) {
        var request = dma_buf_export_sync_file()
        switch access {
        case .read: request.flags = UInt32(CV4L2_SYNC_READ)
        case .write, .readWrite: request.flags = UInt32(CV4L2_SYNC_RW)
        }
        request.fd = -1
        guard retrying({ ioctl(buffer.fileDescriptor, CV4L2_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) }) == 0 else {
            let error = Errno.current
            throw CamdError(
                call: "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", errno: error, subject: "dma-buf (\(buffer.origin))",
                remedy: error == Errno(ENOTTY) ? "Linux has this call from 6.0 on." : nil)
        }
        descriptor = FileDescriptor(owning: request.fd)
    }

    /// The end of both (SYNC_IOC_MERGE): readable when both are over, failed when one of them has.
    public consuming func merged(with other: consuming SyncFile) throws(CamdError) -> SyncFile {
        var request = sync_merge_data()
        request.fd2 = other.fileDescriptor
        request.fence = -1
        guard retrying({ ioctl(descriptor.rawValue, CV4L2_SYNC_IOC_MERGE, &request) }) == 0 else {
            throw CamdError(call: "SYNC_IOC_MERGE", errno: .current, subject: "fence")
        }
        return SyncFile(owning: FileDescriptor(owning: request.fence))
    }

    /// Waits until the work is over, for at most so long; false when it is not.
    public func wait(milliseconds: CInt) throws(CamdError) -> Bool {
        try LinuxSystem.wait(for: .input, on: descriptor.rawValue, milliseconds: milliseconds) != nil
    }

    /// How it stands (poll(2) with no wait, then SYNC_IOC_FILE_INFO).
    public func status() throws(CamdError) -> Status {
        guard try wait(milliseconds: 0) else { return .active }
        var info = sync_file_info()
        guard retrying({ ioctl(descriptor.rawValue, CV4L2_SYNC_IOC_FILE_INFO, &info) }) == 0 else {
            throw CamdError(call: "SYNC_IOC_FILE_INFO", errno: .current, subject: "fence")
        }
        return info.status == 0 ? .active : info.status > 0 ? .signalled : .failed(Errno(-info.status))
    }
}
