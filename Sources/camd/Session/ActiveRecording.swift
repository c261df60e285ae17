import CaptureCore
import LinuxSystem
import Recording

/// A recording that runs: the recorder, and what got lost on the way to it.
final class ActiveRecording: VideoSink {
    private let recorder: Recorder
    private let gpu: GPUStage
    private let source: any FrameSource
    /// The stage's counts when the recording began: what it lost before is not this file's.
    private let before: GPUStage.Counts
    private let converted: FrameConversion?

    /// Opens the file and the encoder. `failed` is signalled when the recording ends by itself.
    init(
        _ request: RecordingRequest, gpu: GPUStage, source: any FrameSource, failed: EventCounter
    ) throws(CamdError) {
        // All but two of the pictures may wait for the encoder: one the GPU draws, one is being encoded.
        recorder = try Recorder(
            path: request.file, layout: gpu.videoLayout, nominalFrameRate: source.framesPerSecond ?? 30,
            encoder: EncoderSettings(name: request.encoder), slotCount: gpu.report.videoSlots - 2, failureBell: failed)
        self.gpu = gpu
        self.source = source
        before = gpu.counts
        converted = source.conversion
    }

    func offer(_ frame: consuming FrameLease) { recorder.offer(frame) }

    var failure: CamdError? { recorder.failure }

    func abandon() { recorder.abandon() }

    /// Drains and closes, and tells what came of it; a failure stands in the answer.
    func finish(limitMilliseconds: Int) -> CameraStatus.Recording {
        do throws(CamdError) {
            try recorder.finish(limitMilliseconds: limitMilliseconds)
            return status
        } catch {
            recorder.abandon()
            var result = status
            result.state = "failed"
            result.error = result.error ?? error.description
            return result
        }
    }

    var status: CameraStatus.Recording {
        let now = recorder.status
        let counts = gpu.counts
        var lost: [String: UInt64] = [:]
        for (reason, count) in now.lost where count > 0 { lost[reason.rawValue] = count }
        let behind = counts.lostGPUBehind - before.lostGPUBehind
        let noBuffer = counts.lostNoOutputBuffer - before.lostNoOutputBuffer
        if behind > 0 { lost["gpu behind"] = behind }
        if noBuffer > 0 { lost["no output buffer"] = noBuffer }
        if let converted, let now = source.conversion {
            let behind = now.lostBehind - converted.lostBehind
            let noBuffer = now.lostNoBuffer - converted.lostNoBuffer
            if behind > 0 { lost["converter behind"] = behind }
            if noBuffer > 0 { lost["no converter buffer"] = noBuffer }
        }
        return CameraStatus.Recording(
            file: now.path, state: now.state.rawValue, frames: now.frames, lost: lost, bytes: UInt64(max(0, now.bytes)),
            seconds: now.seconds, encoder: now.encoder, error: now.failure?.description)
    }
}
