import CFFmpeg
import CaptureCore
import LinuxSystem

/// The encoders that this machine has, by name: libavcodec's, and V4L2's mem-to-mem devices.
public enum EncoderList {
    /// Whether there is a video encoder of this name (avcodec_find_encoder_by_name(3)).
    public static func hasVideo(_ name: String) -> Bool {
        if isDevice(name) { return (try? V4L2Wish(name)?.choices()) != nil }
        guard let codec = avcodec_find_encoder_by_name(name) else { return false }
        return codec.pointee.type == AVMEDIA_TYPE_VIDEO
    }

    /// Whether it reads such frames as they lie in memory, with the colours that they have. One that does not say what it takes
    /// is asked by opening it, later.
    public static func hasVideo(_ name: String, taking layout: FrameLayout) -> Bool {
        if isDevice(name) {
            guard let choice = try? V4L2Wish(name)?.choice(for: layout) else { return false }
            return choice.codec.libav != AV_CODEC_ID_MJPEG || EncoderChoice.isOfJPEG(layout.color)
        }
        guard let choice = try? EncoderChoice(name, format: layout.format) else { return false }
        return choice.takes(layout.color)
    }

    /// Whether it is a device that reads frames itself, and not the CPU.
    public static func isDevice(_ name: String) -> Bool { V4L2Wish.isOne(name) }

    /// What pictures are to be made for an encoder.
    public struct Picture: Sendable, Hashable {
        public var shape = VideoShape()
        /// Y'CbCr as JPEG has it: BT.601's matrix, full range.
        public var isJPEG = false

        public init() {}

        /// A video's colours, as this encoder takes them.
        public func color(_ color: Colorimetry) -> Colorimetry {
            guard isJPEG else { return color }
            var color = color
            (color.matrix, color.range) = (.bt601, .full)
            return color
        }
    }

    /// The pictures that an encoder takes, NV12 if it can. Throws `.unavailable` for one that is not there, or takes none that
    /// can be made. `width`, `height`: of the video, in pixels.
    public static func picture(for name: String, width: Int, height: Int) throws(CamdError) -> Picture {
        if let wish = try V4L2Wish(name) { return try wish.picture(width: width, height: height) }
        var picture = Picture()
        let choice: EncoderChoice
        if let semiPlanar = try? EncoderChoice(name, format: .nv12) {
            choice = semiPlanar
        } else {
            choice = try EncoderChoice(name, format: .yuv420)
            picture.shape.kind = .i420
        }
        picture.isJPEG = choice.makesJPEG
        return picture
    }
}
