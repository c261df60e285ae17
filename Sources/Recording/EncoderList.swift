import CFFmpeg
import CaptureCore
import LinuxSystem

/// The encoders that this machine's libavcodec has.
public enum EncoderList {
    /// Whether there is a video encoder of this name (avcodec_find_encoder_by_name(3)).
    public static func hasVideo(_ name: String) -> Bool {
        guard let codec = avcodec_find_encoder_by_name(name) else { return false }
        return codec.pointee.type == AVMEDIA_TYPE_VIDEO
    }

    /// Whether it reads frames of this format as they lie in memory. One that does not say what it takes is asked by opening
    /// it, later.
    public static func hasVideo(_ name: String, taking format: PixelFormat) -> Bool {
        (try? EncoderChoice(name, format: format)) != nil
    }
}
