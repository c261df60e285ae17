/// How the bytes of a pixel format become three components of each pixel: all that shaders and layouts need to know of it.
/// The components are Y, Cb, Cr, or R, G, B.
public enum PixelReading: Hashable, Sendable {
    /// Two pixels in four bytes: which of the bytes is what.
    case packed422(y0: Int, y1: Int, u: Int, v: Int)
    /// A plane of Y, one of chroma pairs; so many pixels share a pair, across and down.
    case semiPlanar(across: Int, down: Int, isSwapped: Bool)
    /// Three planes; so many pixels share a chroma sample.
    case planar(across: Int, down: Int, isSwapped: Bool)
    case grey(Depth)
    /// So many bytes a pixel, and which of them is what.
    case rgb(bytes: Int, r: Int, g: Int, b: Int)
    /// 16 bits, little-endian: five of R, six of G, five of B.
    case rgb565
    /// A sensor's cells: where the red one of each four is.
    case bayer(BayerOrder, Depth)

    /// Where the red cell of each two by two is.
    public struct BayerOrder: Hashable, Sendable {
        public var redColumn: Int
        public var redRow: Int

        public static let rggb = BayerOrder(redColumn: 0, redRow: 0)
        public static let grbg = BayerOrder(redColumn: 1, redRow: 0)
        public static let gbrg = BayerOrder(redColumn: 0, redRow: 1)
        public static let bggr = BayerOrder(redColumn: 1, redRow: 1)
    }

    /// How one sample lies in memory.
    public enum Depth: Hashable, Sendable {
        case bytes
        /// 16-bit little-endian words with so many bits used, the low ones.
        case words(bits: Int)
        /// MIPI's packing: four samples in five bytes.
        case mipi10
        /// MIPI's packing: two samples in three bytes.
        case mipi12

        /// Bits of a sample.
        public var bits: Int {
            switch self {
            case .bytes: 8
            case .words(let bits): bits
            case .mipi10: 10
            case .mipi12: 12
            }
        }
    }

    public init?(_ format: PixelFormat) {
        switch format {
        case .yuyv: self = .packed422(y0: 0, y1: 2, u: 1, v: 3)
        case .uyvy: self = .packed422(y0: 1, y1: 3, u: 0, v: 2)
        case .yvyu: self = .packed422(y0: 0, y1: 2, u: 3, v: 1)
        case .vyuy: self = .packed422(y0: 1, y1: 3, u: 2, v: 0)
        case .nv12, .nv12M: self = .semiPlanar(across: 2, down: 2, isSwapped: false)
        case .nv21, .nv21M: self = .semiPlanar(across: 2, down: 2, isSwapped: true)
        case .nv16, .nv16M: self = .semiPlanar(across: 2, down: 1, isSwapped: false)
        case .nv61, .nv61M: self = .semiPlanar(across: 2, down: 1, isSwapped: true)
        case .nv24: self = .semiPlanar(across: 1, down: 1, isSwapped: false)
        case .nv42: self = .semiPlanar(across: 1, down: 1, isSwapped: true)
        case .yuv420, .yuv420M: self = .planar(across: 2, down: 2, isSwapped: false)
        case .yvu420, .yvu420M: self = .planar(across: 2, down: 2, isSwapped: true)
        case .yuv422P, .yuv422M: self = .planar(across: 2, down: 1, isSwapped: false)
        case .yvu422M: self = .planar(across: 2, down: 1, isSwapped: true)
        case .grey: self = .grey(.bytes)
        case .y10: self = .grey(.words(bits: 10))
        case .y12: self = .grey(.words(bits: 12))
        case .y14: self = .grey(.words(bits: 14))
        case .y16: self = .grey(.words(bits: 16))
        case .rgb24: self = .rgb(bytes: 3, r: 0, g: 1, b: 2)
        case .bgr24: self = .rgb(bytes: 3, r: 2, g: 1, b: 0)
        case .rgba32, .rgbx32: self = .rgb(bytes: 4, r: 0, g: 1, b: 2)
        case .abgr32, .xbgr32, .bgr32: self = .rgb(bytes: 4, r: 2, g: 1, b: 0)
        case .rgb32: self = .rgb(bytes: 4, r: 1, g: 2, b: 3)
        case .rgb565: self = .rgb565
        default:
            guard let cells = Self.bayer(format) else { return nil }
            self = .bayer(cells.order, cells.depth)
        }
    }

    private static func bayer(_ format: PixelFormat) -> (order: BayerOrder, depth: Depth)? {
        switch format {
        case .srggb8: (.rggb, .bytes)
        case .sgrbg8: (.grbg, .bytes)
        case .sgbrg8: (.gbrg, .bytes)
        case .sbggr8: (.bggr, .bytes)
        case .srggb10: (.rggb, .words(bits: 10))
        case .sgrbg10: (.grbg, .words(bits: 10))
        case .sgbrg10: (.gbrg, .words(bits: 10))
        case .sbggr10: (.bggr, .words(bits: 10))
        case .srggb12: (.rggb, .words(bits: 12))
        case .sgrbg12: (.grbg, .words(bits: 12))
        case .sgbrg12: (.gbrg, .words(bits: 12))
        case .sbggr12: (.bggr, .words(bits: 12))
        case .srggb14: (.rggb, .words(bits: 14))
        case .sgrbg14: (.grbg, .words(bits: 14))
        case .sgbrg14: (.gbrg, .words(bits: 14))
        case .sbggr14: (.bggr, .words(bits: 14))
        case .srggb16: (.rggb, .words(bits: 16))
        case .sgrbg16: (.grbg, .words(bits: 16))
        case .sgbrg16: (.gbrg, .words(bits: 16))
        case .sbggr16: (.bggr, .words(bits: 16))
        case .srggb10P: (.rggb, .mipi10)
        case .sgrbg10P: (.grbg, .mipi10)
        case .sgbrg10P: (.gbrg, .mipi10)
        case .sbggr10P: (.bggr, .mipi10)
        case .srggb12P: (.rggb, .mipi12)
        case .sgrbg12P: (.grbg, .mipi12)
        case .sgbrg12P: (.gbrg, .mipi12)
        case .sbggr12P: (.bggr, .mipi12)
        default: nil
        }
    }

    /// Whether a pixel's components are R, G, B, or become so.
    public var isRGB: Bool {
        switch self {
        case .rgb, .rgb565, .bayer: true
        default: false
        }
    }

    public var isBayer: Bool { if case .bayer = self { true } else { false } }
}

/// How the planes of a pixel format lie in memory, for the formats that camd reads.
struct FormatShape {
    struct Plane {
        /// A row of `width` pixels is `bytes` for each `pixels` or part of them.
        var bytes: Int
        var pixels: Int
        /// One row of this plane stands for so many rows of the picture.
        var rowsShared = 1
        /// The plane's stride is the first plane's stride times this, in a format whose planes share one buffer.
        var strideNumerator = 1
        var strideDenominator = 1
    }

    var planes: [Plane]
    /// Each plane has a buffer of its own (the M formats).
    var isSplit = false
    var isRGB: Bool

    init?(_ format: PixelFormat) {
        guard let reading = PixelReading(format) else { return nil }
        isRGB = reading.isRGB
        isSplit = Self.splitFormats.contains(format)
        switch reading {
        case .packed422: planes = [Plane(bytes: 4, pixels: 2)]
        case .semiPlanar(let across, let down, _):
            planes = [
                Plane(bytes: 1, pixels: 1),
                Plane(bytes: 2, pixels: across, rowsShared: down, strideNumerator: 2, strideDenominator: across),
            ]
        case .planar(let across, let down, _):
            let chroma = Plane(bytes: 1, pixels: across, rowsShared: down, strideDenominator: across)
            planes = [Plane(bytes: 1, pixels: 1), chroma, chroma]
        case .grey(let depth), .bayer(_, let depth): planes = [Self.samples(depth)]
        case .rgb(let bytes, _, _, _): planes = [Plane(bytes: bytes, pixels: 1)]
        case .rgb565: planes = [Plane(bytes: 2, pixels: 1)]
        }
    }

    private static let splitFormats: Set<PixelFormat> = [
        .nv12M, .nv21M, .nv16M, .nv61M, .yuv420M, .yvu420M, .yuv422M, .yvu422M,
    ]

    private static func samples(_ depth: PixelReading.Depth) -> Plane {
        switch depth {
        case .bytes: Plane(bytes: 1, pixels: 1)
        case .words: Plane(bytes: 2, pixels: 1)
        case .mipi10: Plane(bytes: 5, pixels: 4)
        case .mipi12: Plane(bytes: 3, pixels: 2)
        }
    }
}
