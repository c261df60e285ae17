import CaptureCore
import Glibc
import LinuxSystem
import Recording
import Synchronization
import Testing

@testable import camd

/// A camera that is none: it does what it is told to, and remembers it.
final class FakeSession: SessionControl {
    struct State {
        var recording: CameraStatus.Recording?
        var failure: CamdError?
        var recordingFailure: CamdError?
        var files: [String] = []
        var modes: [StreamMode] = []
        var segments: [SegmentRule] = []
        var photos: [String] = []
        var closed = 0
        var photoMilliseconds: UInt32 = 0
    }

    let state = Mutex(State())
    let bell: EventFD

    init() throws { bell = try EventFD() }

    func startRecording(_ request: RecordingRequest) throws(CamdError) {
        let isTaken = state.withLock { state in
            guard state.recording?.state != "recording" else { return false }
            state.recording = .init(
                file: request.file, state: "recording", frames: 0, lost: [:], bytes: 0, seconds: 0,
                encoder: request.encoder, error: nil)
            state.recordingFailure = nil
            state.files.append(request.file)
            state.modes.append(request.mode)
            state.segments.append(request.segments)
            return true
        }
        if !isTaken { throw CamdError(.temporary, subject: "camera fake", reason: "it is being recorded already") }
    }

    func splitRecording() throws(CamdError) -> CameraStatus.Recording {
        let recording = state.withLock { state -> CameraStatus.Recording? in
            guard state.recording?.state == "recording" else { return nil }
            state.recording?.files += 1
            return state.recording
        }
        guard let recording else {
            throw CamdError(.unavailable, subject: "camera fake", reason: "it is not being recorded")
        }
        return recording
    }

    func stopRecording() throws(CamdError) -> CameraStatus.Recording {
        let recording = state.withLock { state -> CameraStatus.Recording? in
            guard var recording = state.recording, recording.state == "recording" else { return nil }
            recording.state = state.recordingFailure == nil && state.failure == nil ? "finished" : "failed"
            recording.error = state.recordingFailure?.reason
            recording.frames = 42
            recording.seconds = 1.4
            state.recording = recording
            return recording
        }
        guard let recording else {
            throw CamdError(.unavailable, subject: "camera fake", reason: "it is not being recorded")
        }
        return recording
    }

    func snapshot(to file: String, quality: Int) throws(CamdError) -> SnapshotResult {
        usleep(state.withLock { $0.photoMilliseconds } * 1_000)
        state.withLock { $0.photos.append(file) }
        return SnapshotResult(file: file, width: 640, height: 480, bytes: 12_345, sequence: 7, milliseconds: 33.5)
    }

    func status() -> CameraStatus {
        CameraStatus.fake(recording: state.withLock { $0.recording })
    }

    var failure: CamdError? { state.withLock { $0.failure } }
    var recordingFailure: CamdError? { state.withLock { $0.recordingFailure } }
    var failureDescriptor: Int32 { bell.descriptor.rawValue }
    func close() { state.withLock { $0.closed += 1 } }

    /// What a real camera does when it is unplugged.
    func fail(_ error: CamdError) {
        state.withLock { $0.failure = error }
        bell.signal()
    }

    /// What a real camera does when the disk is full.
    func failRecording(_ error: CamdError) {
        state.withLock { $0.recordingFailure = error }
        bell.signal()
    }
}

extension CameraStatus {
    static func fake(recording: Recording? = nil) -> CameraStatus {
        CameraStatus(
            camera: "usb-fake-1", name: "Fake", driver: "fake", node: "/dev/video99", format: "YUYV", width: 640,
            height: 480, fps: 30, numbered: 103, frames: 100, dropped: 2, corrupt: 1, starved: 1, late: 0,
            bytesCopiedPerFrame: 0,
            buffers: .init(asked: 8, granted: 8),
            path: .init(capture: "import:system", gpu: "eglimage", output: "heap:system", video: "gpu"),
            refused: [.init(stage: "capture", path: "import:reserved", reason: "there is no such heap")],
            heap: "system", view: .init(PictureView(width: 640, height: 480), of: FrameSize(640, 480)),
            recording: recording)
    }
}

/// A temporary folder.
struct Folder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/camd-test-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    func remove() {
        for name in ["control", "sub/control", "file"] { unlink(path + "/" + name) }
        rmdir(path + "/sub")
        rmdir(path)
    }
}
