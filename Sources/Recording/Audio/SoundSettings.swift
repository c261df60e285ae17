import LinuxSystem

/// What is to be recorded beside the picture, and how.
public struct SoundSettings: Sendable, Hashable {
    /// ALSA's name of the device, such as `hw:CARD=Loopback,DEV=1`; `SoundCards.devices` lists them.
    public var device: String
    /// 1 or 2; nil: what the card has, at most 2.
    public var channels: Int?
    /// Bits for each second; nil: 64000 for each channel.
    public var bitRate: Int?
    /// Whether a device that is not there at the start is silent until it comes, and no error.
    public var mayBeAway: Bool

    public init(device: String, channels: Int? = nil, bitRate: Int? = nil, mayBeAway: Bool = false) {
        self.device = device
        self.channels = channels
        self.bitRate = bitRate
        self.mayBeAway = mayBeAway
    }
}

/// What has become of the sound so far.
public struct SoundStatus: Sendable, Hashable {
    public enum State: String, Sendable, Hashable {
        case capturing
        /// The device is not there, or delivers nothing: the track goes on in silence, and the device is tried again.
        case away
        /// The encoder failed; no more packets come. See `failure`.
        case failed
        case ended
    }

    public var device: String
    /// The encoder's name.
    public var encoder: String
    public var state: State
    /// Frames for each second that the card says it takes.
    public var rate: Int
    /// Of the card.
    public var channels: Int
    /// Frames that were read from the card.
    public var framesRead: UInt64
    /// Times that the card's buffer ran over. Silence stands for what is missing.
    public var overruns: UInt64
    /// Frames that were read and thrown away because the encoder had not taken those before. Silence stands for them.
    public var lostFrames: UInt64
    /// Times that the device went away, or was not there at first.
    public var timesAway: UInt64
    /// Of the track, put in for what is missing, whatever the reason.
    public var silentSeconds: Double
    /// How much longer the card's second is than CLOCK_MONOTONIC's, in millionths.
    public var driftPartsPerMillion: Double
    /// By how much the track is behind the card's frames at this moment (CLOCK_MONOTONIC): what is left to reconcile.
    public var errorSeconds: Double
    /// Packets that the encoder made.
    public var packets: UInt64
    /// Why the device was away the last time, or what ended the track.
    public var failure: CamdError?
}
