/// How camd comes to see the frames of a pixel format, in the order in which it likes to.
public enum FormatAccess: String, Sendable, Hashable {
    /// A shader reads them as they are.
    case gpu
    /// The CPU decodes each (libturbojpeg).
    case jpeg
    /// The CPU converts each (libv4lconvert).
    case v4lconvert

    /// Nil where camd can do nothing with the format.
    public init?(_ format: PixelFormat) {
        if VideoNode.preferredFormats.contains(format) {
            self = .gpu
        } else if format.isJPEG {
            self = .jpeg
        } else if V4LConverter.reads(format) {
            self = .v4lconvert
        } else {
            return nil
        }
    }
}
