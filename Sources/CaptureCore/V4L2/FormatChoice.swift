import CV4L2
import LinuxSystem

/// What is wanted of a camera's format; nil leaves it to camd.
public struct FormatWish: Sendable {
    public var format: PixelFormat?
    public var size: FrameSize?
    public var framesPerSecond: Double?
    /// A format that the CPU would have to convert is taken only where there is no other.
    public var avoidsConversion: Bool

    public init(
        format: PixelFormat? = nil, size: FrameSize? = nil, framesPerSecond: Double? = nil,
        avoidsConversion: Bool = false
    ) {
        self.format = format
        self.size = size
        self.framesPerSecond = framesPerSecond
        self.avoidsConversion = avoidsConversion
    }
}

/// The format, size and rate that a camera was set to.
public struct CaptureFormat: Sendable {
    public var layout: FrameLayout
    /// What the driver says; nil where it does not.
    public var framesPerSecond: Double?
    /// The driver's own words.
    var pix: v4l2_pix_format
    /// Why not a format that needs no conversion, where the camera has one.
    var passedOver: String?
}

extension VideoNode {
    /// The formats that a shader reads: what camd takes of a camera that offers several and nobody asked for one, least
    /// work first. After them come JPEG and what libv4lconvert converts (`FormatAccess`).
    public static let preferredFormats: [PixelFormat] = [
        .nv12, .nv12M, .nv21, .nv21M, .yuv420, .yuv420M, .yvu420, .yvu420M, .yuyv, .uyvy, .yvyu, .vyuy, .nv16, .nv16M,
        .nv61, .nv61M, .yuv422P, .yuv422M, .yvu422M, .nv24, .nv42, .yuv444M, .yvu444M, .yuvx32, .yuva32, .vuyx32,
        .vuya32, .xyuv32, .ayuv32, .yuv32, .yuv24, .srggb8, .sgrbg8, .sgbrg8, .sbggr8, .srggb10,
        .sgrbg10,
        .sgbrg10, .sbggr10, .srggb10P, .sgrbg10P, .sgbrg10P, .sbggr10P, .srggb12, .sgrbg12, .sgbrg12, .sbggr12,
        .srggb12P, .sgrbg12P, .sgbrg12P, .sbggr12P, .srggb14, .sgrbg14, .sgbrg14, .sbggr14, .srggb14P,
        .sgrbg14P, .sgbrg14P, .sbggr14P, .srggb16, .sgrbg16,
        .sgbrg16, .sbggr16, .rgbx32, .rgba32, .xbgr32, .abgr32, .bgr32, .xrgb32, .argb32, .rgb32, .bgrx32, .bgra32,
        .rgb24, .bgr24, .bgr666, .rgb565, .rgb565X, .yuv565, .xrgb555, .argb555, .rgb555, .rgbx555, .rgba555, .xbgr555,
        .abgr555, .bgrx555, .bgra555, .xrgb555X, .argb555X, .rgb555X, .yuv555, .xrgb444, .argb444, .rgb444, .rgbx444,
        .rgba444, .xbgr444, .abgr444, .bgrx444, .bgra444, .yuv444, .grey, .y10, .y10P, .y12, .y12P, .y14, .y14P, .y16,
        .y16BE, .rgb332,
    ]

    /// Sets the camera to what is wanted, or says what it has instead. Nothing is substituted silently.
    public func configure(_ wish: FormatWish) throws(CamdError) -> CaptureFormat {
        let offered = formats()
        let (format, passedOver) = try chooseFormat(wish, offered)
        let size = try chooseSize(wish, format)
        let answer = try setFormat(format, size)
        let layout = try layout(of: answer)
        guard layout.format == format, layout.width == size.width, layout.height == size.height else {
            throw CamdError(
                .usage, subject: subject, call: "VIDIOC_S_FMT",
                reason:
                    "it does not have \(size) in \(format); the nearest it has is \(layout.sizeText) in \(layout.format)",
                remedy: "Ask for that, or see `camd list`.")
        }
        let rate = setFrameRate(wish.framesPerSecond ?? Self.usualRate)
        if let wanted = wish.framesPerSecond, let rate, abs(rate - wanted) > wanted * 0.02 {
            throw CamdError(
                .usage, subject: subject, call: "VIDIOC_S_PARM",
                reason: "it does not have \(wanted) frames/s at \(size); the nearest it has is \(rate)",
                remedy: "Ask for --fps \(rate), or leave --fps out.")
        }
        return CaptureFormat(
            layout: layout, framesPerSecond: rate, pix: singlePlanar(answer), passedOver: passedOver)
    }

    private typealias Choice = (format: PixelFormat, passedOver: String?)

    private func chooseFormat(_ wish: FormatWish, _ offered: [PixelFormat]) throws(CamdError) -> Choice {
        let names = offered.map(\.description).joined(separator: " ")
        let readable = Self.readable(offered)
        if let wanted = wish.format {
            guard offered.contains(wanted) else {
                throw CamdError(
                    .usage, subject: subject, reason: "it has no pixel format \(wanted); it has: \(names)",
                    remedy: "Choose one of these with --pixel-format, or leave it out.")
            }
            guard readable.contains(wanted) else {
                throw CamdError(
                    .unavailable, subject: subject,
                    reason: "camd cannot read the pixel format \(wanted), and libv4lconvert does not convert it",
                    remedy: "Choose one of: \(readable.map(\.description).joined(separator: " ")).")
            }
            return (wanted, nil)
        }
        guard let first = readable.first else {
            throw CamdError(
                .unavailable, subject: subject, reason: "camd reads none of its pixel formats (\(names))",
                remedy: "camd reads: \(Self.preferredFormats.map(\.description).joined(separator: " ")) MJPG JPEG.")
        }
        let direct = readable.filter { FormatAccess($0) == .gpu }
        let chosen = choose(wish, of: wish.avoidsConversion && !direct.isEmpty ? direct : readable)
        guard let chosen else { return (first, nil) }
        guard FormatAccess(chosen) != .gpu, let best = choose(wish, of: direct) else { return (chosen, nil) }
        return (chosen, "its \(best) has \(offer(wish, best))")
    }

    /// Those of a camera's formats that camd can do something with, in the order in which it likes to.
    private static func readable(_ offered: [PixelFormat]) -> [PixelFormat] {
        preferredFormats.filter(offered.contains)
            + offered.filter { FormatAccess($0) == .jpeg } + offered.filter { FormatAccess($0) == .v4lconvert }
    }

    /// The first that has the wanted size (or the usual one) at the wanted rate; else the first that has another size at
    /// that rate, where none was wished; else the one that comes nearest to the rate. Nil where none has the size.
    private func choose(_ wish: FormatWish, of formats: [PixelFormat]) -> PixelFormat? {
        let rate = (wish.framesPerSecond ?? Self.usualRate) * 0.98
        var other: PixelFormat?
        var fastest: (format: PixelFormat, rate: Double)?
        for format in formats {
            if let size = wish.size, sizes(of: format).contains(size) == false { continue }
            guard let size = try? chooseSize(wish, format) else { continue }
            let offered = fastestRate(of: format, size) ?? .infinity
            if offered >= rate {
                if wish.size != nil || size == Self.usualSize { return format }
                other = other ?? format
            }
            if offered > fastest?.rate ?? -1 { fastest = (format, offered) }
        }
        return other ?? fastest?.format
    }

    /// What a camera offers of a format, for people.
    private func offer(_ wish: FormatWish, _ format: PixelFormat) -> String {
        guard let size = try? chooseSize(wish, format) else { return "another size" }
        return fastestRate(of: format, size).map { "\(size) at \(Int($0.rounded())) frames/s" } ?? "\(size)"
    }

    private static let usualSize = FrameSize(1280, 720)
    private static let usualRate = 30.0

    private func chooseSize(_ wish: FormatWish, _ format: PixelFormat) throws(CamdError) -> FrameSize {
        let sizes = sizes(of: format)
        guard let wanted = wish.size else {
            let common = Self.usualSize
            switch sizes {
            case .discrete(let list):
                if list.contains(common) { return common }
                return list.last { $0.area <= 1920 * 1080 } ?? list[0]
            case .range: return sizes.nearest(to: common) ?? common
            case .unknown:
                let now = try layout(of: self.format())
                return FrameSize(now.width, now.height)
            }
        }
        if sizes.contains(wanted) == false, let nearest = sizes.nearest(to: wanted) {
            throw CamdError(
                .usage, subject: subject,
                reason: "it does not have \(wanted) in \(format); the nearest it has is \(nearest)",
                remedy: "Ask for --size \(nearest), or see `camd list`.")
        }
        return wanted
    }
}
