import CFFmpeg

/// The encoders that this machine's libavcodec has.
public enum EncoderList {
    /// Whether there is a video encoder of this name (avcodec_find_encoder_by_name(3)).
    public static func hasVideo(_ name: String) -> Bool {
        guard let codec = avcodec_find_encoder_by_name(name) else { return false }
        return codec.pointee.type == AVMEDIA_TYPE_VIDEO
    }
}
