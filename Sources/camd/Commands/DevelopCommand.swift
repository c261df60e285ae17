import ArgumentParser
import CaptureCore
import LinuxSystem

/// `camd develop`
struct DevelopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "develop", abstract: "Makes a picture of a stored raw frame.",
        discussion: """
            Sends a DNG, or the bare bytes of a frame, through the GPU as frames of a camera go through it. No camera is \
            needed.

              camd develop photo.dng -o photo.jpg
              camd develop frame.raw --size 640x480 --pixel-format RGGB -o frame.ppm --neutral
            """)

    enum Quality: String, ExpressibleByArgument, CaseIterable {
        case video, still

        var look: Look.Quality { self == .video ? .video : .still }
    }

    @Argument(
        help: ArgumentHelp("The frame: .dng, or .raw for bare bytes in V4L2's layout.", valueName: "input"),
        transform: Arguments.name)
    var input: String

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The picture: .jpg, .jpeg or .ppm.", valueName: "file"),
        transform: Arguments.name)
    var output: String

    @Option(help: ArgumentHelp("The size of bare bytes.", valueName: "WxH"), transform: Arguments.size)
    var size: FrameSize?

    @Option(
        help: ArgumentHelp("V4L2's name of the pixel format of bare bytes.", valueName: "fourcc"),
        transform: Arguments.pixelFormat)
    var pixelFormat: PixelFormat?

    @OptionGroup var gpu: GPUOptions

    @Flag(help: "The debayer alone, between black and white level: no white balance, matrix or curve.")
    var neutral = false

    @Option(help: "How well: as for a video, or as for a photo.")
    var quality = Quality.still

    @Option(
        help: ArgumentHelp("The JPEG's quality, 1 to 100 (default: \(Limits.defaultQuality)).", valueName: "n"),
        transform: Arguments.quality)
    var jpegQuality: Int?

    @Flag(help: "Print what came of it as JSON.")
    var json = false

    var request: Development.Request {
        Development.Request(
            input: input, output: output, size: size, pixelFormat: pixelFormat, isNeutral: neutral,
            quality: quality.look, gpu: gpu.node, jpegQuality: jpegQuality)
    }

    func run() throws {
        let result = try Development.run(request)
        if json { return try Console.print(encoding: result) }
        try Console.print(
            "\(result.file): \(result.width)x\(result.height), \(Summary.size(UInt64(max(0, result.bytes)))), "
                + "from \(result.format), \(result.bytesCopied) bytes copied, "
                + "\(Console.fixed(result.milliseconds, 0)) ms")
    }
}
