import LinuxSystem

/// What the daemon and the commands need of an open camera; tests have one of their own.
protocol SessionControl: AnyObject, Sendable {
    func startRecording(_ request: RecordingRequest) throws(CamdError)
    func splitRecording() throws(CamdError) -> CameraStatus.Recording
    func stopRecording() throws(CamdError) -> CameraStatus.Recording
    func snapshot(to file: String, quality: Int) throws(CamdError) -> SnapshotResult
    func status() -> CameraStatus
    /// Why the stream ended by itself, if it did.
    var failure: CamdError? { get }
    /// Why the running or the last recording ended by itself, if it did.
    var recordingFailure: CamdError? { get }
    /// Readable when either has.
    var failureDescriptor: Int32 { get }
    func close()
}

extension CameraSession: SessionControl {}

/// How a recording came out: what there is to say of it, and why it is not what it should be, if so.
struct RecordingOutcome: Sendable {
    var status: CameraStatus
    var failure: CamdError?
}

extension SessionControl {
    /// Ends the recording and finishes its file; blocks. Throws where none was running.
    func finishRecording() throws(CamdError) -> RecordingOutcome {
        let recording = try stopRecording()
        var status = status()
        status.recording = recording
        guard recording.state != "finished" || failure != nil else { return RecordingOutcome(status: status) }
        let reason = recording.error ?? "the recording failed"
        return RecordingOutcome(
            status: status,
            failure: recordingFailure ?? failure
                ?? CamdError(.inputOutput, subject: recording.file, reason: reason))
    }
}

/// The list of cameras that `Status`, `Start`, `Split` and `Stop` reply.
struct CamerasReply: Codable, Sendable, Equatable {
    var cameras: [CameraStatus]
}

/// What `Snapshot` replies.
struct PhotoReply: Codable, Sendable, Equatable {
    var photo: SnapshotResult
}

/// What `List` replies, and `camd list --json` prints.
struct ListReply: Codable, Sendable, Equatable {
    var cameras: [CameraListing]
}
