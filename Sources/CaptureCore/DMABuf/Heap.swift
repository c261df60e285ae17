import CV4L2
import Glibc
import LinuxSystem

/// A dma-buf heap: a named region of memory from which the kernel hands out buffers.
public struct Heap: Hashable, Sendable {
    public static let folder = "/dev/dma_heap"

    /// The node's name in /dev/dma_heap.
    public let name: String
    public var path: String { "\(Self.folder)/\(name)" }

    public init(name: String) { self.name = name }

    /// The heaps that this machine has, by name; empty where the kernel has none.
    public static func all() -> [Heap] {
        Directory.names(in: folder).sorted().map(Heap.init(name:))
    }

    /// What the name tells; of a link (`vidbuf_cached`), the name that it leads to: whoever made the link may have called
    /// it anything. One that calls itself protected stays so.
    public var parsedName: HeapName {
        let own = HeapName(name)
        guard !own.isProtected, let real = realpath(path, nil) else { return own }
        defer { free(real) }
        let target = String(cString: real)
        guard target.hasPrefix(Self.folder + "/") else { return own }
        return HeapName(String(target.dropFirst(Self.folder.count + 1)))
    }

    /// Whether two nodes give memory of one region: by their names, or because both are one device.
    public func isSameRegion(as other: Heap) -> Bool {
        if parsedName.isSameRegion(as: other.parsedName) { return true }
        guard let device else { return false }
        return device == other.device
    }

    /// The device's number, the same for all nodes of one device and for links to them (stat(2)); nil where it is none.
    var device: UInt64? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFCHR else { return nil }
        return UInt64(status.st_rdev)
    }

    /// Allocates one buffer (DMA_HEAP_IOCTL_ALLOC); `length` is rounded up to pages. The bytes are zero.
    public func allocate(_ length: Int) throws(CamdError) -> DMABuf {
        let heap = try open()
        var request = dma_heap_allocation_data()
        request.len = UInt64(Memory.pages(length))
        // Without O_RDWR a writable mapping of the buffer would fail later.
        request.fd_flags = UInt32(O_RDWR | O_CLOEXEC)
        guard retrying({ ioctl(heap.rawValue, CV4L2_DMA_HEAP_IOCTL_ALLOC, &request) }) == 0 else {
            let error = Errno.current
            if error == .notTerminal {
                throw CamdError(
                    call: "DMA_HEAP_IOCTL_ALLOC", errno: error, subject: subject,
                    reason: "\(path) is a device, but not a heap", remedy: "Choose another with --heap.",
                    kind: .configuration)
            }
            throw CamdError(
                call: "DMA_HEAP_IOCTL_ALLOC", errno: error, subject: subject,
                reason: "it gives no \(length) bytes (\(error.message))",
                remedy: "Choose another heap with --heap, a smaller size, or give the region more memory.")
        }
        return try DMABuf(
            owning: FileDescriptor(owning: CInt(bitPattern: request.fd)), needing: length, origin: subject)
    }

    private var subject: String { "heap \(name)" }

    /// Opens the node (open(2)), to see whether it is there, a device, and for this user. Whether it is a heap shows only
    /// when it is asked for a buffer.
    @discardableResult
    func open() throws(CamdError) -> FileDescriptor {
        // The name goes into a path: it may not lead elsewhere.
        guard !name.isEmpty, !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }), name != ".",
            name != ".."
        else {
            throw CamdError(.configuration, subject: subject, reason: "this is not the name of a heap")
        }
        let heap: FileDescriptor
        do throws(CamdError) {
            // Whatever lies there: a FIFO would wait for a writer, a terminal would become ours.
            heap = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        } catch {
            var error = error
            error.subject = subject
            switch error.errno {
            case .accessDenied?: error.remedy = Self.permissionRemedy
            case .notPermitted?:
                error.remedy = "A cgroup refuses the device: add DeviceAllow=char-dma_heap rw to the unit."
            case .noEntry?:
                error.kind = .configuration
                error.reason = "there is no such heap"
                if Self.all().isEmpty { error.remedy = Self.kernelRemedy }
            default: break
            }
            throw error
        }
        var status = stat()
        guard fstat(heap.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFCHR else {
            throw CamdError(
                .configuration, subject: subject, reason: "\(path) is not a device",
                remedy: "Choose another with --heap, and see who put that there.")
        }
        return heap
    }

    static let permissionRemedy =
        "Heap nodes belong to root alone by default. Give a group the right to them with a udev rule: "
        + #"SUBSYSTEM=="dma_heap", GROUP="video", MODE="0660"; then join that group."#

    /// What to do where a kernel has no heap at all.
    public static let kernelRemedy =
        "This kernel shows no heap: turn on CONFIG_DMABUF_HEAPS with CONFIG_DMABUF_HEAPS_SYSTEM, and "
        + "CONFIG_DMABUF_HEAPS_CMA for cameras that want one piece of memory, or load their modules."
}
