/// What the driver says of one frame. It goes with the frame through all stages.
public struct FrameMetadata: Sendable, Hashable {
    /// The driver's number of the frame; a gap is frames that it dropped.
    public var sequence: UInt32
    /// The driver's time of the frame, CLOCK_MONOTONIC unless the stream says otherwise.
    public var timestampNanoseconds: UInt64
    /// Bytes that the driver wrote, of the first plane.
    public var bytesUsed: Int
    /// Where in the first plane what it wrote begins, as it tells with each frame (`data_offset`); counted in `bytesUsed`.
    /// Of frames with no planes alone: in a layout with planes their offsets have it.
    public var dataOffset = 0
    /// When camd took the frame from the driver (DQBUF), CLOCK_MONOTONIC.
    public var dequeuedNanoseconds: UInt64

    public init(sequence: UInt32, timestampNanoseconds: UInt64, bytesUsed: Int, dequeuedNanoseconds: UInt64) {
        self.sequence = sequence
        self.timestampNanoseconds = timestampNanoseconds
        self.bytesUsed = bytesUsed
        self.dequeuedNanoseconds = dequeuedNanoseconds
    }

    /// Where the frame's bytes lie in a buffer of `length` bytes; nil when there are none, or the driver's numbers do not
    /// fit.
    func used(of length: Int) -> Range<Int>? {
        guard dataOffset >= 0, bytesUsed > dataOffset, bytesUsed <= length else { return nil }
        return dataOffset..<bytesUsed
    }

    public static let none = FrameMetadata(
        sequence: 0, timestampNanoseconds: 0, bytesUsed: 0, dequeuedNanoseconds: 0)
}
