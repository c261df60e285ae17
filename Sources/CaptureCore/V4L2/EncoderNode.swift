import CV4L2
import LinuxSystem

/// A mem-to-mem encoder, open: one instance of the kernel's stateful encoder interface. Frames go into one queue (OUTPUT), the
/// bitstream comes out of the other (CAPTURE). One ioctl is one method.
struct EncoderNode: ~Copyable, Sendable {
    private let queues: VideoNode.QueuePair

    /// OUTPUT.
    var frames: VideoNode { _read { yield queues.output } }
    /// CAPTURE.
    var packets: VideoNode { _read { yield queues.capture } }

    /// Opens `path` (open(2), VIDIOC_QUERYCAP); throws `.unavailable` for what is no encoder.
    static func open(path: String) throws(CamdError) -> EncoderNode {
        let remedy = "`camd doctor` lists the encoders of this machine."
        let node = EncoderNode(queues: try VideoNode.memoryToMemory(path: path, noun: "encoder", remedy: remedy))
        guard !node.codecs.isEmpty, !node.formats.isEmpty else {
            throw CamdError(
                .unavailable, subject: node.frames.subject, call: "VIDIOC_ENUM_FMT", reason: "it does not compress",
                remedy: remedy)
        }
        return node
    }

    private init(queues: consuming VideoNode.QueuePair) { self.queues = queues }

    /// What it takes (VIDIOC_ENUM_FMT of OUTPUT).
    var formats: [PixelFormat] { frames.formatEntries().filter { !$0.isCompressed }.map(\.format) }

    /// What it makes (VIDIOC_ENUM_FMT of CAPTURE).
    var codecs: [PixelFormat] { packets.formatEntries().filter(\.isCompressed).map(\.format) }

    /// The part of the frames that is a picture, from the upper left corner (VIDIOC_S_SELECTION, V4L2_SEL_TGT_CROP),
    /// and what the driver made of it.
    func setCrop(_ size: FrameSize) throws(CamdError) -> FrameSize {
        var selection = v4l2_selection()
        // Selections name no multi-planar types.
        selection.type = V4L2_BUF_TYPE_VIDEO_OUTPUT.rawValue
        selection.target = UInt32(V4L2_SEL_TGT_CROP)
        selection.r.width = UInt32(clamping: size.width)
        selection.r.height = UInt32(clamping: size.height)
        try frames.call(CV4L2_VIDIOC_S_SELECTION, "VIDIOC_S_SELECTION", &selection)
        return FrameSize(Int(selection.r.width), Int(selection.r.height))
    }

    /// Asks for an event when it has drained (VIDIOC_SUBSCRIBE_EVENT, V4L2_EVENT_EOS). Drivers that have none are let be: the last
    /// buffer's flag tells the same.
    func subscribeEnd() {
        var subscription = v4l2_event_subscription()
        subscription.type = UInt32(V4L2_EVENT_EOS)
        _ = frames.attempt(CV4L2_VIDIOC_SUBSCRIBE_EVENT, &subscription)
    }

    /// Takes an event (VIDIOC_DQEVENT); false when there is none.
    func takeEvent() -> Bool {
        var event = v4l2_event()
        return frames.attempt(CV4L2_VIDIOC_DQEVENT, &event) == nil
    }

    /// Lets it compress what is queued, and then stop (VIDIOC_ENCODER_CMD, V4L2_ENC_CMD_STOP).
    func stop() -> Errno? {
        var command = v4l2_encoder_cmd()
        command.cmd = UInt32(V4L2_ENC_CMD_STOP)
        return frames.attempt(CV4L2_VIDIOC_ENCODER_CMD, &command)
    }
}

/// A mem-to-mem encoder that this machine has.
public struct EncoderDescription: Sendable, Hashable {
    public var node: String
    public var name: String
    public var driver: String
    /// What it takes.
    public var formats: [PixelFormat]
    /// What it makes.
    public var codecs: [PixelFormat]

    public init(node: String, name: String, driver: String, formats: [PixelFormat], codecs: [PixelFormat]) {
        self.node = node
        self.name = name
        self.driver = driver
        self.formats = formats
        self.codecs = codecs
    }
}

extension CameraEnumerator {
    /// The stateful encoders, in the order of their nodes' numbers. What cannot be opened is passed over; its error shows when it
    /// is asked for by name.
    public static func encoders() -> [EncoderDescription] {
        nodePaths().compactMap { try? encoder($0) }
    }

    /// What a node can compress.
    public static func encoder(_ path: String) throws(CamdError) -> EncoderDescription {
        let node = try EncoderNode.open(path: path)
        return EncoderDescription(
            node: path, name: node.frames.card, driver: node.frames.driver, formats: node.formats, codecs: node.codecs)
    }
}
