import LinuxSystem

/// Why a frame that was offered is not in the file.
public enum LossReason: String, Sendable, Hashable, CaseIterable {
    /// The encoder had not taken the frames before it.
    case encoderBehind = "encoder behind"
    /// The disk had not taken the packets before it.
    case diskBehind = "disk behind"
    /// The driver's time of it is not later than that of the frame before.
    case timestamp = "timestamp"
    /// The encoder failed at it, or did not give a packet for it.
    case encoderFailed = "encoder failed"
    /// The file failed, or was abandoned, before the frame was whole on the disk.
    case writeFailed = "write failed"
    /// It came after the recording was asked to end or had failed, or waited while it was abandoned.
    case over = "recording over"
}

/// What has become of a recording so far. At its end, frames offered = `frames` + all of `lost`.
public struct RecordingStatus: Sendable, Hashable {
    public enum State: String, Sendable, Hashable {
        /// Takes frames, or writes the last ones.
        case recording
        case finished
        /// Ended by itself or abandoned: see `failure`.
        case failed
    }

    /// The present file, or the last one.
    public var path: String
    /// How many files there are: segments, and what was cut by hand.
    public var files: Int
    /// The encoder's name.
    public var encoder: String
    public var state: State
    /// Frames that are in the files, or in the second of them that is not written out yet: never more than a second more
    /// than `syncedFrames`.
    public var frames: UInt64
    /// Frames that are on the disk, whatever happens to the machine.
    public var syncedFrames: UInt64
    /// Reasons that have not happened are not in it.
    public var lost: [LossReason: UInt64]
    /// Of all files.
    public var bytes: Int
    /// From the first frame's time to the end of the last one's, all files together.
    public var seconds: Double
    /// The same of what is on the disk.
    public var syncedSeconds: Double
    /// Bytes that had to be copied because the encoder cannot read frames in place; 0 is the rule.
    public var bytesCopied: UInt64
    /// How often the encoder hung and was begun anew.
    public var encoderRestarts: UInt64 = 0
    public var failure: CamdError?

    /// Frames that were offered and are not in the file.
    public var lostFrames: UInt64 { lost.values.reduce(0, +) }
}
