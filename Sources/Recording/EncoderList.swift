import CFFmpeg
import CaptureCore
import LinuxSystem

/// The encoders that this machine has: libavcodec's, by name.
public enum EncoderList {
    /// Whether there is a video encoder of this name (avcodec_find_encoder_by_name(3)).
    public static func hasVideo(_ name: String) -> Bool {
        guard let codec = avcodec_find_encoder_by_name(name) else { return false }
        return codec.pointee.type == AVMEDIA_TYPE_VIDEO
    }

    /// Whether it reads such frames as they lie in memory, with the colours that they have. One that does not say what it takes
    /// is asked by opening it, later.
    public static func hasVideo(_ name: String, taking layout: FrameLayout) -> Bool {
        guard let choice = try? EncoderChoice(name, format: layout.format) else { return false }
        return choice.takes(layout.color)
    }

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
    /// can be made.
    public static func picture(for name: String) throws(CamdError) -> Picture {
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
