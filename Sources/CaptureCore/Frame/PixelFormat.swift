/// A pixel format as V4L2 names it: four characters, the first in the lowest byte. DRM's fourccs are another name space
/// (`DRMFormat`), even where the letters look alike.
public struct PixelFormat: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// From its letters; shorter names are filled up with spaces ("Y10"), big-endian variants end in "-BE".
    public init?(_ name: String) {
        var letters = Array(name.utf8)
        var bigEndian = false
        if name.uppercased().hasSuffix("-BE") {
            bigEndian = true
            letters.removeLast(3)
        }
        guard (1...4).contains(letters.count), letters.allSatisfy({ (0x20...0x7e).contains($0) }) else { return nil }
        while letters.count < 4 { letters.append(0x20) }
        var value: UInt32 = 0
        for (index, letter) in letters.enumerated() { value |= UInt32(letter) << (8 * UInt32(index)) }
        rawValue = bigEndian ? value | 1 << 31 : value
    }

    private init(letters: StaticString, isBigEndian: Bool = false) {
        let bytes = letters.utf8Start
        let value = UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16 | UInt32(bytes[3]) << 24
        rawValue = isBigEndian ? value | 1 << 31 : value
    }

    /// The letters, without spaces at the end.
    public var description: String {
        var text = ""
        for index in 0..<4 {
            let byte = UInt8(truncatingIfNeeded: rawValue >> (8 * UInt32(index))) & 0x7f
            text.unicodeScalars.append((0x20...0x7e).contains(byte) ? Unicode.Scalar(byte) : "?")
        }
        while text.hasSuffix(" ") { text.removeLast() }
        return rawValue >> 31 == 1 ? text + "-BE" : text
    }

    public static let yuyv = PixelFormat(letters: "YUYV")
    public static let uyvy = PixelFormat(letters: "UYVY")
    public static let yvyu = PixelFormat(letters: "YVYU")
    public static let vyuy = PixelFormat(letters: "VYUY")
    public static let nv12 = PixelFormat(letters: "NV12")
    public static let nv21 = PixelFormat(letters: "NV21")
    public static let nv16 = PixelFormat(letters: "NV16")
    public static let nv61 = PixelFormat(letters: "NV61")
    public static let nv24 = PixelFormat(letters: "NV24")
    public static let nv42 = PixelFormat(letters: "NV42")
    public static let nv12M = PixelFormat(letters: "NM12")
    public static let nv21M = PixelFormat(letters: "NM21")
    public static let nv16M = PixelFormat(letters: "NM16")
    public static let nv61M = PixelFormat(letters: "NM61")
    public static let yuv420 = PixelFormat(letters: "YU12")
    public static let yvu420 = PixelFormat(letters: "YV12")
    public static let yuv422P = PixelFormat(letters: "422P")
    public static let yuv420M = PixelFormat(letters: "YM12")
    public static let yvu420M = PixelFormat(letters: "YM21")
    public static let yuv422M = PixelFormat(letters: "YM16")
    public static let yvu422M = PixelFormat(letters: "YM61")
    public static let yuv444M = PixelFormat(letters: "YM24")
    public static let yvu444M = PixelFormat(letters: "YM42")
    public static let yuv24 = PixelFormat(letters: "YUV3")
    public static let yuv32 = PixelFormat(letters: "YUV4")
    public static let ayuv32 = PixelFormat(letters: "AYUV")
    public static let xyuv32 = PixelFormat(letters: "XYUV")
    public static let vuya32 = PixelFormat(letters: "VUYA")
    public static let vuyx32 = PixelFormat(letters: "VUYX")
    public static let yuva32 = PixelFormat(letters: "YUVA")
    public static let yuvx32 = PixelFormat(letters: "YUVX")
    public static let yuv444 = PixelFormat(letters: "Y444")
    public static let yuv555 = PixelFormat(letters: "YUVO")
    public static let yuv565 = PixelFormat(letters: "YUVP")
    public static let grey = PixelFormat(letters: "GREY")
    public static let y10 = PixelFormat(letters: "Y10 ")
    public static let y12 = PixelFormat(letters: "Y12 ")
    public static let y14 = PixelFormat(letters: "Y14 ")
    public static let y16 = PixelFormat(letters: "Y16 ")
    public static let y16BE = PixelFormat(letters: "Y16 ", isBigEndian: true)
    public static let y10P = PixelFormat(letters: "Y10P")
    public static let y12P = PixelFormat(letters: "Y12P")
    public static let y14P = PixelFormat(letters: "Y14P")
    public static let rgb24 = PixelFormat(letters: "RGB3")
    public static let bgr24 = PixelFormat(letters: "BGR3")
    public static let rgba32 = PixelFormat(letters: "AB24")
    public static let rgbx32 = PixelFormat(letters: "XB24")
    public static let abgr32 = PixelFormat(letters: "AR24")
    public static let xbgr32 = PixelFormat(letters: "XR24")
    public static let argb32 = PixelFormat(letters: "BA24")
    public static let xrgb32 = PixelFormat(letters: "BX24")
    public static let bgra32 = PixelFormat(letters: "RA24")
    public static let bgrx32 = PixelFormat(letters: "RX24")
    public static let rgb32 = PixelFormat(letters: "RGB4")
    public static let bgr32 = PixelFormat(letters: "BGR4")
    public static let rgb565 = PixelFormat(letters: "RGBP")
    public static let rgb565X = PixelFormat(letters: "RGBR")
    public static let rgb332 = PixelFormat(letters: "RGB1")
    public static let bgr666 = PixelFormat(letters: "BGRH")
    public static let rgb444 = PixelFormat(letters: "R444")
    public static let xrgb444 = PixelFormat(letters: "XR12")
    public static let argb444 = PixelFormat(letters: "AR12")
    public static let rgbx444 = PixelFormat(letters: "RX12")
    public static let rgba444 = PixelFormat(letters: "RA12")
    public static let xbgr444 = PixelFormat(letters: "XB12")
    public static let abgr444 = PixelFormat(letters: "AB12")
    public static let bgrx444 = PixelFormat(letters: "BX12")
    public static let bgra444 = PixelFormat(letters: "GA12")
    public static let rgb555 = PixelFormat(letters: "RGBO")
    public static let xrgb555 = PixelFormat(letters: "XR15")
    public static let argb555 = PixelFormat(letters: "AR15")
    public static let rgbx555 = PixelFormat(letters: "RX15")
    public static let rgba555 = PixelFormat(letters: "RA15")
    public static let xbgr555 = PixelFormat(letters: "XB15")
    public static let abgr555 = PixelFormat(letters: "AB15")
    public static let bgrx555 = PixelFormat(letters: "BX15")
    public static let bgra555 = PixelFormat(letters: "BA15")
    public static let rgb555X = PixelFormat(letters: "RGBQ")
    public static let xrgb555X = PixelFormat(letters: "XR15", isBigEndian: true)
    public static let argb555X = PixelFormat(letters: "AR15", isBigEndian: true)
    public static let srggb8 = PixelFormat(letters: "RGGB")
    public static let sgrbg8 = PixelFormat(letters: "GRBG")
    public static let sgbrg8 = PixelFormat(letters: "GBRG")
    public static let sbggr8 = PixelFormat(letters: "BA81")
    public static let srggb10 = PixelFormat(letters: "RG10")
    public static let sgrbg10 = PixelFormat(letters: "BA10")
    public static let sgbrg10 = PixelFormat(letters: "GB10")
    public static let sbggr10 = PixelFormat(letters: "BG10")
    public static let srggb12 = PixelFormat(letters: "RG12")
    public static let sgrbg12 = PixelFormat(letters: "BA12")
    public static let sgbrg12 = PixelFormat(letters: "GB12")
    public static let sbggr12 = PixelFormat(letters: "BG12")
    public static let srggb14 = PixelFormat(letters: "RG14")
    public static let sgrbg14 = PixelFormat(letters: "GR14")
    public static let sgbrg14 = PixelFormat(letters: "GB14")
    public static let sbggr14 = PixelFormat(letters: "BG14")
    public static let srggb16 = PixelFormat(letters: "RG16")
    public static let sgrbg16 = PixelFormat(letters: "GR16")
    public static let sgbrg16 = PixelFormat(letters: "GB16")
    public static let sbggr16 = PixelFormat(letters: "BYR2")
    public static let srggb10P = PixelFormat(letters: "pRAA")
    public static let sgrbg10P = PixelFormat(letters: "pgAA")
    public static let sgbrg10P = PixelFormat(letters: "pGAA")
    public static let sbggr10P = PixelFormat(letters: "pBAA")
    public static let srggb12P = PixelFormat(letters: "pRCC")
    public static let sgrbg12P = PixelFormat(letters: "pgCC")
    public static let sgbrg12P = PixelFormat(letters: "pGCC")
    public static let sbggr12P = PixelFormat(letters: "pBCC")
    public static let srggb14P = PixelFormat(letters: "pREE")
    public static let sgrbg14P = PixelFormat(letters: "pgEE")
    public static let sgbrg14P = PixelFormat(letters: "pGEE")
    public static let sbggr14P = PixelFormat(letters: "pBEE")
    public static let mjpeg = PixelFormat(letters: "MJPG")
    public static let jpeg = PixelFormat(letters: "JPEG")

    /// Each frame is a JPEG. Cameras and drivers do not tell the two names apart.
    public var isJPEG: Bool { self == .mjpeg || self == .jpeg }
}

/// A pixel format as DRM and EGL name it (drm_fourcc.h).
public struct DRMFormat: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Bytes R, G, B, A in memory: 'AB24'.
    public static let abgr8888 = DRMFormat(rawValue: 0x3432_4241)
    /// One byte: 'R8  '.
    public static let r8 = DRMFormat(rawValue: 0x2020_3852)
    /// Two bytes, R first: 'GR88'.
    public static let gr88 = DRMFormat(rawValue: 0x3838_5247)
}
