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
    /// The same of Y, Cb, Cr.
    case yuv(bytes: Int, y: Int, u: Int, v: Int)
    /// A word a pixel, with some of its bits for each component.
    case word(Word)
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

    /// A pixel in one word.
    public struct Word: Hashable, Sendable {
        /// The bits of a component.
        public struct Field: Hashable, Sendable {
            /// Bits of the word below it.
            public var shift: Int
            public var bits: Int
        }

        /// 1, 2 or 4.
        public var bytes: Int
        public var isBigEndian: Bool
        public var isRGB: Bool
        /// Of R, G, B, or of Y, Cb, Cr.
        public var fields: [Field]

        /// `bits`: the letter of each bit's component, the highest bit first; all else than r, g, b or y, u, v means
        /// nothing.
        init(_ bits: String, isBigEndian: Bool = false) {
            let letters = Array(bits)
            bytes = letters.count / 8
            self.isBigEndian = isBigEndian
            isRGB = letters.contains("r")
            fields = (isRGB ? "rgb" : "yuv").map { component in
                Field(
                    shift: letters.count - 1 - (letters.lastIndex(of: component) ?? 0),
                    bits: letters.count { $0 == component })
            }
        }
    }

    /// How one sample lies in memory.
    public enum Depth: Hashable, Sendable {
        case bytes
        /// 16-bit little-endian words with so many bits used, the low ones.
        case words(bits: Int)
        /// 16-bit big-endian words, all bits used.
        case bigEndianWords
        /// MIPI's packing: four samples in five bytes.
        case mipi10
        /// MIPI's packing: two samples in three bytes.
        case mipi12
        /// MIPI's packing: four samples in seven bytes.
        case mipi14

        /// Bits of a sample.
        public var bits: Int {
            switch self {
            case .bytes: 8
            case .words(let bits): bits
            case .bigEndianWords: 16
            case .mipi10: 10
            case .mipi12: 12
            case .mipi14: 14
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
        case .yuv444M: self = .planar(across: 1, down: 1, isSwapped: false)
        case .yvu444M: self = .planar(across: 1, down: 1, isSwapped: true)
        case .yuv24: self = .yuv(bytes: 3, y: 0, u: 1, v: 2)
        case .yuv32, .ayuv32, .xyuv32: self = .yuv(bytes: 4, y: 1, u: 2, v: 3)
        case .vuya32, .vuyx32: self = .yuv(bytes: 4, y: 2, u: 1, v: 0)
        case .yuva32, .yuvx32: self = .yuv(bytes: 4, y: 0, u: 1, v: 2)
        case .grey: self = .grey(.bytes)
        case .y10: self = .grey(.words(bits: 10))
        case .y12: self = .grey(.words(bits: 12))
        case .y14: self = .grey(.words(bits: 14))
        case .y16: self = .grey(.words(bits: 16))
        case .y16BE: self = .grey(.bigEndianWords)
        case .y10P: self = .grey(.mipi10)
        case .y12P: self = .grey(.mipi12)
        case .y14P: self = .grey(.mipi14)
        case .rgb24: self = .rgb(bytes: 3, r: 0, g: 1, b: 2)
        case .bgr24: self = .rgb(bytes: 3, r: 2, g: 1, b: 0)
        case .rgba32, .rgbx32: self = .rgb(bytes: 4, r: 0, g: 1, b: 2)
        case .abgr32, .xbgr32, .bgr32: self = .rgb(bytes: 4, r: 2, g: 1, b: 0)
        case .rgb32, .argb32, .xrgb32: self = .rgb(bytes: 4, r: 1, g: 2, b: 3)
        case .bgra32, .bgrx32: self = .rgb(bytes: 4, r: 3, g: 2, b: 1)
        default:
            if let word = Self.word(format) {
                self = .word(word)
            } else if let cells = Self.bayer(format) {
                self = .bayer(cells.order, cells.depth)
            } else {
                return nil
            }
        }
    }

    private static func word(_ format: PixelFormat) -> Word? {
        switch format {
        case .rgb332: Word("rrrgggbb")
        case .rgb444, .xrgb444, .argb444: Word("xxxxrrrrggggbbbb")
        case .rgbx444, .rgba444: Word("rrrrggggbbbbxxxx")
        case .xbgr444, .abgr444: Word("xxxxbbbbggggrrrr")
        case .bgrx444, .bgra444: Word("bbbbggggrrrrxxxx")
        case .rgb555, .xrgb555, .argb555: Word("xrrrrrgggggbbbbb")
        case .rgb555X, .xrgb555X, .argb555X: Word("xrrrrrgggggbbbbb", isBigEndian: true)
        case .rgbx555, .rgba555: Word("rrrrrgggggbbbbbx")
        case .xbgr555, .abgr555: Word("xbbbbbgggggrrrrr")
        case .bgrx555, .bgra555: Word("bbbbbgggggrrrrrx")
        case .rgb565: Word("rrrrrggggggbbbbb")
        case .rgb565X: Word("rrrrrggggggbbbbb", isBigEndian: true)
        case .bgr666: Word("bbbbbbggggggrrrrrrxxxxxxxxxxxxxx", isBigEndian: true)
        case .yuv444: Word("xxxxyyyyuuuuvvvv")
        case .yuv555: Word("xyyyyyuuuuuvvvvv")
        case .yuv565: Word("yyyyyuuuuuuvvvvv")
        default: nil
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
        case .srggb14P: (.rggb, .mipi14)
        case .sgrbg14P: (.grbg, .mipi14)
        case .sgbrg14P: (.gbrg, .mipi14)
        case .sbggr14P: (.bggr, .mipi14)
        default: nil
        }
    }

    /// Whether a pixel's components are R, G, B, or become so.
    public var isRGB: Bool {
        switch self {
        case .rgb, .bayer: true
        case .word(let word): word.isRGB
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
    var isGrey = false

    init?(_ format: PixelFormat) {
        guard let reading = PixelReading(format) else { return nil }
        isRGB = reading.isRGB
        if case .grey = reading { isGrey = true }
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
        case .rgb(let bytes, _, _, _), .yuv(let bytes, _, _, _): planes = [Plane(bytes: bytes, pixels: 1)]
        case .word(let word): planes = [Plane(bytes: word.bytes, pixels: 1)]
        }
    }

    private static let splitFormats: Set<PixelFormat> = [
        .nv12M, .nv21M, .nv16M, .nv61M, .yuv420M, .yvu420M, .yuv422M, .yvu422M, .yuv444M,
        .yvu444M,
    ]

    private static func samples(_ depth: PixelReading.Depth) -> Plane {
        switch depth {
        case .bytes: Plane(bytes: 1, pixels: 1)
        case .words, .bigEndianWords: Plane(bytes: 2, pixels: 1)
        case .mipi10: Plane(bytes: 5, pixels: 4)
        case .mipi12: Plane(bytes: 3, pixels: 2)
        case .mipi14: Plane(bytes: 7, pixels: 4)
        }
    }
}
