import CaptureCore
import LinuxSystem
import Recording
import Varlink

/// The parameters of a method; one that it does not know is an error.
protocol MethodParameters: Decodable {
    static var names: Set<String> { get }
}

struct NoParameters: MethodParameters {
    static let names: Set<String> = []
}

struct StartParameters: MethodParameters {
    static let names: Set<String> = [
        "file", "encoder", "encoder_options", "camera", "width", "height", "fps", "format", "view",
        "segment_seconds", "segment_bytes", "segment_clock",
    ]
    var file: String
    var encoder: String?
    var encoderOptions: [String: String]
    var camera: String?
    var mode = StreamMode()
    var segments = SegmentRule()

    private enum CodingKeys: String, CodingKey {
        case file, encoder
        case encoderOptions = "encoder_options"
        case camera, width, height, fps, format, view
        case segmentSeconds = "segment_seconds"
        case segmentBytes = "segment_bytes"
        case segmentClock = "segment_clock"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        file = try container.decode(String.self, forKey: .file)
        encoder = try container.decodeIfPresent(String.self, forKey: .encoder)
        encoderOptions = try container.decodeIfPresent([String: String].self, forKey: .encoderOptions) ?? [:]
        camera = try container.decodeIfPresent(String.self, forKey: .camera)
        mode.width = try container.decodeWhole(.width, in: Limits.edges)
        mode.height = try container.decodeWhole(.height, in: Limits.edges)
        guard (mode.width == nil) == (mode.height == nil) else {
            throw container.unfit(mode.width == nil ? .width : .height, "width and height go together")
        }
        if let fps = try container.decodeIfPresent(Double.self, forKey: .fps) {
            guard fps > 0, fps <= Limits.fastest else {
                throw container.unfit(.fps, "more than 0, at most \(Limits.fastest)")
            }
            mode.framesPerSecond = fps
        }
        mode.view = try container.decodeIfPresent(ViewParameters.self, forKey: .view)?.wish
        // What they may be is checked where the names are, with words of its own.
        segments.seconds = try container.decodeIfPresent(Double.self, forKey: .segmentSeconds)
        segments.bytes = try container.decodeWhole(.segmentBytes, in: Int.min...Int.max)
        segments.clockSeconds = try container.decodeWhole(.segmentClock, in: Int.min...Int.max)
        guard let name = try container.decodeIfPresent(String.self, forKey: .format) else { return }
        guard let format = PixelFormat(name) else { throw container.unfit(.format, "a fourcc of V4L2") }
        mode.pixelFormat = format
    }
}

extension KeyedDecodingContainer {
    /// A whole number in a range. Foundation's own error for a number that is not whole names no member.
    func decodeWhole(_ key: Key, in range: ClosedRange<Int>) throws -> Int? {
        guard let number = try decodeIfPresent(Double.self, forKey: key) else { return nil }
        guard let whole = Int(exactly: number), range.contains(whole) else {
            throw unfit(key, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return whole
    }

    func unfit(_ key: Key, _ reason: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: codingPath + [key], debugDescription: reason))
    }
}

/// Of `Stop` and `Split`.
struct StopParameters: MethodParameters {
    static let names: Set<String> = ["camera"]
    var camera: String?
}

struct SnapshotParameters: MethodParameters {
    static let names: Set<String> = ["file", "quality", "camera"]
    var file: String
    var quality: Int?
    var camera: String?

    private enum CodingKeys: CodingKey { case file, quality, camera }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        file = try container.decode(String.self, forKey: .file)
        camera = try container.decodeIfPresent(String.self, forKey: .camera)
        // Its range is checked where the path is, with words of its own.
        quality = try container.decodeWhole(.quality, in: Int.min...Int.max)
    }
}

extension Call {
    /// The parameters; nil where they do not fit, in which case the call has been answered.
    func parameters<P: MethodParameters>(as type: P.Type) -> P? {
        let given = parameters.object ?? [:]
        if let unknown = given.keys.filter({ !P.names.contains($0) }).min() {
            fail(invalidParameter: unknown)
            return nil
        }
        do throws(JSONError) {
            return try parameters.decode(P.self)
        } catch {
            fail(invalidParameter: error.path.isEmpty ? "parameters" : error.path)
            return nil
        }
    }
}

/// What is checked of the values that users give, on both sides of the socket.
enum Limits {
    static let quality = 1...100
    /// Of a frame, in pixels.
    static let edges = 2...16_384
    /// Frames per second.
    static let fastest = 1_000.0
    static let defaultQuality = 90
    static let pathBytes = 4_095

    /// The endings of a photo's file name, and what goes with them.
    static func checkPhoto(_ file: String) throws(CamdError) {
        let name = file.lowercased()
        if name.hasSuffix(".jpg") || name.hasSuffix(".jpeg") { return }
        throw CamdError(
            .usage, subject: file, reason: "a photo's format goes by its file name, and this ending is not known",
            remedy: "There is JPEG: .jpg or .jpeg.")
    }

    static func checkQuality(_ quality: Int) throws(CamdError) {
        if Self.quality.contains(quality) { return }
        throw CamdError(.usage, subject: "quality \(quality)", reason: "a JPEG's quality is from 1 to 100")
    }

    /// A path that came over the socket: the daemon's own folder is not the client's.
    static func checkPath(_ file: String) throws(CamdError) {
        if file.hasPrefix("/"), file.utf8.count <= pathBytes, !file.utf8.contains(0) { return }
        throw CamdError(
            .usage, subject: file.isEmpty ? "file" : String(file.prefix(200)),
            reason: "the daemon takes absolute paths of at most \(pathBytes) bytes, without NUL")
    }
}
