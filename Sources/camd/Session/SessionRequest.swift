import CaptureCore
import Glibc
import Recording

/// The size, rate and format of a stream, and what of its frames is shown; nil is as it is, or as camd chooses.
struct StreamMode: Sendable, Hashable {
    var width: Int?
    var height: Int?
    var framesPerSecond: Double?
    var pixelFormat: PixelFormat?
    var view: ViewWish?
}

/// What the user wants of a camera.
struct SessionRequest: Sendable {
    /// An id from `camd list`, a node, or `test`; nil: the first camera there is.
    var camera: String?
    var width: Int?
    var height: Int?
    var framesPerSecond: Double?
    var pixelFormat: PixelFormat?
    var view = ViewWish()
    /// Heap names, in the order in which they are tried; empty: camd chooses.
    var heaps: [String] = []
    /// Makes a counted copy an error.
    var requireZeroCopy = false
    /// Capture buffers, 3 to 32; nil: camd chooses.
    var buffers: Int?
    /// The DRM node of the GPU to be taken; nil: camd chooses.
    var gpu: String?
    /// The GPU does not look into the CPU's caches, also where camd would not expect that (`CAMD_COHERENT=no`).
    var isIncoherent = getenv("CAMD_COHERENT").map { String(cString: $0) } == "no"
    /// Photos in the quality of videos, which costs the GPU less.
    var hasQuickPhotos = false
    /// What recordings are most likely to be encoded by.
    var encoder = RecordingRequest.defaultEncoder
    /// Nobody is going to ask for photos.
    var isForRecordingOnly = false

    /// The same with another mode, as far as that says something.
    func with(_ mode: StreamMode) -> SessionRequest {
        var request = self
        if let width = mode.width, let height = mode.height { (request.width, request.height) = (width, height) }
        request.framesPerSecond = mode.framesPerSecond ?? framesPerSecond
        request.pixelFormat = mode.pixelFormat ?? pixelFormat
        request.view = mode.view ?? view
        return request
    }

    var mode: StreamMode {
        StreamMode(
            width: width, height: height, framesPerSecond: framesPerSecond, pixelFormat: pixelFormat,
            view: view == ViewWish() ? nil : view)
    }
}

/// What the user wants of a recording.
struct RecordingRequest: Sendable {
    static let defaultEncoder = "libx264"

    /// With the time in its name, as of strftime(3), perhaps.
    var file: String
    /// When another file is begun.
    var segments = SegmentRule()
    /// What the stream is to be like; a camera that streams something else is switched over first.
    var mode = StreamMode()
    var encoder = defaultEncoder
    /// Of the encoder, by its names for them.
    var encoderOptions: [String: String] = [:]
}
