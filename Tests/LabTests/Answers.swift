import FoundationEssentials
import Testing

/// The JSON that camd prints, as its contract has it (docs/json.md): written down again here, so that a change of the
/// program's own types shows.
struct Status: Decodable {
    struct Path: Decodable {
        var capture: String
        var convert: String?
        var gpu: String
        var output: String
        var video: String
    }
    struct View: Decodable {
        var width: Int
        var height: Int
        var rotate: Int
        var mirror: Bool
        var crop: String
    }
    struct Buffers: Decodable {
        var asked: Int
        var granted: Int
    }
    struct Refusal: Decodable {
        var stage: String
        var path: String
        var reason: String
    }
    struct GPU: Decodable {
        var platform: String
        var node: String?
        var renderer: String
        var resets: Int
    }
    struct Recording: Decodable {
        var file: String
        var files: Int
        var state: String
        var frames: Int
        var syncedFrames: Int
        var lost: [String: Int]
        var bytes: Int
        var encoder: String
        var seconds: Double
        var syncedSeconds: Double
        var bytesCopied: Int
        var encoderRestarts: Int
        var error: String?

        enum CodingKeys: String, CodingKey {
            case file, files, state, frames, lost, bytes, seconds, encoder
            case bytesCopied = "bytes_copied"
            case encoderRestarts = "encoder_restarts"
            case error
            case syncedFrames = "synced_frames"
            case syncedSeconds = "synced_seconds"
        }
    }

    var camera: String
    var format: String
    var width: Int
    var height: Int
    var fps: Double
    var numbered: Int
    var frames: Int
    var dropped: Int
    var corrupt: Int
    var starved: Int
    var late: Int
    var bytesCopiedPerFrame: Double
    var buffers: Buffers
    var path: Path
    var refused: [Refusal]
    var heap: String?
    var view: View
    var recording: Recording?
    var gpu: GPU?

    enum CodingKeys: String, CodingKey {
        case camera, format, width, height, fps, numbered, frames, dropped, corrupt, starved, late
        case bytesCopiedPerFrame = "bytes_copied_per_frame"
        case buffers, path, refused, heap, view, recording, gpu
    }
}

extension Status {
    /// What does not add up; nil when every frame that the driver numbered is accounted for, and every one that was
    /// delivered is in the file or lost with a reason.
    /// `atEnd`: the recording has ended with this stream; a status may tell of one that an earlier stream had.
    func imbalance(atEnd: Bool) -> String? {
        if numbered != frames + dropped + corrupt {
            return "numbered \(numbered), but \(frames) + \(dropped) + \(corrupt)"
        }
        if starved > dropped { return "\(starved) starved of \(dropped) dropped" }
        if late > frames { return "\(late) late of \(frames)" }
        guard let recording, atEnd || recording.state == "recording" else { return nil }
        let entered = recording.frames + recording.lost.values.reduce(0, +)
        return entered > frames ? "\(entered) frames recorded or lost of \(frames)" : nil
    }
}

struct StatusAnswer: Decodable { var cameras: [Status] }

struct ListAnswer: Decodable {
    struct Camera: Decodable {
        struct Format: Decodable {
            var fourcc: String
            var sizes: [String]
            var reader: String?
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
    var gpu: Status.GPU?
    var ok: Bool
}

struct SnapshotAnswer: Decodable {
    var file: String
    var width: Int
    var height: Int
    var bytes: Int
    var milliseconds: Double
}

func decode<T: Decodable>(_ type: T.Type, _ result: Program.Result, status: Int32 = 0) throws -> T {
    try #require(result.status == status, "it said: \(result.errors)")
    let value = try JSONDecoder().decode(type, from: Data(result.output))
    // What a recording ends with adds up in every test.
    if let status = value as? Status { #expect(status.imbalance(atEnd: true) == nil) }
    return value
}
