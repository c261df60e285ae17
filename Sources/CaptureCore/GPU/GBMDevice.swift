import CEGL
import Glibc
import LinuxSystem

/// A DRM device's buffer manager (libgbm's gbm_device): the platform on which EGL finds a GPU by its node, and a source of
/// buffers that this GPU can draw into.
public final class GBMDevice: @unchecked Sendable, Hashable {
    static let folder = "/dev/dri"

    /// Its node, such as /dev/dri/renderD128.
    public let path: String
    let device: OpaquePointer
    private let node: FileDescriptor

    /// Opens a node (open(2)), sees that it is one of DRM (DRM_IOCTL_VERSION), and hands it to libgbm (gbm_create_device).
    /// - Throws: an error that says what to do, for one that is not there, is no DRM device, or may not be opened.
    public init(path: String) throws(CamdError) {
        let node = try Self.open(path)
        guard let device = gbm_create_device(node.rawValue) else {
            throw CamdError(
                .unavailable, subject: "GPU \(path)", call: "gbm_create_device",
                reason: "libgbm knows no driver for it",
                remedy:
                    "Install Mesa's driver of that GPU (Debian: libgl1-mesa-dri libgbm1), or give --gpu another node: "
                    + Self.others(than: path))
        }
        self.path = path
        self.node = node
        self.device = device
    }

    deinit { gbm_device_destroy(device) }

    public static func == (left: GBMDevice, right: GBMDevice) -> Bool { left.path == right.path }
    public func hash(into hasher: inout Hasher) { hasher.combine(path) }

    /// The render nodes of this machine, in the order of their numbers.
    static func renderNodes(in folder: String = folder) -> [String] {
        let numbers = Directory.names(in: folder).compactMap { name in
            name.hasPrefix("renderD") ? Int(name.dropFirst("renderD".count)) : nil
        }
        return numbers.sorted().map { "\(folder)/renderD\($0)" }
    }

    /// What else `--gpu` could name.
    private static func others(than path: String) -> String {
        let names = renderNodes().filter { $0 != path }
        return names.isEmpty ? "there is none besides (see /dev/dri)." : names.joined(separator: ", ") + "."
    }

    private static func open(_ path: String) throws(CamdError) -> FileDescriptor {
        let subject = "GPU \(path)"
        do throws(CamdError) {
            let node = try FileDescriptor.open(path, O_RDWR | O_NONBLOCK)
            try check(node, path)
            return node
        } catch {
            var error = error
            guard error.call == "open" else { throw error }
            error.subject = subject
            switch error.errno {
            case .accessDenied?:
                error.remedy =
                    "Join the group that may open it (ls -l \(path); usually render): "
                    + "SupplementaryGroups=render in a unit."
            case .notPermitted?:
                error.remedy = "A cgroup refuses the device: add DeviceAllow=char-drm rw to the unit."
            case .noEntry?, .noDevice?, .noSuchDevice?:
                error.remedy = "What --gpu can name here: " + others(than: path)
            default: break
            }
            throw error
        }
    }

    private static func check(_ node: borrowing FileDescriptor, _ path: String) throws(CamdError) {
        var version = cegl_drm_version()
        guard retrying({ ioctl(node.rawValue, CEGL_DRM_IOCTL_VERSION, &version) }) == 0 else {
            throw CamdError(
                .noInput, subject: "GPU \(path)", call: "DRM_IOCTL_VERSION", errno: .current,
                reason: "it is no DRM device", remedy: "What --gpu can name here: " + others(than: path))
        }
        // Who first opens a display's own node (card0) owns its screens until it lets go of them.
        _ = ioctl(node.rawValue, CEGL_DRM_IOCTL_DROP_MASTER)
    }

    /// Texels of a row of what is allocated: rows are whole pages then, and any layout of fewer bytes lies in it.
    private static let rowTexels = 1024

    /// Allocates one buffer in which rows lie one after the other (gbm_bo_create with RENDERING and LINEAR, ABGR8888), as a
    /// dma-buf that the CPU may write, too (DRM_IOCTL_PRIME_HANDLE_TO_FD); the dma-buf alone keeps the memory.
    func allocate(_ length: Int) throws(CamdError) -> DMABuf {
        let subject = "GBM buffer of \(path)"
        let rowBytes = Self.rowTexels * 4
        let rows = max(1, (length + rowBytes - 1) / rowBytes)
        guard
            let buffer = gbm_bo_create(
                device, UInt32(Self.rowTexels), UInt32(rows), CEGL_GBM_FORMAT_ABGR8888,
                GBM_BO_USE_RENDERING.rawValue | GBM_BO_USE_LINEAR.rawValue)
        else {
            throw CamdError(
                .unavailable, subject: subject, call: "gbm_bo_create", errno: .current,
                reason: "the driver gives no linear buffer of \(length) bytes to draw into")
        }
        defer { gbm_bo_destroy(buffer) }
        var request = cegl_drm_prime_handle()
        request.handle = gbm_bo_get_handle(buffer).u32
        request.flags = CEGL_PRIME_FLAGS
        request.fd = -1
        guard retrying({ ioctl(gbm_device_get_fd(device), CEGL_DRM_IOCTL_PRIME_HANDLE_TO_FD, &request) }) == 0 else {
            throw CamdError(call: "DRM_IOCTL_PRIME_HANDLE_TO_FD", errno: .current, subject: subject)
        }
        return try DMABuf(
            owning: FileDescriptor(owning: request.fd), needing: length, origin: "GBM of \(path)")
    }
}
