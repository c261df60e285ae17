import CaptureCore
import LinuxSystem
import Recording
import Stills
import Synchronization

/// One camera, open and streaming, with what hangs on it. All calls may come from any thread; those that say so block.
final class CameraSession: Sendable {
    /// What the camera was opened with: what a change of the mode does not name is as it says.
    private let request: SessionRequest
    /// Nil while the mode changes, and when changing it and changing it back have both failed.
    private let stream: Mutex<CameraStream?>
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
    /// Takes what is worth to be logged of a change of the mode, and of a GPU that was lost.
    private let modeLog: (@Sendable (String) -> Void)?

    private static let stillLimitMilliseconds = 5000
    private static let finishLimitMilliseconds = 10_000
    /// A frame has to come, and a disk to take what waits for it.
    private static let splitLimitMilliseconds = 8_000

    /// Opens the camera, negotiates the paths and starts the stream. Blocks for up to some seconds.
    init(_ request: SessionRequest, modeLog: (@Sendable (String) -> Void)? = nil) throws(CamdError) {
        self.request = request
        self.modeLog = modeLog
        let bell = try EventCounter()
        let stream = try Self.start(request, stock, ending, bell, modeLog)
        failureBell = bell
        self.stream = Mutex(stream)
        lastStatus = Mutex(stream.status)
        stock.clear()
    }

    private static func start(
        _ request: SessionRequest, _ stock: BufferStock, _ ending: SessionEnding.Box, _ failureBell: EventCounter,
        _ log: (@Sendable (String) -> Void)?
    ) throws(CamdError) -> CameraStream {
        try CameraStream(request, stock: stock, log: log ?? { _ in }) { error in
            ending.set(error)
            failureBell.signal()
        }
    }

    /// What there is of a stream; throws what ended it.
    private func running() throws(CamdError) -> CameraStream {
        if let failure = ending.error { throw failure }
        if let stream = stream.withLock({ $0 }) { return stream }
        throw CamdError(
            .temporary, subject: "camera \(lastStatus.withLock { $0.camera })", reason: "it changes its mode",
            remedy: "Try again shortly.")
    }

    /// Sees to it that the stream is as wanted: another size, rate, format or view, with the buffers that are large enough
    /// kept; and that it gives what the encoder takes. Where the camera does not have that, it goes on as before. Blocks for
    /// up to some seconds. Not while it records.
    private func change(to mode: StreamMode, encoder: String) throws(CamdError) {
        guard let before = try request(replacedBy: mode, encoder) else { return }
        var wanted = request.with(mode)
        wanted.encoder = encoder
        try change(from: before, to: wanted)
    }

    /// What the present stream was asked for; nil where it is as it has to be. A function of its own, so that nothing
    /// holds the stream, and with it the buffers, while it ends.
    private func request(replacedBy mode: StreamMode, _ encoder: String) throws(CamdError) -> SessionRequest? {
        let stream = try running()
        return stream.has(mode) && stream.canRecord(with: encoder) ? nil : stream.request
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
        lastStatus.withLock { $0 = old.status }
    }

    private func begin(_ request: SessionRequest) throws(CamdError) {
        let new = try Self.start(request, stock, ending, failureBell, modeLog)
        lastStatus.withLock { $0 = new.status }
        stream.withLock { $0 = new }
    }

    /// Opens the file and the encoder; the next frame is the first one in it. Blocks shortly, or for some seconds where the
    /// camera has to change its mode first.
    func startRecording(_ request: RecordingRequest) throws(CamdError) {
        guard recording.withLock({ $0 == nil }) else { throw recordsAlready() }
        // Before the stream changes: a wrong name is to have no effect.
        try FileNames(request.file).check(request.segments)
        try change(to: request.mode, encoder: request.encoder)
        let active = try ActiveRecording(request, try running(), failed: failureBell, log: modeLog)
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
        try active.begin()
    }

    private func recordsAlready() -> CamdError {
        CamdError(
            .temporary, subject: "camera \(lastStatus.withLock { $0.camera })", reason: "it is being recorded already",
            remedy: "Stop that recording first: camd stop.")
    }

    /// Lets the recording go on in another file. Blocks until that is there, within a limit.
    func splitRecording() throws(CamdError) -> CameraStatus.Recording {
        guard let active = recording.withLock({ $0 }) else { throw recordsNot() }
        guard active.cut(limitMilliseconds: Self.splitLimitMilliseconds) else {
            throw active.failure
                ?? CamdError(
                    .temporary, subject: active.status.file,
                    reason: "no other file was begun within \(Self.splitLimitMilliseconds / 1000) s",
                    remedy: "It is when the next frame comes and the disk has taken those before: see camd status.")
        }
        return active.status
    }

    private func recordsNot() -> CamdError {
        CamdError(
            .unavailable, subject: "camera \(lastStatus.withLock { $0.camera })", reason: "it is not being recorded",
            remedy: "Start a recording first: camd start -o FILE.")
    }

    /// Drains the encoder and finishes the file. Blocks, within a limit.
    func stopRecording() throws(CamdError) -> CameraStatus.Recording {
        guard let active = recording.withLock({ $0.take() }) else { throw recordsNot() }
        // A GPU that has failed takes no orders, and sends no frames either.
        if ending.error == nil { try active.end() }
        let result = active.finish(limitMilliseconds: Self.finishLimitMilliseconds)
        let failure = active.failure
        lastRecording.withLock { $0 = result }
        lastFailure.withLock { $0 = failure }
        return result
    }

    /// Takes the next frame as a photo. Blocks until the file is there, within a limit.
    func snapshot(to file: String, quality: Int) throws(CamdError) -> SnapshotResult {
        guard let gpu = try running().gpu else {
            throw CamdError(.software, subject: "photo", reason: "this camera was opened for a recording alone")
        }
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
        var status = stream.withLock { $0 }?.status ?? lastStatus.withLock { $0 }
        status.recording = recorded
        return status
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
