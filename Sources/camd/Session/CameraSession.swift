import CaptureCore
import Glibc
import LinuxSystem
import Recording
import Stills
import Synchronization

/// The size, rate and format of a stream; nil is as it is, or as camd chooses.
struct StreamMode: Sendable, Hashable {
    var width: Int?
    var height: Int?
    var framesPerSecond: Double?
    var pixelFormat: PixelFormat?
}

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
    /// What the stream is to be like; a camera that streams something else is switched over first.
    var mode = StreamMode()
    var encoder = defaultEncoder
    /// Replaces a file that is there.
    var overwrite = true
}

/// One camera, open and streaming, with what hangs on it. All calls may come from any thread; those that say so block.
final class CameraSession: Sendable {
    /// The open camera in one mode.
    private final class Stream: Sendable {
        let request: SessionRequest
        let source: any FrameSource
        let gpu: GPUStage

        init(_ request: SessionRequest, _ source: any FrameSource, _ gpu: GPUStage) {
            self.request = request
            self.source = source
            self.gpu = gpu
        }

        func stop() {
            source.stop()
            gpu.stop()
        }
    }

    /// What the camera was opened with: what a change of the mode does not name is as it says.
    private let request: SessionRequest
    /// Nil while the mode changes, and when changing it and changing it back have both failed.
    private let stream: Mutex<Stream?>
    /// The identity and the mode that were last, for a status while there is no stream.
    private let lastStatus: Mutex<CameraStatus>
    /// What buffers one mode leaves to the next.
    private let stock = BufferStock()
    private let ending = SessionEnding.Box()
    private let failureBell: EventCounter
    private let recording = Mutex<ActiveRecording?>(nil)
    /// The last recording's end, for the status.
    private let lastRecording = Mutex<CameraStatus.Recording?>(nil)
    private let lastFailure = Mutex<CamdError?>(nil)
    private let isClosed = Atomic<Bool>(false)
    /// Takes what is worth to be logged of a change of the mode.
    private let modeLog: (@Sendable (String) -> Void)?

    private static let stillLimitMilliseconds = 5000
    private static let finishLimitMilliseconds = 10_000

    /// Opens the camera, negotiates the paths and starts the stream. Blocks for up to some seconds.
    init(_ request: SessionRequest, modeLog: (@Sendable (String) -> Void)? = nil) throws(CamdError) {
        self.request = request
        self.modeLog = modeLog
        let bell = try EventCounter()
        let stream = try Self.start(request, stock, ending, bell)
        failureBell = bell
        self.stream = Mutex(stream)
        lastStatus = Mutex(Self.status(stream))
        stock.clear()
    }

    private static func start(
        _ request: SessionRequest, _ stock: BufferStock, _ ending: SessionEnding.Box, _ failureBell: EventCounter
    ) throws(CamdError) -> Stream {
        let ended: @Sendable (CamdError) -> Void = { error in
            ending.set(error)
            failureBell.signal()
        }
        let source = try Self.open(request, stock)
        var color = source.pool.layout.color
        if color.matrix == .rgb {
            // Raw frames become video as HD has it; their curve stays the camera's.
            color = Colorimetry(
                primaries: color.primaries, transfer: color.transfer, matrix: .bt709, range: .limited)
        }
        let choice = try HeapChoice.forMachine(
            heaps: request.heaps, need: .anything, bytes: source.pool.layout.bufferSizes.max() ?? 0, stock: stock)
        let writes = DriverWrites(source.writes, isIncoherent: request.isIncoherent)
        let gpu = try GPUStage(
            source: source.pool, writes: writes, videoColor: color, choice: choice, stock: stock, ended: ended)
        if request.requireZeroCopy { try Self.refuseCopies(source, gpu) }
        do throws(CamdError) {
            try source.start(isWanted: { gpu.wantsFrames }, sink: { gpu.offer($0) }, ended: ended)
        } catch {
            gpu.stop()
            throw error
        }
        return Stream(request, source, gpu)
    }

    /// What there is of a stream; throws what ended it.
    private func running() throws(CamdError) -> Stream {
        if let failure = ending.error { throw failure }
        if let stream = stream.withLock({ $0 }) { return stream }
        throw CamdError(
            .temporary, subject: "camera \(lastStatus.withLock { $0.camera })", reason: "it changes its mode",
            remedy: "Try again shortly.")
    }

    /// Sees to it that the stream is as wanted: another size, rate or format, with the buffers that are large enough kept.
    /// Where the camera does not have that, it goes on as before. Blocks for up to some seconds. Not while it records.
    private func change(to mode: StreamMode) throws(CamdError) {
        guard let before = try request(replacedBy: mode) else { return }
        try change(from: before, to: request.with(mode))
    }

    /// What the present stream was asked for; nil where it is as `mode` has it. A function of its own, so that nothing
    /// holds the stream, and with it the buffers, while it ends.
    private func request(replacedBy mode: StreamMode) throws(CamdError) -> SessionRequest? {
        let stream = try running()
        let layout = stream.source.pool.layout
        let isTheSame =
            mode.pixelFormat ?? stream.source.cameraFormat == stream.source.cameraFormat
            && mode.width ?? layout.width == layout.width
            && mode.height ?? layout.height == layout.height
            && isRate(stream.source.framesPerSecond, mode.framesPerSecond)
        return isTheSame ? nil : stream.request
    }

    /// Drivers round: two rates that differ by less than 2 % are one.
    private func isRate(_ rate: Double?, _ wanted: Double?) -> Bool {
        guard let wanted else { return true }
        return rate.map { abs($0 - wanted) <= wanted * 0.02 } ?? false
    }

    private func change(from before: SessionRequest, to wanted: SessionRequest) throws(CamdError) {
        let counts = stock.counts
        end()
        defer { stock.clear() }
        do throws(CamdError) {
            try begin(wanted)
        } catch {
            let refused = error
            do throws(CamdError) {
                try begin(before)
            } catch {
                ending.set(error)
                failureBell.signal()
                throw error
            }
            throw refused
        }
        let now = stock.counts
        modeLog?(
            "\(lastStatus.withLock { "\($0.format) \($0.width)x\($0.height)" }): \(now.reused - counts.reused) buffers "
                + "kept, \(now.allocated - counts.allocated) allocated")
    }

    /// Stops the stream and lets go of all that it held.
    private func end() {
        guard let old = stream.withLock({ $0.take() }) else { return }
        old.stop()
        lastStatus.withLock { $0 = Self.status(old) }
    }

    private func begin(_ request: SessionRequest) throws(CamdError) {
        let new = try Self.start(request, stock, ending, failureBell)
        lastStatus.withLock { $0 = Self.status(new) }
        stream.withLock { $0 = new }
    }

    private static func open(_ request: SessionRequest, _ stock: BufferStock) throws(CamdError) -> any FrameSource {
        var size: FrameSize?
        if let width = request.width, let height = request.height { size = FrameSize(width, height) }
        let wish = FormatWish(
            format: request.pixelFormat, size: size, framesPerSecond: request.framesPerSecond,
            avoidsConversion: request.requireZeroCopy)
        if request.camera == PatternStream.id {
            return try PatternStream(wish: wish, heaps: request.heaps, stock: stock)
        }
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
        let camera = try CaptureStream(
            node: try VideoNode(path: place.node), id: place.id, wish: wish, heaps: request.heaps,
            buffers: request.buffers, stock: stock)
        guard camera.pool.layout.isOpaque else { return camera }
        return try ConvertedStream(camera, heaps: request.heaps, stock: stock)
    }

    private static func refuseCopies(_ source: any FrameSource, _ gpu: GPUStage) throws(CamdError) {
        var copies: [String] = []
        if let conversion = source.conversion { copies.append(conversion.work) }
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

    /// Opens the file and the encoder; the next frame is the first one in it. Blocks shortly, or for some seconds where the
    /// camera has to change its mode first.
    func startRecording(_ request: RecordingRequest) throws(CamdError) {
        guard recording.withLock({ $0 == nil }) else { throw recordsAlready() }
        try change(to: request.mode)
        let stream = try running()
        let active = try ActiveRecording(request, gpu: stream.gpu, source: stream.source, failed: failureBell)
        let isTaken = recording.withLock { current in
            guard current == nil else { return false }
            current = active
            return true
        }
        guard isTaken else {
            active.abandon()
            throw recordsAlready()
        }
        lastFailure.withLock { $0 = nil }
        try stream.gpu.setVideoSink(active)
    }

    private func recordsAlready() -> CamdError {
        CamdError(
            .temporary, subject: "camera \(lastStatus.withLock { $0.camera })", reason: "it is being recorded already",
            remedy: "Stop that recording first: camd stop.")
    }

    /// Drains the encoder and finishes the file. Blocks, within a limit.
    func stopRecording() throws(CamdError) -> CameraStatus.Recording {
        guard let active = recording.withLock({ $0.take() }) else {
            throw CamdError(
                .unavailable, subject: "camera \(lastStatus.withLock { $0.camera })",
                reason: "it is not being recorded",
                remedy: "Start a recording first: camd start -o FILE.")
        }
        // A GPU that has failed takes no orders, and sends no frames either.
        if ending.error == nil { try running().gpu.setVideoSink(nil) }
        let result = active.finish(limitMilliseconds: Self.finishLimitMilliseconds)
        let failure = active.failure
        lastRecording.withLock { $0 = result }
        lastFailure.withLock { $0 = failure }
        return result
    }

    /// Takes the next frame as a photo. Blocks until the file is there, within a limit.
    func snapshot(to file: String, quality: Int) throws(CamdError) -> SnapshotResult {
        let gpu = try running().gpu
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
        // First what is recorded: of what comes later there can only be more.
        let recorded = recording.withLock { $0 }?.status ?? lastRecording.withLock { $0 }
        var status = stream.withLock { $0 }.map(Self.status) ?? lastStatus.withLock { $0 }
        status.recording = recorded
        return status
    }

    private static func status(_ stream: Stream) -> CameraStatus {
        let (source, gpu) = (stream.source, stream.gpu)
        let counts = source.ledger.snapshot
        let conversion = source.conversion
        let bytesCopied = gpu.counts.bytesCopied + (conversion?.bytesCopied ?? 0)
        let identity = source.identity
        let layout = source.pool.layout
        return CameraStatus(
            camera: identity.id, name: identity.name, driver: identity.driver, node: identity.node,
            format: source.cameraFormat.description, width: layout.width, height: layout.height,
            fps: counts.framesPerSecond,
            numbered: counts.numbered, frames: counts.delivered, dropped: counts.dropped, corrupt: counts.corrupt,
            starved: counts.starved,
            late: counts.late,
            bytesCopiedPerFrame: counts.delivered == 0 ? 0 : Double(bytesCopied) / Double(counts.delivered),
            buffers: .init(asked: source.buffers.asked, granted: source.buffers.granted),
            path: .init(
                capture: source.capturePath, convert: conversion?.path, gpu: gpu.report.gpuPath,
                output: gpu.report.outputPath),
            refused: (source.refusals + gpu.report.refusals).map {
                .init(stage: $0.stage.rawValue, path: $0.path, reason: $0.reason)
            },
            heap: source.heapName, recording: nil)
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
        end()
    }

    deinit { close() }
}

extension SessionRequest {
    /// The same with another mode, as far as that says something.
    func with(_ mode: StreamMode) -> SessionRequest {
        var request = self
        if let width = mode.width, let height = mode.height { (request.width, request.height) = (width, height) }
        request.framesPerSecond = mode.framesPerSecond ?? framesPerSecond
        request.pixelFormat = mode.pixelFormat ?? pixelFormat
        return request
    }

    var mode: StreamMode {
        StreamMode(width: width, height: height, framesPerSecond: framesPerSecond, pixelFormat: pixelFormat)
    }
}
