import CaptureCore
import LinuxSystem
import Stills

/// Makes a picture of a stored raw frame, by the passes that frames of cameras go through.
enum Development {
    struct Request {
        /// A .dng, or a .raw: bare bytes in V4L2's layout.
        var input: String
        /// A .jpg or a .ppm.
        var output: String
        /// Of a .raw.
        var size: FrameSize?
        /// Of a .raw.
        var pixelFormat: PixelFormat?
        /// The debayer alone: no white balance, matrix or curve.
        var isNeutral = false
        var quality = Look.Quality.still
        /// The DRM node of the GPU to be taken; nil: camd chooses.
        var gpu: String?
        /// 1 to 100, of a .jpg.
        var jpegQuality: Int?
    }

    /// A frame to be developed, and how.
    struct Negative {
        var layout: FrameLayout
        /// Of each of the layout's buffers.
        var bytes: [[UInt8]]
        var look: Look
    }

    typealias Develop = (Negative, PictureKind) throws(CamdError) -> DevelopedPicture

    /// Develops a file on this machine's GPU.
    /// - Throws: `.usage` for what cannot be asked for, `.noInput` and `.badData` for the input, `.cannotCreate` and
    ///   `.inputOutput` for the output, and what the GPU says.
    static func run(_ request: Request) throws(CamdError) -> DevelopResult {
        try run(request) { (negative, kind) throws(CamdError) in
            try Developer(node: request.gpu).develop(negative.layout, negative.bytes, look: negative.look, kind: kind)
        }
    }

    static func run(_ request: Request, _ develop: Develop) throws(CamdError) -> DevelopResult {
        let start = Clock.monotonicNanoseconds()
        let ending = try outputEnding(request)
        let negative = try negative(request)
        let picture = try develop(negative, ending == .ppm ? .rgba : .i420(.jfif))
        var copied = picture.bytesCopied
        let bytes: Int
        switch ending {
        case .ppm: bytes = try PPMFile.write(picture.lease, to: request.output)
        case .jpeg:
            var encoder = try JPEGEncoder()
            let image = try encoder.encode(
                lease: picture.lease, quality: request.jpegQuality ?? Limits.defaultQuality)
            try image.withBytes { (span) throws(CamdError) in try WholeFile.write(request.output, span) }
            copied += image.bytesCopied
            bytes = image.count
        }
        return DevelopResult(
            file: request.output, width: picture.layout.width, height: picture.layout.height, bytes: bytes,
            format: negative.layout.format.description, bytesCopied: copied,
            milliseconds: Double(Clock.monotonicNanoseconds() - start) / 1e6)
    }

    private enum Ending { case jpeg, ppm }

    private static func outputEnding(_ request: Request) throws(CamdError) -> Ending {
        let name = request.output.lowercased()
        if name.hasSuffix(".jpg") || name.hasSuffix(".jpeg") { return .jpeg }
        guard name.hasSuffix(".ppm") else {
            throw CamdError(
                .usage, subject: request.output,
                reason: "a picture's format goes by its file name, and this ending is not known",
                remedy: "There are JPEG (.jpg or .jpeg) and PPM (.ppm).")
        }
        guard request.jpegQuality == nil else {
            throw CamdError(
                .usage, subject: request.output, reason: "a PPM has all that the GPU made, and no JPEG quality",
                remedy: "Leave out --jpeg-quality, or write a .jpg.")
        }
        return .ppm
    }

    static func negative(_ request: Request) throws(CamdError) -> Negative {
        let name = request.input.lowercased()
        if name.hasSuffix(".dng") { return try dng(request) }
        if name.hasSuffix(".raw") { return try bareBytes(request) }
        throw CamdError(
            .usage, subject: request.input, reason: "what a file holds goes by its name, and this ending is not known",
            remedy: "There are DNG (.dng), and bare bytes (.raw) with --size and --pixel-format.")
    }

    private static func dng(_ request: Request) throws(CamdError) -> Negative {
        guard request.size == nil, request.pixelFormat == nil else {
            throw CamdError(
                .usage, subject: request.input, reason: "a DNG says its size and pixel format itself",
                remedy: "Leave out --size and --pixel-format; they are for bare bytes (.raw).")
        }
        let frame = try DNGFile.read(request.input).upright()
        return Negative(
            layout: frame.layout, bytes: [frame.bytes],
            look: try frame.look(isNeutral: request.isNeutral, quality: request.quality, subject: request.input))
    }

    private static func bareBytes(_ request: Request) throws(CamdError) -> Negative {
        guard let size = request.size, let format = request.pixelFormat else {
            throw CamdError(
                .usage, subject: request.input, reason: "bare bytes do not say what they are",
                remedy: "Give --size WIDTHxHEIGHT and --pixel-format, V4L2's name of it.")
        }
        let layout = try FrameLayout.bare(format, width: size.width, height: size.height)
        let file = try InputFile(request.input)
        let needed = layout.bufferSizes.reduce(0, +)
        guard file.size == needed else {
            throw CamdError(
                .badData, subject: request.input,
                reason: "a \(format) frame of \(layout.sizeText) has \(needed) bytes, this file has \(file.size)",
                remedy: "Check --size and --pixel-format; rows and planes follow each other without gaps.")
        }
        var rest = try file.bytes(needed)[...]
        var buffers: [[UInt8]] = []
        for size in layout.bufferSizes {
            buffers.append(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        var look = Look.neutral
        look.quality = request.quality
        // Nobody says more of the camera; what a sensor gives is linear, MIPI's packed samples, too.
        if !request.isNeutral, PixelReading(format)?.isBayer == true { look.curve = .sRGB }
        return Negative(layout: layout, bytes: buffers, look: look)
    }
}

/// What `camd develop` says. The keys are a contract: see docs/json.md.
struct DevelopResult: Codable, Sendable, Equatable {
    var file: String
    var width: Int
    var height: Int
    /// Bytes of the file.
    var bytes: Int
    /// V4L2's fourcc of the frame that it was made of.
    var format: String
    /// Bytes of pictures that were copied on the way.
    var bytesCopied: Int
    /// From the start to the finished file.
    var milliseconds: Double

    enum CodingKeys: String, CodingKey {
        case file, width, height, bytes, format
        case bytesCopied = "bytes_copied"
        case milliseconds
    }
}
