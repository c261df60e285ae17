/// What the driver says of one frame. It goes with the frame through all stages.
public struct FrameMetadata: Sendable, Hashable {
    /// The driver's number of the frame; a gap is frames that it dropped.
    public var sequence: UInt32
    /// The driver's time of the frame, CLOCK_MONOTONIC unless the stream says otherwise.
    public var timestampNanoseconds: UInt64
    /// Bytes that the driver wrote, of the first plane.
    public var bytesUsed: Int
    /// When camd took the frame from the driver (DQBUF), CLOCK_MONOTONIC.
    public var dequeuedNanoseconds: UInt64

    public init(sequence: UInt32, timestampNanoseconds: UInt64, bytesUsed: Int, dequeuedNanoseconds: UInt64) {
        self.sequence = sequence
        self.timestampNanoseconds = timestampNanoseconds
        self.bytesUsed = bytesUsed
        self.dequeuedNanoseconds = dequeuedNanoseconds
    }

    public static let none = FrameMetadata(
        sequence: 0, timestampNanoseconds: 0, bytesUsed: 0, dequeuedNanoseconds: 0)
}
