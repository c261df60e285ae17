/// Makes planes that the GPU reads of a frame that has none, with the CPU. For one thread at a time.
protocol FrameConverter: AnyObject, Sendable {
    /// How the status calls it.
    var name: String { get }
    /// What it makes: one buffer.
    var layout: FrameLayout { get }

    /// Writes the picture of `frame` into `picture`, which is as long as `layout` says or longer. What either of them
    /// holds decides nothing but the outcome: a frame is hostile.
    func convert(_ frame: UnsafeRawBufferPointer, into picture: UnsafeMutableRawBufferPointer) -> ConversionOutcome
}

/// What came of one frame.
enum ConversionOutcome: Sendable, Hashable {
    /// So many bytes were written.
    case made(bytes: Int)
    case damaged(FrameDamage)
}

/// Why no picture can be made of a frame.
enum FrameDamage: String, Sendable, Hashable {
    /// It has no bytes, fewer than a frame needs, or more than its buffer.
    case length = "its length is not that of a frame"
    case header = "it does not begin as a JPEG does"
    /// Another size, or other planes, than the stream has.
    case kind = "it is not of the stream's size and sampling"
    case contents = "its contents are broken"
}

/// The conversion that a stream's frames go through, and what it counted.
public struct FrameConversion: Sendable, Hashable {
    /// What does it and where the pictures lie, e.g. `jpeg:heap:system`.
    public var path: String
    /// What is done, for people.
    public var work: String
    /// Bytes that the CPU wrote, in all.
    public var bytesCopied: UInt64 = 0
    /// Frames that came when the converter had its hands full.
    public var lostBehind: UInt64 = 0
    /// Frames that found no buffer for their picture.
    public var lostNoBuffer: UInt64 = 0
}
