import CaptureCore
import LinuxSystem
import Synchronization

/// Records frames into a file: compresses them in a thread of its own, and writes in another, so that neither a slow
/// encoder nor a slow disk holds up whoever offers frames. A frame that finds no room is lost and counted.
///
/// The file's times are the driver's: the first frame is at 0, the others as far from it as their
/// `timestampNanoseconds` are, gaps included.
public final class Recorder: Sendable {
    /// Of the first file.
    public let path: String
    /// The encoder's name.
    public let encoder: String
    private let core: RecorderCore
    private let threads: Mutex<[OSThread]>

    /// Opens the encoder, makes the file (by its ending: .mkv, .mp4 in fragments, .ts), writes its header and starts
    /// the threads `camd-encode` and `camd-write`. A file that is there is replaced, if there is no time in its name.
    /// - Parameters:
    ///   - path: of the file, or of the files: see `FileNames`.
    ///   - layout: of all frames that will be offered.
    ///   - nominalFrameRate: frames for each second, 0.01 to 1000; one key frame for each second of it.
    ///   - segments: when another file is begun.
    ///   - slotCount: how many frames may wait for the encoder; so many buffers are held back from their pool.
    ///   - failureBell: signalled when the recording ends by itself (disk full, an error of the encoder's).
    /// - Throws: `.usage` for a file ending or an option that does not exist, `.unavailable` for an encoder that does
    ///   not exist or takes no such frames, `.cannotCreate` or `.inputOutput` for a file that cannot be made.
    public convenience init(
        path: String, layout: FrameLayout, nominalFrameRate: Double, encoder: EncoderSettings = EncoderSettings(),
        segments: SegmentRule = SegmentRule(), slotCount: Int, failureBell: EventCounter? = nil
    ) throws(CamdError) {
        try self.init(
            path: path, layout: layout, nominalFrameRate: nominalFrameRate, encoder: encoder, segments: segments,
            slotCount: slotCount, failureBell: failureBell, limits: nil, calls: OutputFile.Calls())
    }

    init(
        path: String, layout: FrameLayout, nominalFrameRate: Double, encoder settings: EncoderSettings,
        segments: SegmentRule = SegmentRule(), slotCount: Int, failureBell: EventCounter?, limits: RecorderCore.Limits?,
        calls: OutputFile.Calls
    ) throws(CamdError) {
        let container = try Container(path: path)
        let names = try FileNames(path)
        try names.check(segments)
        // Before the file: a wrong name leaves an older recording as it is.
        let encoder = try Encoders.open(
            settings, layout: layout, nominalFrameRate: nominalFrameRate, globalHeader: container.hasGlobalHeader,
            slots: slotCount)
        let start = Clock.realtimeNanoseconds()
        let files = try FileSequence(names, container, encoder.stream, startNanoseconds: start, calls: calls)
        let core = try RecorderCore(
            encoder: encoder, files: files, rule: segments, startNanoseconds: start,
            frameSlots: slotCount - (encoder.depth - 1),
            limits: limits ?? RecorderCore.Limits(nominalFrameRate: nominalFrameRate), failureBell: failureBell)
        self.path = files.path
        self.encoder = encoder.name
        self.core = core
        let writer = try OSThread("camd-write") { core.writePackets() }
        do throws(CamdError) {
            threads = Mutex([
                writer, try OSThread("camd-encode", niceness: OSThread.workNiceness) { core.encodeFrames() },
            ])
        } catch {
            core.raise(.abandoned)
            core.hasEncoderEnded.store(true, ordering: .releasing)
            core.packetBell.signal()
            writer.join()
            throw error
        }
    }

    deinit {
        guard !core.hasEnded.load(ordering: .acquiring) else { return join() }
        abandon()
        // A thread that a disk or a device holds keeps what it needs alive, and ends when it is let go.
        if hasEnded(within: Deadline(afterMilliseconds: 2000)) { join() }
    }

    /// Takes a frame, or counts it as lost. Never waits, and makes at most one system call, a wake-up. To be called by
    /// one thread only.
    public func offer(_ frame: consuming FrameLease) { core.offer(frame) }

    /// Counts and state at this moment. From any thread; does not wait.
    public var status: RecordingStatus { core.status(encoderName: encoder) }

    /// Begins another file with one of the next frames, and returns at once; `status.files` tells when it has begun.
    public func cut() { core.cutsWanted.wrappingAdd(1, ordering: .relaxed) }

    /// What ended it by itself; nil as long as all is well.
    public var failure: CamdError? { core.failure }

    /// Ends the recording: takes no more frames, encodes those that wait, writes the index, syncs and closes the file.
    /// - Returns: the final counts.
    /// - Throws: what ended the recording earlier; `.temporary` when it is not through within the limit, after which
    ///   it goes on in the background: call this again, or `abandon`.
    @discardableResult
    public func finish(limitMilliseconds: Int) throws(CamdError) -> RecordingStatus {
        core.raise(.finishing)
        guard hasEnded(within: Deadline(afterMilliseconds: limitMilliseconds)) else {
            let isEncoder = !core.hasEncoderEnded.load(ordering: .acquiring)
            let folder = FileErrors.folder(of: path)
            throw CamdError(
                .temporary, subject: path,
                reason: "\(isEncoder ? "encoder \(encoder)" : "the disk") is not through after "
                    + "\(Double(limitMilliseconds) / 1000) s; the file is as it stands",
                remedy: isEncoder ? "Choose a smaller frame or a faster encoder." : "Check the disk of \(folder).")
        }
        join()
        if let failure { throw failure }
        return status
    }

    /// Ends the recording at once, and does not wait for that: what is not written yet is lost, and the file is cut
    /// off after its last whole part, with no index.
    public func abandon() {
        guard !core.hasEnded.load(ordering: .acquiring) else { return }
        core.remember(
            CamdError(
                .temporary, subject: path,
                reason: "the recording was broken off; the file has what was written so far"))
        core.raise(.abandoned)
    }

    private func hasEnded(within deadline: Deadline) -> Bool {
        while !core.hasEnded.load(ordering: .acquiring) {
            // The bell is never cleared: all who wait see it.
            let bell = core.endBell.descriptor.rawValue
            _ = try? wait(for: .input, on: bell, milliseconds: deadline.remainingMilliseconds)
            if deadline.hasPassed { return core.hasEnded.load(ordering: .acquiring) }
        }
        return true
    }

    private func join() {
        let ended = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in ended { thread.join() }
    }
}
