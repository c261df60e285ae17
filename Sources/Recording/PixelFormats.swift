import CFFmpeg
import CaptureCore

/// Frames that an encoder can read as they lie in memory, and what libavcodec calls them.
enum PixelFormats {
    struct Entry {
        var format: PixelFormat
        /// libavcodec's names for these bytes, the plain one first. Some encoders take full range only by the second.
        var libav: [AVPixelFormat]
        /// For each plane the bytes of a group of pixels, and the pixels of the group across and down.
        var planes: [(groupBytes: Int, across: Int, down: Int)]
        /// The order in which libavcodec has the planes.
        var order = [0, 1, 2]
    }

    private static let whole420: [(groupBytes: Int, across: Int, down: Int)] = [(1, 1, 1), (1, 2, 2), (1, 2, 2)]
    private static let pairs420: [(groupBytes: Int, across: Int, down: Int)] = [(1, 1, 1), (2, 2, 2)]

    private static let table: [Entry] = [
        Entry(format: .nv12, libav: [AV_PIX_FMT_NV12], planes: pairs420),
        Entry(format: .nv12M, libav: [AV_PIX_FMT_NV12], planes: pairs420),
        Entry(format: .nv21, libav: [AV_PIX_FMT_NV21], planes: pairs420),
        Entry(format: .nv21M, libav: [AV_PIX_FMT_NV21], planes: pairs420),
        Entry(format: .yuv420, libav: [AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P], planes: whole420),
        Entry(format: .yuv420M, libav: [AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P], planes: whole420),
        Entry(
            format: .yvu420, libav: [AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P], planes: whole420, order: [0, 2, 1]),
        Entry(
            format: .yvu420M, libav: [AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P], planes: whole420, order: [0, 2, 1]),
        Entry(format: .yuyv, libav: [AV_PIX_FMT_YUYV422], planes: [(4, 2, 1)]),
    ]

    static func entry(_ format: PixelFormat) -> Entry? { table.first { $0.format == format } }

    /// All formats of the table, for messages.
    static var names: String { table.map(\.format.description).joined(separator: ", ") }

    static func name(_ format: AVPixelFormat) -> String {
        av_get_pix_fmt_name(format).map { String(cString: $0) } ?? "format \(format.rawValue)"
    }
}

/// Colour tags in libavutil's numbers, which are those of ITU-T H.273.
struct ColorTags {
    var primaries: AVColorPrimaries
    var transfer: AVColorTransferCharacteristic
    var matrix: AVColorSpace
    var range: AVColorRange

    init(_ color: Colorimetry) {
        primaries =
            switch color.primaries {
            case .bt709: AVCOL_PRI_BT709
            case .smpte170m: AVCOL_PRI_SMPTE170M
            case .bt470SystemM: AVCOL_PRI_BT470M
            case .bt470SystemBG: AVCOL_PRI_BT470BG
            case .bt2020: AVCOL_PRI_BT2020
            // H.273 has no number for it, or none for its white: see `Colorimetry.asVideo`.
            case .opRGB, .dciP3: AVCOL_PRI_UNSPECIFIED
            }
        transfer =
            switch color.transfer {
            case .bt709: AVCOL_TRC_BT709
            case .sRGB: AVCOL_TRC_IEC61966_2_1
            case .smpte240m: AVCOL_TRC_SMPTE240M
            case .opRGB, .dciP3: AVCOL_TRC_UNSPECIFIED
            case .linear: AVCOL_TRC_LINEAR
            case .smpte2084: AVCOL_TRC_SMPTE2084
            }
        matrix =
            switch color.matrix {
            case .bt601: AVCOL_SPC_SMPTE170M
            case .bt709: AVCOL_SPC_BT709
            case .bt2020: AVCOL_SPC_BT2020_NCL
            case .smpte240m: AVCOL_SPC_SMPTE240M
            // The table above has no RGB format, so this is a frame whose matrix is not known.
            case .rgb: AVCOL_SPC_UNSPECIFIED
            }
        range =
            switch color.range {
            case .limited: AVCOL_RANGE_MPEG
            case .full: AVCOL_RANGE_JPEG
            }
    }
}
