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

    /// What the name tells; of a link whose own name tells little (`vidbuf_cached`), the name that it leads to.
    public var parsedName: HeapName {
        let own = HeapName(name)
        guard own.kind == .unknown, let real = realpath(path, nil) else { return own }
        defer { free(real) }
        let target = String(cString: real)
        guard target.hasPrefix(Self.folder + "/") else { return own }
        return HeapName(String(target.dropFirst(Self.folder.count + 1)))
    }

    /// Whether two nodes give memory of one region: by their names, or because one is a link to the other (udev makes
    /// `vidbuf_cached` on a Raspberry Pi), or both are one device.
    public func isSameRegion(as other: Heap) -> Bool {
        if HeapName(name).isSameRegion(as: HeapName(other.name)) { return true }
        var mine = stat()
        var theirs = stat()
        return stat(path, &mine) == 0 && stat(other.path, &theirs) == 0 && mine.st_rdev == theirs.st_rdev
            && mine.st_rdev != 0
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
            throw CamdError(
                call: "DMA_HEAP_IOCTL_ALLOC", errno: error, subject: "heap \(name)",
                reason: "it gives no \(length) bytes (\(error.message))",
                remedy: error == .notTerminal
                    ? "\(path) is not a heap; choose another with --heap."
                    : "Choose another heap with --heap, a smaller size, or give the region more memory.")
        }
        return try DMABuf(
            owning: FileDescriptor(owning: CInt(bitPattern: request.fd)), length: Int(request.len),
            origin: "heap \(name)")
    }

    private func open() throws(CamdError) -> FileDescriptor {
        // The name goes into a path: it may not lead elsewhere.
        guard !name.isEmpty, !name.contains("/"), name != ".", name != ".." else {
            throw CamdError(.configuration, subject: "heap \(name)", reason: "this is not the name of a heap")
        }
        do throws(CamdError) {
            return try FileDescriptor.open(path, O_RDONLY)
        } catch {
            var error = error
            error.subject = "heap \(name)"
            switch error.errno {
            case .accessDenied?: error.remedy = Self.permissionRemedy
            case .notPermitted?:
                error.remedy = "A cgroup refuses the device: add DeviceAllow=char-dma_heap rw to the unit."
            case .noEntry?:
                error.kind = .configuration
                let names = Self.all().map(\.name)
                error.reason = "there is no such heap"
                error.remedy =
                    names.isEmpty
                    ? "This kernel shows no heap (CONFIG_DMABUF_HEAPS_SYSTEM, CONFIG_DMABUF_HEAPS_CMA)."
                    : "There are: \(names.joined(separator: ", "))."
            default: break
            }
            throw error
        }
    }

    static let permissionRemedy =
        "Heap nodes belong to root alone by default. Give a group the right to them with a udev rule: "
        + #"SUBSYSTEM=="dma_heap", GROUP="video", MODE="0660"; then join that group."#
}
