import CaptureCore
import Glibc
import LinuxSystem
import Recording

/// A recording that runs: the recorder, and what got lost on the way to it.
final class ActiveRecording: VideoSink {
    private let recorder: Recorder
    private let feed: Feed
    private let source: any FrameSource
    /// The stage's counts when the recording began: what it lost before is not this file's.
    private let before: GPUStage.Counts
    private let converted: FrameConversion?

    /// Where its frames come from.
    private enum Feed {
        case gpu(GPUStage)
        case direct(DirectVideo)
    }

    /// Opens the file and the encoder. `failed` is signalled when the recording ends by itself; `log` gets what became of
    /// files in the same folder that a recording left which was killed.
    init(
        _ request: RecordingRequest, _ stream: CameraStream, failed: EventCounter,
        log: (@Sendable (String) -> Void)? = nil
    ) throws(CamdError) {
        let layout: FrameLayout
        let slots: Int
        if !stream.isDirect, let gpu = stream.gpu, let pictures = gpu.videoLayout {
            feed = .gpu(gpu)
            layout = pictures
            // All but two of the pictures may wait for the encoder: one the GPU draws, one is being encoded.
            slots = gpu.report.videoSlots - 2
            before = gpu.counts
        } else {
            feed = .direct(stream.direct)
            layout = stream.source.pool.layout
            slots = stream.source.pool.slotCount - stream.source.buffersOfItsOwn
            before = GPUStage.Counts()
        }
        var settings = EncoderSettings(name: request.encoder, options: request.encoderOptions)
        // The GPU's pictures are clean.
        if case .direct = feed {
            let writes = DriverWrites(stream.source.writes, isIncoherent: stream.request.isIncoherent)
            settings.publishesFrames = writes.needsPublishing
        }
        recorder = try Recorder(
            path: request.file, layout: layout, nominalFrameRate: stream.source.framesPerSecond ?? 30,
            encoder: settings, segments: request.segments, slotCount: slots,
            failureBell: failed)
        source = stream.source
        converted = stream.source.conversion
        Self.finishLeftovers(in: FileErrors.folder(of: recorder.path), log)
    }

    /// In a thread of its own, which nobody waits for: it may be ended at any moment, and the next start goes on.
    private static func finishLeftovers(in folder: String, _ log: (@Sendable (String) -> Void)?) {
        _ = try? OSThread("camd-leftovers", niceness: OSThread.workNiceness) {
            for outcome in Leftovers.finish(in: folder) {
                log?(
                    outcome.failure.map { "not finished: \($0.description)" }
                        ?? "\(outcome.path): finished, an earlier recording had not come to its end")
            }
        }
    }

    /// The next frame is the first one in the file.
    func begin() throws(CamdError) {
        switch feed {
        case .gpu(let gpu): try gpu.setVideoSink(self)
        case .direct(let direct): direct.set(self)
        }
    }

    /// No more frames come.
    func end() throws(CamdError) {
        switch feed {
        case .gpu(let gpu): try gpu.setVideoSink(nil)
        case .direct(let direct): direct.set(nil)
        }
    }

    func offer(_ frame: consuming FrameLease) { recorder.offer(frame) }

    var failure: CamdError? { recorder.failure }

    func abandon() { recorder.abandon() }

    /// Goes on in another file, and waits for that; false when it was not there within the limit.
    func cut(limitMilliseconds: Int) -> Bool {
        let before = recorder.status.files
        recorder.cut()
        let deadline = Deadline(afterMilliseconds: limitMilliseconds)
        while recorder.status.files == before {
            if deadline.hasPassed || recorder.failure != nil { return false }
            usleep(5000)
        }
        return true
    }

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
        var counts = before
        if case .gpu(let gpu) = feed { counts = gpu.counts }
        var lost: [String: UInt64] = [:]
        for (reason, count) in now.lost where count > 0 { lost[reason.rawValue] = count }
        let behind = counts.lostGPUBehind - before.lostGPUBehind
        let noBuffer = counts.lostNoOutputBuffer - before.lostNoOutputBuffer
        let failed = counts.lostGPUFailed - before.lostGPUFailed
        if failed > 0 { lost["gpu failed"] = failed }
        if behind > 0 { lost["gpu behind"] = behind }
        if noBuffer > 0 { lost["no output buffer"] = noBuffer }
        if let converted, let now = source.conversion {
            let behind = now.lostBehind - converted.lostBehind
            let noBuffer = now.lostNoBuffer - converted.lostNoBuffer
            if behind > 0 { lost["converter behind"] = behind }
            if noBuffer > 0 { lost["no converter buffer"] = noBuffer }
        }
        return CameraStatus.Recording(
            file: now.path, files: now.files, state: now.state.rawValue, frames: now.frames,
            syncedFrames: now.syncedFrames, lost: lost, bytes: UInt64(max(0, now.bytes)), seconds: now.seconds,
            syncedSeconds: now.syncedSeconds, encoder: now.encoder, bytesCopied: now.bytesCopied,
            encoderRestarts: now.encoderRestarts, error: now.failure?.description)
    }
}
