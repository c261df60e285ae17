import CV4L2
import Glibc
import LinuxSystem

/// dma-bufs made of ordinary memory (the udmabuf driver), for kernels that have no heap.
public enum Udmabuf {
    public static let path = "/dev/udmabuf"

    /// Whether its node is there (access(2)).
    public static var isPresent: Bool { access(path, F_OK) == 0 }

    /// Allocates one buffer: a sealed memfd turned into a dma-buf (UDMABUF_CREATE); `length` is rounded up to pages.
    public static func allocate(_ length: Int) throws(CamdError) -> DMABuf {
        let driver = try open()
        let size = Memory.pages(length)
        let memory = try Memory.make(length: size, sealed: true)
        var request = udmabuf_create()
        request.memfd = UInt32(bitPattern: memory.rawValue)
        request.flags = UInt32(UDMABUF_FLAGS_CLOEXEC)
        request.size = UInt64(size)
        let fd = retrying { ioctl(driver.rawValue, CV4L2_UDMABUF_CREATE, &request) }
        guard fd >= 0 else {
            let error = Errno.current
            throw CamdError(
                call: "UDMABUF_CREATE", errno: error, subject: "udmabuf",
                reason: "it gives no \(length) bytes (\(error.message))",
                remedy: "See /sys/module/udmabuf/parameters/size_limit_mb and list_limit.")
        }
        let buffer = try DMABuf(owning: FileDescriptor(owning: fd), needing: length, origin: "udmabuf")
        // Importing does not clean the lines that zeroing the memory made dirty: one bracket does.
        try buffer.withMutableBytes(.readWrite) { (_) throws(CamdError) in }
        return buffer
    }

    /// Opens the node (open(2)), to see whether it is there and for this user.
    @discardableResult
    static func open() throws(CamdError) -> FileDescriptor {
        do throws(CamdError) {
            return try FileDescriptor.open(path, O_RDWR | O_NONBLOCK)
        } catch {
            var error = error
            error.subject = "udmabuf"
            switch error.errno {
            case .accessDenied?:
                error.remedy =
                    #"Give a group the right to it: KERNEL=="udmabuf", GROUP="video", MODE="0660"; then join it."#
            case .notPermitted?:
                error.remedy = "A cgroup refuses the device: add DeviceAllow=/dev/udmabuf rw to the unit."
            case .noEntry?: error.remedy = "This kernel has no udmabuf (CONFIG_UDMABUF), or its module is not loaded."
            default: break
            }
            throw error
        }
    }
}
