import CaptureCore
import LinuxSystem
import Synchronization

/// What the threads of a recording share. It lives until the last of them has ended, which may be after its
/// `Recorder` is gone.
///
///     producer --Ring<FrameLease>--> camd-encode --Ring<EncodedPacket>--> camd-write --> file
final class RecorderCore: @unchecked Sendable {
    /// How far the recording is. It only rises, but for one that has ended.
    enum Gate: Int {
        case open
        /// No more frames; those that are there are still encoded.
        case finishing
        /// An error of the encoder's or the file's ended it.
        case failed
        /// Nothing more is encoded or written.
        case abandoned
    }

    /// How much may wait for the disk before frames are refused at the encoder's entry.
    struct Limits: Sendable {
        var packets: Int
        var bytes: Int

        /// Eight seconds of frames, so that a disk that stalls for five costs none.
        init(nominalFrameRate: Double) {
            packets = max(64, Int(nominalFrameRate * 8))
            bytes = 64 << 20
        }

        init(packets: Int, bytes: Int) {
            self.packets = packets
            self.bytes = bytes
        }
    }

    // What an encoder may give at once beyond the limit: it delays some frames.
    private static let spare = 64

    // Each used by one thread only: camd-encode, camd-write.
    let encoder: any FrameEncoder
    let files: FileSequence

    /// When files end, and what the clock said when the recording began.
    let rule: SegmentRule
    let startNanoseconds: UInt64
    /// How often somebody asked for a cut.
    let cutsWanted = Atomic<Int>(0)
    let currentPath: Mutex<String>

    let limits: Limits
    let frames: Ring<FrameLease>
    let packets: Ring<EncodedPacket>
    let queuedBytes = Atomic<Int>(0)
    let tally = Tally()

    let frameBell: EventFD
    let packetBell: EventFD
    let roomBell: EventFD
    /// Signalled once, when both threads are through.
    let endBell: EventFD
    let failureBell: EventCounter?

    private let gateValue = Atomic<Int>(Gate.open.rawValue)
    /// Set while the producer is between its look at the gate and its push.
    let isOffering = Atomic<Bool>(false)
    let isRoomWanted = Atomic<Bool>(false)
    let hasWriterFailed = Atomic<Bool>(false)
    let hasEncoderEnded = Atomic<Bool>(false)
    let hasEnded = Atomic<Bool>(false)
    private let firstFailure = Mutex<CamdError?>(nil)

    init(
        encoder: any FrameEncoder, files: FileSequence, rule: SegmentRule, startNanoseconds: UInt64, frameSlots: Int,
        limits: Limits, failureBell: EventCounter?
    ) throws(CamdError) {
        self.encoder = encoder
        self.files = files
        self.rule = rule
        self.startNanoseconds = startNanoseconds
        currentPath = Mutex(files.path)
        tally.bytes.store(files.bytes, ordering: .relaxed)
        self.limits = limits
        self.failureBell = failureBell
        frames = Ring(capacity: max(1, frameSlots))
        packets = Ring(capacity: limits.packets + Self.spare)
        frameBell = try EventFD()
        packetBell = try EventFD()
        roomBell = try EventFD()
        endBell = try EventFD()
    }

    var gate: Gate { Gate(rawValue: gateValue.load(ordering: .sequentiallyConsistent)) ?? .abandoned }

    /// Moves the gate up and wakes both threads.
    func raise(_ gate: Gate) {
        var now = gateValue.load(ordering: .sequentiallyConsistent)
        while now < gate.rawValue {
            let (done, seen) = gateValue.compareExchange(
                expected: now, desired: gate.rawValue, ordering: .sequentiallyConsistent)
            if done { break }
            now = seen
        }
        frameBell.signal()
        packetBell.signal()
        roomBell.signal()
    }

    var failure: CamdError? { firstFailure.withLock { $0 } }

    /// Ends the recording with an error, the first of which is kept.
    func fail(_ error: CamdError) {
        remember(error)
        raise(.failed)
        failureBell?.signal()
    }

    func remember(_ error: CamdError) {
        firstFailure.withLock { if $0 == nil { $0 = error } }
    }

    // MARK: - the producer's thread

    /// Takes a frame, or counts it as lost. At most one wake-up; no lock, no wait.
    func offer(_ frame: consuming FrameLease) {
        // The encoder's thread looks at the two in the other order before it ends, so that it sees every frame that
        // is pushed. See `encodeFrames`.
        isOffering.store(true, ordering: .sequentiallyConsistent)
        guard gate == .open else {
            isOffering.store(false, ordering: .sequentiallyConsistent)
            tally.lose(.over)
            return
        }
        let refused = frames.push(frame)
        isOffering.store(false, ordering: .sequentiallyConsistent)
        if refused == nil { frameBell.signal() } else { tally.lose(.encoderBehind) }
    }

    func status(encoderName: String) -> RecordingStatus {
        // The order matters: an ended recording's failure is set before its end is, and of what comes later there is more.
        let ended = hasEnded.load(ordering: .acquiring)
        let failure = failure
        let frames = tally.frames.load(ordering: .relaxed)
        let microseconds = tally.microseconds.load(ordering: .relaxed)
        let files = tally.files.load(ordering: .acquiring)
        return RecordingStatus(
            path: currentPath.withLock { $0 }, files: files, encoder: encoderName,
            state: failure != nil ? .failed : ended ? .finished : .recording, frames: frames,
            syncedFrames: tally.syncedFrames.load(ordering: .relaxed), lost: tally.lost,
            bytes: tally.bytes.load(ordering: .relaxed), seconds: Double(microseconds) / 1e6,
            syncedSeconds: Double(tally.syncedMicroseconds.load(ordering: .relaxed)) / 1e6,
            bytesCopied: tally.bytesCopied.load(ordering: .relaxed), encoderRestarts: encoder.restarts, failure: failure
        )
    }
}
