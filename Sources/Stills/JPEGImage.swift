import CTurboJPEG
import LinuxSystem

/// A JPEG file in memory; owns what libturbojpeg allocated (tjFree(3)).
public struct JPEGImage: ~Copyable, @unchecked Sendable {
    /// Pixels.
    public let width: Int
    /// Pixels.
    public let height: Int
    /// Bytes of the frame that had to be copied: 0 but for sizes that are not even.
    public internal(set) var bytesCopied = 0
    var bytes: UnsafeMutablePointer<UInt8>?
    var length: CUnsignedLong = 0

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    deinit { tjFree(bytes) }

    /// Bytes of the file.
    public var count: Int { Int(length) }

    /// Gives the file's bytes to `body`; the span does not outlive it.
    public func withBytes<R>(_ body: (RawSpan) throws(CamdError) -> R) throws(CamdError) -> R {
        try body(UnsafeRawBufferPointer(start: bytes, count: count).bytes)
    }
}
