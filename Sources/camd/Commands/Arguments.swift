import ArgumentParser
import CaptureCore
import Recording

/// Values as they are written on the command line. What is wrong with one is said together with what is allowed.
enum Arguments {
    static let edges = Limits.edges
    static let longestSeconds = 31_536_000.0
    static let fastest = Limits.fastest

    static func size(_ text: String) throws -> FrameSize {
        let parts = text.split(separator: "x", omittingEmptySubsequences: false)
        guard parts.count == 2, let width = whole(parts[0]), let height = whole(parts[1]), edges.contains(width),
            edges.contains(height)
        else {
            throw ValidationError(
                "a size is WIDTHxHEIGHT, such as 1280x720, each from \(edges.lowerBound) to \(edges.upperBound)")
        }
        return FrameSize(width, height)
    }

    static func duration(_ text: String) throws -> Double {
        guard let seconds = decimal(text), seconds > 0, seconds <= longestSeconds else {
            throw ValidationError(
                "a duration is in seconds, more than 0 and at most \(Int(longestSeconds)) (a year), such as 10 or 2.5")
        }
        return seconds
    }

    static func rate(_ text: String) throws -> Double {
        guard let rate = decimal(text), rate > 0, rate <= fastest else {
            throw ValidationError("a rate is in frames per second, more than 0 and at most \(Int(fastest)), such as 30")
        }
        return rate
    }

    static func pixelFormat(_ text: String) throws -> PixelFormat {
        guard let format = PixelFormat(text) else {
            throw ValidationError("a pixel format is V4L2's name of up to four characters, such as YUYV or RGGB")
        }
        return format
    }

    static func crop(_ text: String) throws -> ViewWish.Crop {
        guard let crop = ViewWish.Crop(text) else {
            throw ValidationError("a part of a frame is WIDTHxHEIGHT+LEFT+TOP in its pixels, such as 640x480+100+50")
        }
        return crop
    }

    static func zoom(_ text: String) throws -> Double {
        guard let zoom = decimal(text), ViewWish.zooms.contains(zoom) else {
            throw ValidationError("a zoom is from 1 to \(Int(ViewWish.zooms.upperBound)), such as 2 or 1.5")
        }
        return zoom
    }

    static func rotation(_ text: String) throws -> PictureView.Rotation {
        guard let degrees = whole(text[...]), let rotation = PictureView.Rotation(rawValue: degrees) else {
            throw ValidationError("a picture is turned clockwise by 0, 90, 180 or 270 degrees")
        }
        return rotation
    }

    static let buffers = VideoNode.fewestBuffers...FramePool.mostSlots

    static func buffers(_ text: String) throws -> Int {
        guard let count = whole(text[...]), buffers.contains(count) else {
            throw ValidationError("a camera has \(buffers.lowerBound) to \(buffers.upperBound) buffers")
        }
        return count
    }

    static func quality(_ text: String) throws -> Int {
        guard let quality = whole(text[...]), Limits.quality.contains(quality) else {
            throw ValidationError("a JPEG's quality is from 1 to 100")
        }
        return quality
    }

    /// A number of bytes, with k, M, G or T behind it for powers of 1000.
    static func bytes(_ text: String) throws -> Int {
        let units: [Character: Int] = ["k": 1_000, "M": 1_000_000, "G": 1_000_000_000, "T": 1_000_000_000_000]
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard !digits.isEmpty, let count = whole(digits),
            case let (bytes, overflow) = count.multipliedReportingOverflow(by: unit ?? 1), !overflow, bytes > 0
        else { throw ValidationError("a number of bytes is such as 500000, 800k, 500M or 2G") }
        return bytes
    }

    /// Seconds, of 30s, 15m, 1h or 1d.
    static func clock(_ text: String) throws -> Int {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), text.count > 1, let count = whole(text.dropLast()),
            case let (seconds, overflow) = count.multipliedReportingOverflow(by: unit), !overflow,
            SegmentRule.clockRange.contains(seconds), 86_400 % seconds == 0
        else { throw ValidationError("a step of the clock divides a day, such as 30s, 15m, 1h or 1d; 10s at least") }
        return seconds
    }

    static func name(_ text: String) throws -> String {
        guard !text.isEmpty else { throw ValidationError("it must not be empty") }
        return text
    }

    static func setting(_ text: String) throws -> EncoderOptions.Setting {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw ValidationError("an option of the encoder is NAME=VALUE, such as preset=veryfast")
        }
        return EncoderOptions.Setting(name: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
    }

    static func node(_ text: String) throws -> String {
        guard text.hasPrefix("/") else {
            throw ValidationError("a GPU is a DRM node with its whole path, such as /dev/dri/renderD128")
        }
        return text
    }

    /// Digits alone: no sign, no space.
    private static func whole(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }

    /// Digits with at most one point: Swift's own reading takes "nan", "inf" and hexadecimal too.
    private static func decimal(_ text: String) -> Double? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") } ? Double(text) : nil
    }
}

/// When a recording goes on in another file.
struct SegmentOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Begin another file each so many seconds.", valueName: "s"), transform: Arguments.duration)
    var segmentSeconds: Double?

    @Option(
        help: ArgumentHelp("Begin another file when one has so many bytes: 500M, 2G.", valueName: "n"),
        transform: Arguments.bytes)
    var segmentBytes: Int?

    @Option(
        help: ArgumentHelp(
            "Begin another file at each multiple of this on the local clock: 15m, 1h (on the hour), 1d.",
            valueName: "time"), transform: Arguments.clock)
    var segmentClock: Int?

    var rule: SegmentRule { SegmentRule(seconds: segmentSeconds, bytes: segmentBytes, clockSeconds: segmentClock) }
}

/// `--socket`, of every command that speaks to the daemon.
struct SocketOptions: ParsableArguments {
    @Option(
        name: .customLong("socket"),
        help: ArgumentHelp(
            "The daemon's control socket (default: /run/camd/control, or $XDG_RUNTIME_DIR/camd/control).",
            valueName: "path"),
        transform: Arguments.name)
    var given: String?

    var path: String { given ?? SocketPath.standard }
}

/// `--encoder` and its options, of every command that records.
struct EncoderOptions: ParsableArguments {
    struct Setting: Sendable {
        var name: String
        var value: String
    }

    @Option(
        help: ArgumentHelp("The encoder: libavcodec's name of it (default: libx264).", valueName: "name"),
        transform: Arguments.name)
    var encoder: String?

    @Option(
        name: .customLong("encoder-option"),
        help: ArgumentHelp(
            "An option of the encoder, as 'ffmpeg -h encoder=NAME' lists them; may be given several times.",
            valueName: "name=value"), transform: Arguments.setting)
    var settings: [Setting] = []

    func apply(to wish: inout RecordingRequest) {
        if let encoder { wish.encoder = encoder }
        for setting in settings { wish.encoderOptions[setting.name] = setting.value }
    }
}

/// `--gpu`, of every command that draws.
struct GPUOptions: ParsableArguments {
    @Option(
        name: .customLong("gpu"),
        help: ArgumentHelp(
            "The DRM node of the GPU to draw with, such as /dev/dri/renderD128 (default: camd chooses).",
            valueName: "node"),
        transform: Arguments.node)
    var node: String?
}

/// What frames are to be like.
struct ModeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The size of its frames.", valueName: "WxH"), transform: Arguments.size)
    var size: FrameSize?

    @Option(
        help: ArgumentHelp("V4L2's name of its pixel format.", valueName: "fourcc"), transform: Arguments.pixelFormat)
    var pixelFormat: PixelFormat?

}

/// What of its frames is shown.
struct ViewOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Show a part of the frame only.", valueName: "WxH+X+Y"), transform: Arguments.crop)
    var crop: ViewWish.Crop?

    @Option(
        help: ArgumentHelp("Show the middle of the frame only, so many times larger.", valueName: "n"),
        transform: Arguments.zoom)
    var zoom: Double?

    @Flag(help: "Let left and right change places.")
    var mirror = false

    @Option(
        help: ArgumentHelp("Turn it clockwise by so many degrees: 90, 180 or 270.", valueName: "degrees"),
        transform: Arguments.rotation)
    var rotate: PictureView.Rotation?

    func validate() throws {
        if crop != nil, zoom != nil { throw ValidationError("--crop and --zoom both say what is shown: give one") }
    }

    /// Nil where nothing is said. `scale`: the size of videos.
    func wish(scale: FrameSize? = nil) -> ViewWish? {
        guard crop != nil || zoom != nil || mirror || rotate != nil || scale != nil else { return nil }
        return ViewWish(crop: crop, zoom: zoom ?? 1, rotation: rotate ?? .none, isMirrored: mirror, scale: scale)
    }
}

/// The same, where there are videos.
struct VideoViewOptions: ParsableArguments {
    @OptionGroup var view: ViewOptions

    @Option(
        help: ArgumentHelp("The size of the video, where that is not the camera's.", valueName: "WxH"),
        transform: Arguments.size)
    var scale: FrameSize?

    var wish: ViewWish? { view.wish(scale: scale) }
}

/// How photos are made.
struct PhotoOptions: ParsableArguments {
    enum Quality: String, ExpressibleByArgument, CaseIterable { case video, still }

    @Option(help: "How well photos of raw frames are debayered: as well as can be, or as videos are, which is quicker.")
    var photoQuality = Quality.still

    var isQuick: Bool { photoQuality == .video }
}

/// What is wanted of a camera.
struct StreamOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The camera (default: the first one there is).", valueName: "camera"),
        transform: Arguments.name)
    var camera: String?

    @OptionGroup var mode: ModeOptions
    @OptionGroup var gpu: GPUOptions

    var size: FrameSize? { mode.size }
    var pixelFormat: PixelFormat? { mode.pixelFormat }

    var request: SessionRequest {
        SessionRequest(
            camera: camera, width: size?.width, height: size?.height, pixelFormat: pixelFormat, gpu: gpu.node)
    }
}

/// What is wanted of a stream that lasts.
struct MotionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Frames per second.", valueName: "n"), transform: Arguments.rate)
    var fps: Double?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("dma-buf heaps, in the order in which they are tried.", valueName: "name"),
        transform: Arguments.name)
    var heap: [String] = []

    @Option(
        help: ArgumentHelp(
            "Capture buffers, \(Arguments.buffers.lowerBound) to \(Arguments.buffers.upperBound).", valueName: "n"),
        transform: Arguments.buffers)
    var buffers: Int?

    @Flag(help: "Fail where a frame would have to be copied.")
    var requireZeroCopy = false

    func request(_ stream: StreamOptions) -> SessionRequest {
        var request = stream.request
        request.framesPerSecond = fps
        request.heaps = heap
        request.buffers = buffers
        request.requireZeroCopy = requireZeroCopy
        return request
    }
}
