import CFFmpeg
import CaptureCore
import LinuxSystem

/// What is asked of V4L2's encoders: `v4l2`, `v4l2:/dev/video2`, `v4l2:h264`.
struct V4L2Wish: Sendable, Hashable {
    /// What such an encoder makes, best first.
    struct Codec: Sendable, Hashable {
        var name: String
        /// V4L2's.
        var format: PixelFormat
        var libav: AVCodecID
        /// Containers store its parameter sets at the start.
        var hasParameterSets: Bool
    }

    static let codecs: [Codec] = [
        Codec(name: "h264", format: PixelFormat("H264")!, libav: AV_CODEC_ID_H264, hasParameterSets: true),
        Codec(name: "hevc", format: PixelFormat("HEVC")!, libav: AV_CODEC_ID_HEVC, hasParameterSets: true),
        Codec(name: "vp9", format: PixelFormat("VP90")!, libav: AV_CODEC_ID_VP9, hasParameterSets: false),
        Codec(name: "vp8", format: PixelFormat("VP80")!, libav: AV_CODEC_ID_VP8, hasParameterSets: false),
        Codec(name: "mpeg4", format: PixelFormat("MPG4")!, libav: AV_CODEC_ID_MPEG4, hasParameterSets: true),
        Codec(name: "mjpeg", format: PixelFormat("MJPG")!, libav: AV_CODEC_ID_MJPEG, hasParameterSets: false),
        Codec(name: "mjpeg", format: PixelFormat("JPEG")!, libav: AV_CODEC_ID_MJPEG, hasParameterSets: false),
        // The kernel's test codec. libavcodec does not know it; Matroska takes it by its fourcc.
        Codec(name: "fwht", format: PixelFormat("FWHT")!, libav: AV_CODEC_ID_NONE, hasParameterSets: false),
    ]

    private static let prefix = "v4l2"

    var node: String?
    var codec: String?

    static func isOne(_ name: String) -> Bool { name == prefix || name.hasPrefix(prefix + ":") }

    /// Nil for a name that is not of V4L2's encoders; throws `.usage` for one that is and makes no sense.
    init?(_ name: String) throws(CamdError) {
        guard Self.isOne(name) else { return nil }
        let rest = String(name.dropFirst(Self.prefix.count + 1))
        if name == Self.prefix { return }
        if rest.hasPrefix("/") {
            node = rest
        } else if Self.codecs.contains(where: { $0.name == rest }) {
            codec = rest
        } else {
            throw CamdError(
                .usage, subject: "encoder \(name)", reason: "after v4l2: there is a node or a codec",
                remedy: "Such as v4l2:/dev/video2, or one of: \(Self.names).")
        }
    }

    private static var names: String {
        var names: [String] = []
        for codec in codecs where !names.contains(codec.name) { names.append(codec.name) }
        return names.map { "\(prefix):\($0)" }.joined(separator: ", ")
    }

    var text: String { (node ?? codec).map { "\(Self.prefix):\($0)" } ?? Self.prefix }

    /// An encoder of this machine and what it is to make.
    struct Choice: Sendable, Hashable {
        var device: EncoderDescription
        var codec: Codec
    }

    /// All that fit, in the order in which they are preferred. Throws `.unavailable` where there is none, with those that there
    /// are.
    func choices() throws(CamdError) -> [Choice] {
        let devices: [EncoderDescription]
        if let node { devices = [try CameraEnumerator.encoder(node)] } else { devices = CameraEnumerator.encoders() }
        return try choices(of: devices)
    }

    func choices(of devices: [EncoderDescription]) throws(CamdError) -> [Choice] {
        var choices: [Choice] = []
        for known in Self.codecs where codec == nil || codec == known.name {
            for device in devices where device.codecs.contains(known.format) {
                choices.append(Choice(device: device, codec: known))
            }
        }
        guard choices.isEmpty else { return choices }
        let there = devices.map { "\($0.node) (\($0.name)): \($0.codecs.map(\.description).joined(separator: " "))" }
        throw CamdError(
            .unavailable, subject: "encoder \(text)",
            reason: there.isEmpty
                ? "this machine has no V4L2 encoder that camd may open"
                : codec.map { "no V4L2 encoder here makes \($0)" } ?? "it makes nothing that camd stores",
            remedy: there.isEmpty
                ? "Choose one of libavcodec's, such as libx264." : "There are: \(there.joined(separator: "; ")).")
    }

    /// The first that reads such frames where they lie; throws why the first one does not.
    func choice(for layout: FrameLayout) throws(CamdError) -> Choice {
        var first: CamdError?
        for choice in try choices() {
            guard let error = EncoderInstance.refusal(choice.device.node, codec: choice.codec.format, layout) else {
                return choice
            }
            first = first ?? error
        }
        throw first ?? CamdError(.unavailable, subject: "encoder \(text)", reason: "there is none")
    }

    /// The pictures that the first one takes that takes any which a GPU can draw. NV12 alone: of I420, V4L2 has the chroma planes
    /// one behind the other, where no one framebuffer reaches both.
    func picture(width: Int, height: Int) throws(CamdError) -> EncoderList.Picture {
        var first: CamdError?
        for choice in try choices() {
            do throws(CamdError) {
                let layout = try EncoderInstance.need(
                    choice.device.node, codec: choice.codec.format, format: .nv12, width: width, height: height)
                var picture = EncoderList.Picture()
                let luma = layout.planes[0]
                picture.shape = VideoShape(
                    .nv12, stride: luma.stride, lumaRows: luma.stride > 0 ? layout.planes[1].offset / luma.stride : nil)
                picture.isJPEG = choice.codec.libav == AV_CODEC_ID_MJPEG
                return picture
            } catch {
                first = first ?? error
            }
        }
        throw first ?? CamdError(.unavailable, subject: "encoder \(text)", reason: "there is none")
    }
}
