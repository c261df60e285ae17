import CV4L2
import Glibc
import LinuxSystem

/// An open video node that captures. One ioctl is one method, named as the ioctl is; the layers above decide.
public struct VideoNode: ~Copyable, Sendable {
    public let path: String
    public let driver: String
    public let card: String
    public let bus: String
    /// V4L2_BUF_TYPE_VIDEO_CAPTURE, or its multi-planar variant.
    public let bufferType: UInt32
    private let descriptor: FileDescriptor

    public var isMultiPlanar: Bool { bufferType == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue }
    public var fileDescriptor: CInt { descriptor.rawValue }
    var subject: String { "camera \(path)" }

    /// Opens `path` non-blocking and asks what it is (open(2), VIDIOC_QUERYCAP).
    public init(path: String) throws(CamdError) {
        let subject = "camera \(path)"
        let descriptor = try Self.open(path, subject)
        var capability = v4l2_capability()
        guard ioctl(descriptor.rawValue, CV4L2_VIDIOC_QUERYCAP, &capability) == 0 else {
            let error = Errno.current
            throw CamdError(
                .noInput, subject: subject, call: "VIDIOC_QUERYCAP", errno: error,
                reason: error == .notTerminal ? "this is not a video device" : error.message, remedy: Self.lookAtList)
        }
        let hasOwn = capability.capabilities & CV4L2_CAP_DEVICE_CAPS != 0
        let capabilities = hasOwn ? capability.device_caps : capability.capabilities
        let type: UInt32
        if capabilities & CV4L2_CAP_VIDEO_CAPTURE != 0 {
            type = V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
        } else if capabilities & CV4L2_CAP_VIDEO_CAPTURE_MPLANE != 0 {
            type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue
        } else {
            throw CamdError(
                .noInput, subject: subject, reason: "this is a video device that captures no pictures",
                remedy: Self.lookAtList)
        }
        guard capabilities & CV4L2_CAP_STREAMING != 0 else {
            throw CamdError(
                .unavailable, subject: subject,
                reason: "its driver can only be read with read(2), which copies each frame",
                remedy: Self.lookAtList)
        }
        self.path = path
        self.descriptor = descriptor
        bufferType = type
        driver = string(capability.driver)
        card = string(capability.card)
        bus = string(capability.bus_info)
    }

    private static let lookAtList = "See `camd list` for cameras."

    private static func open(_ path: String, _ subject: String) throws(CamdError) -> FileDescriptor {
        // A FIFO or a file is told before it is opened: a node only.
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFCHR {
            throw CamdError(.noInput, subject: subject, reason: "this is not a device", remedy: lookAtList)
        }
        do throws(CamdError) {
            return try FileDescriptor.open(path, O_RDWR | O_NONBLOCK)
        } catch {
            var error = error
            error.subject = subject
            switch error.errno {
            case .noEntry?, .noDevice?, .noSuchDevice?, .notDirectory?:
                error.kind = .noInput
                error.reason = "there is no such camera"
                error.remedy = lookAtList
            case .accessDenied?:
                error.remedy =
                    "Join the group that owns the node (usually: sudo usermod -aG video $USER), then log in again."
            case .notPermitted?:
                error.kind = .noPermission
                error.remedy = "A cgroup refuses the device: add DeviceAllow=char-video4linux rw to the unit."
            case .busy?: error.remedy = busyRemedy(path)
            default: break
            }
            throw error
        }
    }

    static func busyRemedy(_ path: String) -> String {
        "Another program has it (see: fuser -v \(path)); close that, or use the running camd through its --socket."
    }

    /// One ioctl(2), made again when a signal interrupts it. The error's words come from errno.
    func call(_ request: UInt, _ name: String, _ argument: UnsafeMutableRawPointer) throws(CamdError) {
        guard retrying({ ioctl(descriptor.rawValue, request, argument) }) == 0 else {
            throw CamdError(call: name, errno: .current, subject: subject)
        }
    }

    /// One ioctl(2) whose failure is an outcome: errno, or nil when it went well.
    func attempt(_ request: UInt, _ argument: UnsafeMutableRawPointer) -> Errno? {
        retrying { ioctl(descriptor.rawValue, request, argument) } == 0 ? nil : Errno.current
    }
}

/// The text in a fixed-size C array, up to its NUL.
func string<T>(_ tuple: T) -> String {
    withUnsafeBytes(of: tuple) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
