import CV4L2
import Glibc
import LinuxSystem

/// One queue of an open video node: a camera's, or one of the two of an encoder. One ioctl is one method, named as the ioctl is;
/// the layers above decide.
public struct VideoNode: ~Copyable, Sendable {
    public let path: String
    public let driver: String
    public let card: String
    public let bus: String
    /// V4L2_BUF_TYPE_VIDEO_CAPTURE or V4L2_BUF_TYPE_VIDEO_OUTPUT, or their multi-planar variants.
    public let bufferType: UInt32
    private let descriptor: FileDescriptor
    /// `camera` or `encoder`: what it is to people.
    let noun: String

    public var isMultiPlanar: Bool {
        bufferType == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue
            || bufferType == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue
    }
    public var fileDescriptor: CInt { descriptor.rawValue }
    var subject: String { "\(noun) \(path)" }

    /// Opens `path` non-blocking and asks what it is (open(2), VIDIOC_QUERYCAP).
    public init(path: String) throws(CamdError) {
        let subject = "camera \(path)"
        let descriptor = try Self.open(path, subject, Self.lookAtList)
        let (capability, capabilities) = try Self.query(descriptor, subject, Self.lookAtList)
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
        self.init(path, "camera", type, capability, descriptor)
    }

    private init(
        _ path: String, _ noun: String, _ type: UInt32, _ capability: v4l2_capability,
        _ descriptor: consuming FileDescriptor
    ) {
        self.path = path
        self.noun = noun
        self.descriptor = descriptor
        bufferType = type
        driver = string(capability.driver)
        card = string(capability.card)
        bus = string(capability.bus_info)
    }

    /// Opens a mem-to-mem device (V4L2_CAP_VIDEO_M2M): its queue for frames (OUTPUT) and the one for what comes of them
    /// (CAPTURE). Both have a descriptor of the same open file, which is what makes them one instance to the driver.
    static func memoryToMemory(path: String, noun: String, remedy: String) throws(CamdError) -> QueuePair {
        let subject = "\(noun) \(path)"
        let descriptor = try open(path, subject, remedy)
        let (capability, capabilities) = try query(descriptor, subject, remedy)
        let types: (UInt32, UInt32)
        if capabilities & CV4L2_CAP_VIDEO_M2M_MPLANE != 0 {
            types = (V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE.rawValue, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE.rawValue)
        } else if capabilities & CV4L2_CAP_VIDEO_M2M != 0 {
            types = (V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue, V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue)
        } else {
            throw CamdError(
                .unavailable, subject: subject, reason: "this is no mem-to-mem device", remedy: remedy)
        }
        guard capabilities & CV4L2_CAP_STREAMING != 0 else {
            throw CamdError(.unavailable, subject: subject, reason: "its driver does not stream", remedy: remedy)
        }
        let second = try descriptor.duplicate()
        return QueuePair(
            output: VideoNode(path, noun, types.0, capability, descriptor),
            capture: VideoNode(path, noun, types.1, capability, second))
    }

    /// The two queues of a mem-to-mem device.
    struct QueuePair: ~Copyable, Sendable {
        let output: VideoNode
        let capture: VideoNode
    }

    private static func query(
        _ descriptor: borrowing FileDescriptor, _ subject: String, _ remedy: String
    ) throws(CamdError) -> (v4l2_capability, UInt32) {
        var capability = v4l2_capability()
        guard ioctl(descriptor.rawValue, CV4L2_VIDIOC_QUERYCAP, &capability) == 0 else {
            let error = Errno.current
            throw CamdError(
                .noInput, subject: subject, call: "VIDIOC_QUERYCAP", errno: error,
                reason: error == .notTerminal ? "this is not a video device" : error.message, remedy: remedy)
        }
        let hasOwn = capability.capabilities & CV4L2_CAP_DEVICE_CAPS != 0
        return (capability, hasOwn ? capability.device_caps : capability.capabilities)
    }

    private static let lookAtList = "See `camd list` for cameras."

    private static func open(
        _ path: String, _ subject: String, _ remedy: String
    ) throws(CamdError) -> FileDescriptor {
        // A FIFO or a file is told before it is opened: a node only.
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFCHR {
            throw CamdError(.noInput, subject: subject, reason: "this is not a device", remedy: remedy)
        }
        do throws(CamdError) {
            return try FileDescriptor.open(path, O_RDWR | O_NONBLOCK)
        } catch {
            var error = error
            error.subject = subject
            switch error.errno {
            case .noEntry?, .noDevice?, .noSuchDevice?, .notDirectory?:
                error.kind = .noInput
                error.reason = "there is no such \(subject.prefix { $0 != " " })"
                error.remedy = remedy
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
