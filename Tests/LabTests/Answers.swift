import FoundationEssentials
import Testing

/// The JSON that camd prints, as its contract has it (docs/json.md): written down again here, so that a change of the
/// program's own types shows.
struct Status: Decodable {
    struct Path: Decodable {
        var capture: String
        var gpu: String
        var output: String
    }
    struct Refusal: Decodable {
        var stage: String
        var path: String
        var reason: String
    }
    struct Recording: Decodable {
        var file: String
        var state: String
        var frames: Int
        var lost: [String: Int]
        var bytes: Int
        var error: String?
    }

    var camera: String
    var format: String
    var width: Int
    var height: Int
    var fps: Double
    var frames: Int
    var dropped: Int
    var corrupt: Int
    var starved: Int
    var late: Int
    var bytesCopiedPerFrame: Double
    var path: Path
    var refused: [Refusal]
    var heap: String?
    var recording: Recording?

    enum CodingKeys: String, CodingKey {
        case camera, format, width, height, fps, frames, dropped, corrupt, starved, late
        case bytesCopiedPerFrame = "bytes_copied_per_frame"
        case path, refused, heap, recording
    }
}

struct StatusAnswer: Decodable { var cameras: [Status] }

struct ListAnswer: Decodable {
    struct Camera: Decodable {
        struct Format: Decodable {
            var fourcc: String
            var sizes: [String]
        }
        var id: String
        var name: String
        var driver: String
        var bus: String
        var node: String
        var formats: [Format]
    }
    var cameras: [Camera]
}

struct HeapsAnswer: Decodable {
    struct Heap: Decodable {
        var name: String
        var path: String
        var conforms: Bool
        var cached: Bool?
        var caching: String?
        var readMillisecondsPerMegabyte: Double?
        var ordinaryMillisecondsPerMegabyte: Double?
        var contiguous: Bool?

        enum CodingKeys: String, CodingKey {
            case name, path, conforms, cached, caching, contiguous
            case readMillisecondsPerMegabyte = "read_ms_per_mb"
            case ordinaryMillisecondsPerMegabyte = "ordinary_ms_per_mb"
        }
    }
    var heaps: [Heap]
    var chosen: String?
    var reason: String
}

struct DoctorAnswer: Decodable {
    struct Check: Decodable {
        var name: String
        var ok: Bool
        var needed: Bool
        var detail: String
        var remedy: String?
    }
    var checks: [Check]
    var path: Status.Path?
    var ok: Bool
}

struct SnapshotAnswer: Decodable {
    var file: String
    var width: Int
    var height: Int
    var bytes: Int
    var milliseconds: Double
}

func decode<T: Decodable>(_ type: T.Type, _ result: Program.Result) throws -> T {
    try #require(result.status == 0, "it said: \(result.errors)")
    return try JSONDecoder().decode(type, from: Data(result.output))
}
