import CFFmpeg
import CaptureCore
import LinuxSystem

/// One of libavcodec's video encoders, found by its name, and the pixel format that it is given frames in.
struct EncoderChoice {
    let codec: UnsafePointer<AVCodec>
    let pixelFormat: AVPixelFormat
    let planes: [(groupBytes: Int, across: Int, down: Int)]
    let order: [Int]

    /// avcodec_find_encoder_by_name(3). Throws `.unavailable` where there is no such encoder, or where it takes no
    /// frames of this format; the error names those that do.
    init(_ name: String, format: PixelFormat) throws(CamdError) {
        guard let entry = PixelFormats.entry(format) else {
            throw CamdError(
                .unavailable, subject: "encoder \(name)",
                reason: "no encoder reads \(format) frames", remedy: "Give it one of: \(PixelFormats.names).")
        }
        guard let codec = avcodec_find_encoder_by_name(name), codec.pointee.type == AVMEDIA_TYPE_VIDEO else {
            throw CamdError(
                .unavailable, subject: "encoder \(name)", call: "avcodec_find_encoder_by_name",
                reason: "libavcodec here has no video encoder of this name",
                remedy: Self.remedy(format, entry.libav))
        }
        // An encoder that does not say what it takes (rawvideo, V4L2's) is asked by opening it.
        let taken = Self.formats(codec)
        guard let pixelFormat = taken.map({ taken in entry.libav.first { taken.contains($0) } }) ?? entry.libav[0]
        else {
            let names = (taken ?? []).map { PixelFormats.name($0) }.joined(separator: ", ")
            throw CamdError(
                .unavailable, subject: "encoder \(name)", reason: "it takes no \(format) frames, only \(names)",
                remedy: Self.remedy(format, entry.libav))
        }
        self.codec = codec
        self.pixelFormat = pixelFormat
        planes = entry.planes
        order = entry.order
    }

    /// Whether it makes JPEGs, which have full range and BT.601's matrix, and no tags that could say otherwise (JFIF).
    var makesJPEG: Bool { [AV_CODEC_ID_MJPEG, AV_CODEC_ID_LJPEG].contains(codec.pointee.id) }

    /// Whether frames of these colours can be given to it.
    func takes(_ color: Colorimetry) -> Bool {
        !makesJPEG || Self.isOfJPEG(color)
    }

    static func isOfJPEG(_ color: Colorimetry) -> Bool { color.range == .full && color.matrix == .bt601 }

    /// The names of the video encoders of this libavcodec that take such frames: software first, then those that
    /// need a device, which may not be there.
    static func names(taking formats: [AVPixelFormat]) -> [String] {
        var software: [String] = []
        var hardware: [String] = []
        var iterator: UnsafeMutableRawPointer?
        while let codec = av_codec_iterate(&iterator) {
            guard av_codec_is_encoder(codec) != 0, codec.pointee.type == AVMEDIA_TYPE_VIDEO,
                codec.pointee.capabilities & AV_CODEC_CAP_EXPERIMENTAL == 0,
                let taken = Self.formats(codec), formats.contains(where: { taken.contains($0) })
            else { continue }
            let needsDevice = codec.pointee.capabilities & (AV_CODEC_CAP_HARDWARE | AV_CODEC_CAP_HYBRID) != 0
            let name = String(cString: codec.pointee.name)
            if needsDevice { hardware.append(name) } else { software.append(name) }
        }
        return software + hardware
    }

    private static func formats(_ codec: UnsafePointer<AVCodec>) -> [AVPixelFormat]? {
        guard var next = cffmpeg_pixel_formats(codec) else { return nil }
        var formats: [AVPixelFormat] = []
        while next.pointee != AV_PIX_FMT_NONE {
            formats.append(next.pointee)
            next += 1
        }
        return formats
    }

    private static func remedy(_ format: PixelFormat, _ libav: [AVPixelFormat]) -> String {
        let names = Self.names(taking: libav)
        guard !names.isEmpty else { return "Install an FFmpeg that is built with libx264." }
        return "Those that take \(format) are: \(names.joined(separator: ", "))."
    }
}
