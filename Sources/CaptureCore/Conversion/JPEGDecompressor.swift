import CTurboJPEG
import Glibc
import LinuxSystem

/// What the header of a JPEG says of its picture.
struct JPEGHeader: Sendable, Hashable {
    var width: Int
    var height: Int
    /// TJSAMP_*.
    var sampling: CInt
    /// TJCS_*.
    var colorspace: CInt
}

/// One of libturbojpeg's decompressors (tjInitDecompress(3)). For one thread at a time.
struct JPEGDecompressor: ~Copyable {
    private var handle: tjhandle

    init() throws(CamdError) {
        guard let handle = tjInitDecompress() else {
            throw CamdError(
                .system, subject: "JPEG decoder", call: "tjInitDecompress",
                reason: tjGetErrorStr2(nil).map { String(cString: $0) } ?? "it could not be made")
        }
        self.handle = handle
    }

    deinit { tjDestroy(handle) }

    /// Begins anew: to be called after a JPEG that was damaged. The library (2.1.5) cannot be trusted to forget one: a header
    /// that ends within its quantization tables makes all that come after it an error, however good they are.
    mutating func reset() {
        // Without memory the old one is better than none.
        guard let new = tjInitDecompress() else { return }
        tjDestroy(handle)
        handle = new
    }

    /// Reads the header (tjDecompressHeader3(3)), and allocates nothing for the picture; nil where there is none.
    func header(_ jpeg: UnsafeRawBufferPointer) -> JPEGHeader? {
        guard let bytes = jpeg.baseAddress else { return nil }
        var header = JPEGHeader(width: 0, height: 0, sampling: -1, colorspace: -1)
        var (width, height): (CInt, CInt) = (0, 0)
        let result = tjDecompressHeader3(
            handle, bytes.assumingMemoryBound(to: UInt8.self), UInt(jpeg.count), &width, &height, &header.sampling,
            &header.colorspace)
        guard result == 0 || isHarmless, width > 0, height > 0, header.sampling >= 0, header.colorspace >= 0 else {
            return nil
        }
        (header.width, header.height) = (Int(width), Int(height))
        return header
    }

    /// Decodes into planes (tjDecompressToYUVPlanes(3)). The caller has seen the header: the planes are of its size, each
    /// side rounded up to whole chroma samples. False where the JPEG is damaged.
    func decode(
        _ jpeg: UnsafeRawBufferPointer, _ header: JPEGHeader,
        into planes: inout InlineArray<3, UnsafeMutablePointer<UInt8>?>,
        strides: inout InlineArray<3, CInt>
    ) -> Bool {
        var pointers = planes.mutableSpan
        var pitches = strides.mutableSpan
        let result = pointers.withUnsafeMutableBufferPointer { pointers in
            pitches.withUnsafeMutableBufferPointer { pitches in
                tjDecompressToYUVPlanes(
                    handle, jpeg.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt(jpeg.count),
                    pointers.baseAddress, CInt(header.width), pitches.baseAddress, CInt(header.height), Self.flags)
            }
        }
        return result == 0 || isHarmless
    }

    /// Decodes into bytes R, G, B and one that stands for nothing (tjDecompress2(3)).
    func decode(
        _ jpeg: UnsafeRawBufferPointer, _ header: JPEGHeader, rgbx: UnsafeMutablePointer<UInt8>, stride: Int
    ) -> Bool {
        let result = tjDecompress2(
            handle, jpeg.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt(jpeg.count), rgbx, CInt(header.width),
            CInt(stride), CInt(header.height), CInt(TJPF_RGBX.rawValue), Self.flags)
        return result == 0 || isHarmless
    }

    /// A progressive JPEG may have any number of passes, each over the whole picture: 500 are enough.
    private static let flags = CInt(TJFLAG_LIMITSCANS)

    /// Whether what was told last is a warning that leaves the picture whole: many cameras pad their frames with bytes that
    /// belong to nothing. All else that libjpeg warns of is damage.
    private var isHarmless: Bool {
        guard tjGetErrorCode(handle) == CInt(TJERR_WARNING.rawValue), let words = tjGetErrorStr2(handle) else {
            return false
        }
        return strstr(words, "extraneous bytes") != nil
    }
}
