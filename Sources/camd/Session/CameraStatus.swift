import CaptureCore

/// What camd says of one camera, in `status` and at the end of `record`. The keys are a contract: see docs/json.md.
struct CameraStatus: Codable, Sendable, Equatable {
    struct Path: Codable, Sendable, Equatable {
        /// How frames come from the driver: `import:heap:NAME`, `import:udmabuf`, `mmap-noncoherent`, `mmap`,
        /// `pattern:SOURCE`.
        var capture: String
        /// What the CPU makes of them, and where that lies: `jpeg:SOURCE`, `v4lconvert:SOURCE`; nil where the GPU sees them as
        /// they come.
        var convert: String?
        /// How the GPU sees them: `eglimage`, `upload`, or `none` where it is not used.
        var gpu: String
        /// What the GPU writes into: `heap:NAME`, `udmabuf`, `gbm`, `readback` or `none`.
        var output: String
        /// What encoders read: `direct` is the camera's own frames, `gpu` is the GPU's pictures of them.
        var video: String
    }

    /// What videos show of a frame.
    struct View: Codable, Sendable, Equatable {
        /// Of the video, in pixels.
        var width: Int
        var height: Int
        /// Degrees, clockwise: 0, 90, 180 or 270.
        var rotate: Int
        var mirror: Bool
        /// The part of the frame that is shown, as `640x480+100+50`.
        var crop: String

        init(_ view: PictureView, of frame: FrameSize) {
            width = view.width
            height = view.height
            rotate = view.rotation.rawValue
            mirror = view.isMirrored
            func pixels(_ part: Double, _ full: Int) -> Int { Int((part * Double(full)).rounded()) }
            let (x, y) = (pixels(view.left, frame.width), pixels(view.top, frame.height))
            crop =
                ViewWish.Crop(
                    x: x, y: y, width: pixels(view.right, frame.width) - x,
                    height: pixels(view.bottom, frame.height) - y
                ).description
        }
    }

    /// Capture buffers.
    struct Buffers: Codable, Sendable, Equatable {
        var asked: Int
        /// What the driver gave, which may be fewer or more.
        var granted: Int
    }

    /// The GPU.
    struct GPU: Codable, Sendable, Equatable {
        /// How it was found: `surfaceless` or `gbm`.
        var platform: String
        /// Its render node; nil where it has none, or the driver does not tell.
        var node: String?
        /// The driver's name of it.
        var renderer: String
        /// How often its context was lost and made anew.
        var resets: UInt64
    }

    /// A path that was tried first, and why it was not taken.
    struct Refusal: Codable, Sendable, Equatable {
        /// `capture`, `convert`, `gpu` or `output`.
        var stage: String
        var path: String
        var reason: String
    }

    struct Recording: Codable, Sendable, Equatable {
        /// The present file, or the last one.
        var file: String
        /// How many there are: segments, and what was split.
        var files = 1
        /// `recording`, `finished` or `failed`.
        var state: String
        /// Frames in the files; up to a second of them may not be on the disk yet.
        var frames: UInt64
        /// Frames that are on the disk, whatever happens to the machine.
        var syncedFrames: UInt64 = 0
        /// Frames that were meant for the file and did not get into it, by the reason.
        var lost: [String: UInt64]
        /// Bytes of all files.
        var bytes: UInt64
        var seconds: Double
        var syncedSeconds = 0.0
        var encoder: String
        /// Bytes of pixels that had to be copied for an encoder that cannot read frames in place.
        var bytesCopied: UInt64 = 0
        /// How often the encoder hung and was begun anew.
        var encoderRestarts: UInt64 = 0
        /// Why it failed, if it did.
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
    var name: String
    var driver: String
    var node: String
    /// The fourcc.
    var format: String
    var width: Int
    var height: Int
    /// As measured over the last seconds, or over the whole recording.
    var fps: Double
    /// All that the driver numbered, from the first frame that came to the last: frames + dropped + corrupt.
    var numbered: UInt64
    /// Frames that the driver delivered whole.
    var frames: UInt64
    /// Frames that the driver numbered and did not deliver.
    var dropped: UInt64
    /// Frames that the driver marked with an error, or that could not be decoded.
    var corrupt: UInt64
    /// Of the dropped: those whose time came when no buffer was queued.
    var starved: UInt64
    /// Delivered frames that camd took more than one frame interval after their time.
    var late: UInt64
    var bytesCopiedPerFrame: Double
    var buffers: Buffers
    var path: Path
    var refused: [Refusal]
    /// The heap that capture buffers come from; nil where none is used.
    var heap: String?
    var view: View
    var recording: Recording?
    var gpu: GPU?

    enum CodingKeys: String, CodingKey {
        case camera, name, driver, node, format, width, height, fps, numbered, frames, dropped, corrupt, starved, late
        case bytesCopiedPerFrame = "bytes_copied_per_frame"
        case buffers, path, refused, heap, view, recording, gpu
    }
}

extension CameraStatus.Path {
    /// What frames go through, in order: the stage's name, and the path taken.
    var stages: [(stage: String, path: String)] {
        var stages = [("capture", capture)]
        if let convert { stages.append(("convert", convert)) }
        return stages + [("gpu", gpu), ("output", output)]
    }
}

/// What came of one photo.
struct SnapshotResult: Codable, Sendable, Equatable {
    var file: String
    var width: Int
    var height: Int
    /// Bytes of the file.
    var bytes: Int
    /// The driver's number of the frame.
    var sequence: UInt32
    /// From the request to the finished file.
    var milliseconds: Double
}
