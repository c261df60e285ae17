import CaptureCore
import Glibc
import LinuxSystem
import Recording
import Stills
import Synchronization

/// What the user wants of a camera.
struct SessionRequest: Sendable {
    /// An id from `camd list`, a node, or `test`; nil: the first camera there is.
    var camera: String?
    var width: Int?
    var height: Int?
    var framesPerSecond: Double?
    var pixelFormat: PixelFormat?
    /// Heap names, in the order in which they are tried; empty: camd chooses.
    var heaps: [String] = []
    /// Makes a counted copy an error.
    var requireZeroCopy = false
    /// Capture buffers, 3 to 32.
    var buffers = VideoNode.usualBuffers
    /// The GPU does not look into the CPU's caches, also where camd would not expect that (`CAMD_COHERENT=no`).
    var isIncoherent = getenv("CAMD_COHERENT").map { String(cString: $0) } == "no"
}

/// What the user wants of a recording.
struct RecordingRequest: Sendable {
    static let defaultEncoder = "libx264"

    var file: String
    var encoder = defaultEncoder
    /// Replaces a file that is there.
    var overwrite = true
}

/// One camera, open and streaming, with what hangs on it. All calls may come from any thread; those that say so block.
final class CameraSession: Sendable {
    private let source: any FrameSource
    private let gpu: GPUStage
    private let ending = SessionEnding.Box()
    private let failureBell: EventCounter
    private let recording = Mutex<ActiveRecording?>(nil)
    /// The last recording's end, for the status.
    private let lastRecording = Mutex<CameraStatus.Recording?>(nil)
    private let lastFailure = Mutex<CamdError?>(nil)
    private let isClosed = Atomic<Bool>(false)

    private static let stillLimitMilliseconds = 5000
    private static let finishLimitMilliseconds = 10_000

    /// Opens the camera, negotiates the paths and starts the stream. Blocks for up to some seconds.
    init(_ request: SessionRequest) throws(CamdError) {
        let failureBell = try EventCounter()
        let ending = self.ending
        let ended: @Sendable (CamdError) -> Void = { error in
            ending.set(error)
            failureBell.signal()
        }
        let source = try Self.open(request)
        var color = source.pool.layout.color
        if color.matrix == .rgb {
            // Raw frames become video as HD has it; their curve stays the camera's.
            color = Colorimetry(
                primaries: color.primaries, transfer: color.transfer, matrix: .bt709, range: .limited)
        }
        let choice = try HeapChoice.forMachine(
            heaps: request.heaps, need: .anything, bytes: source.pool.layout.bufferSizes.max() ?? 0)
        let writes: DriverWrites =
            source.writesWithCPU ? (request.isIncoherent ? .cachedAndIncoherent : .cached) : .clean
        let gpu = try GPUStage(
            source: source.pool, writes: writes, videoColor: color, choice: choice, ended: ended)
        if request.requireZeroCopy { try Self.refuseCopies(source, gpu) }
        do throws(CamdError) {
            try source.start(sink: { gpu.offer($0) }, ended: ended)
        } catch {
            gpu.stop()
            throw error
        }
        self.source = source
        self.gpu = gpu
        self.failureBell = failureBell
    }

    private static func open(_ request: SessionRequest) throws(CamdError) -> any FrameSource {
        var size: FrameSize?
        if let width = request.width, let height = request.height { size = FrameSize(width, height) }
        let wish = FormatWish(format: request.pixelFormat, size: size, framesPerSecond: request.framesPerSecond)
        if request.camera == PatternStream.id { return try PatternStream(wish: wish, heaps: request.heaps) }
        let wanted: String
        if let camera = request.camera {
            wanted = camera
        } else if let first = CameraEnumerator.list().first {
            wanted = first.node
        } else {
            throw CamdError(
                .noInput, subject: "camera", reason: "this machine shows no camera",
                remedy: "Plug one in, see `camd doctor`, or use the built-in pattern: --camera test.")
        }
        let place = try CameraEnumerator.node(of: wanted)
        return try CaptureStream(
            node: try VideoNode(path: place.node), id: place.id, wish: wish, heaps: request.heaps,
            buffers: request.buffers)
    }

    private static func refuseCopies(_ source: any FrameSource, _ gpu: GPUStage) throws(CamdError) {
        var copies: [String] = []
        if gpu.report.gpuPath == "upload" { copies.append("frames are uploaded to the GPU") }
        if gpu.report.outputPath == "readback" { copies.append("pictures are read back from the GPU") }
        guard copies.isEmpty else {
            let reasons = (source.refusals + gpu.report.refusals).map { "\($0.path): \($0.reason)" }
            gpu.stop()
            throw CamdError(
                .unavailable, subject: "camera \(source.identity.node)",
                reason:
                    "without a copy is not to be had: \(copies.joined(separator: ", ")) (\(reasons.joined(separator: "; ")))",
                remedy: "Leave --require-zero-copy out to accept counted copies.")
        }
    }

    /// Opens the file and the encoder; the next frame is the first one in it. Blocks shortly.
    func startRecording(_ request: RecordingRequest) throws(CamdError) {
        if let failure { throw failure }
        guard recording.withLock({ $0 == nil }) else {
            throw CamdError(
                .temporary, subject: "camera \(source.identity.id)", reason: "it is being recorded already",
                remedy: "Stop that recording first: camd stop.")
        }
        let active = try ActiveRecording(request, gpu: gpu, source: source, failed: failureBell)
        let isTaken = recording.withLock { current in
            guard current == nil else { return false }
            current = active
            return true
        }
        guard isTaken else {
            active.abandon()
            throw CamdError(.temporary, subject: "camera \(source.identity.id)", reason: "it is being recorded already")
        }
        lastFailure.withLock { $0 = nil }
        try gpu.setVideoSink(active)
    }

    /// Drains the encoder and finishes the file. Blocks, within a limit.
    func stopRecording() throws(CamdError) -> CameraStatus.Recording {
        guard let active = recording.withLock({ $0.take() }) else {
            throw CamdError(
                .unavailable, subject: "camera \(source.identity.id)", reason: "it is not being recorded",
                remedy: "Start a recording first: camd start -o FILE.")
        }
        // A GPU that has failed takes no orders, and sends no frames either.
        if ending.error == nil { try gpu.setVideoSink(nil) }
        let result = active.finish(limitMilliseconds: Self.finishLimitMilliseconds)
        let failure = active.failure
        lastRecording.withLock { $0 = result }
        lastFailure.withLock { $0 = failure }
        return result
    }

    /// Takes the next frame as a photo. Blocks until the file is there, within a limit.
    func snapshot(to file: String, quality: Int) throws(CamdError) -> SnapshotResult {
        if let failure = ending.error { throw failure }
        let began = Clock.monotonicNanoseconds()
        let ticket = try StillTicket()
        try gpu.requestStill(ticket)
        let frame = try ticket.wait(limitMilliseconds: Self.stillLimitMilliseconds)
        var encoder = try JPEGEncoder()
        let image = try encoder.encode(lease: frame, quality: quality)
        try image.withBytes { (bytes) throws(CamdError) in try WholeFile.write(file, mode: 0o644, bytes) }
        return SnapshotResult(
            file: file, width: frame.layout.width, height: frame.layout.height, bytes: image.count,
            sequence: frame.metadata.sequence, milliseconds: Double(Clock.monotonicNanoseconds() - began) / 1e6)
    }

    func status() -> CameraStatus {
        let counts = source.ledger.snapshot
        let gpuCounts = gpu.counts
        let identity = source.identity
        let layout = source.pool.layout
        let active = recording.withLock { $0 }
        return CameraStatus(
            camera: identity.id, name: identity.name, driver: identity.driver, node: identity.node,
            format: layout.format.description, width: layout.width, height: layout.height, fps: counts.framesPerSecond,
            frames: counts.delivered, dropped: counts.dropped, corrupt: counts.corrupt, starved: counts.starved,
            late: counts.late,
            bytesCopiedPerFrame: counts.delivered == 0 ? 0 : Double(gpuCounts.bytesCopied) / Double(counts.delivered),
            path: .init(capture: source.capturePath, gpu: gpu.report.gpuPath, output: gpu.report.outputPath),
            refused: (source.refusals + gpu.report.refusals).map {
                .init(stage: $0.stage.rawValue, path: $0.path, reason: $0.reason)
            },
            heap: source.heapName, recording: active?.status ?? lastRecording.withLock { $0 })
    }

    /// Why the stream ended by itself, if it did: nothing more comes of this session. Never blocks.
    var failure: CamdError? { ending.error }

    /// Why the running or the last recording ended by itself, if it did; the stream goes on. Never blocks.
    var recordingFailure: CamdError? {
        recording.withLock { $0?.failure } ?? lastFailure.withLock { $0 }
    }

    /// Readable (poll) when the stream or the recording ended by itself.
    var failureDescriptor: Int32 { failureBell.fileDescriptor }

    /// Finishes a running recording, stops the stream, lets go of the camera. Blocks, within a limit.
    func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        if recording.withLock({ $0 != nil }) { _ = try? stopRecording() }
        source.stop()
        gpu.stop()
    }

    deinit { close() }
}
