import CTurboJPEG
import CaptureCore
import LinuxSystem

/// Compresses I420 frames to JPEG with libturbojpeg, from the planes as they lie: the numbers of a JPEG file are such
/// planes, so nothing is converted. For one thread at a time.
public struct JPEGEncoder: ~Copyable, @unchecked Sendable {
    private let handle: tjhandle

    /// The most that the JPEG format takes each way, in pixels (JPEG_MAX_DIMENSION).
    public static let mostPixels = 65_500

    /// tjInitCompress(3).
    public init() throws(CamdError) {
        guard let handle = tjInitCompress() else {
            throw CamdError(.system, subject: "JPEG encoder", call: "tjInitCompress", reason: Self.words(nil))
        }
        self.handle = handle
    }

    deinit { tjDestroy(handle) }

    /// Compresses one frame (tjCompressFromYUVPlanes(3)), 4:2:0, with the CPU's access open to its buffers.
    /// - Parameters:
    ///   - lease: of a `yuv420` frame: Y, U, V planes of any stride, full range, BT.601's matrix (`Colorimetry.jfif`).
    ///     Sides that are odd are taken: the luma is then copied once, because libturbojpeg reads whole blocks of 2x2.
    ///   - quality: 1 to 100.
    /// - Throws: `.usage` for a quality or a frame that a JPEG cannot have, `.software` for what libturbojpeg refuses.
    public mutating func encode(lease: borrowing FrameLease, quality: Int) throws(CamdError) -> JPEGImage {
        let layout = lease.layout
        let planes = try Self.check(layout, quality)
        var image = JPEGImage(width: layout.width, height: layout.height)
        var bases: InlineArray<4, UnsafeRawBufferPointer?> = .init(repeating: nil)
        try Self.opened(lease.buffers, layout, 0, &bases) { (bases) throws(CamdError) in
            var pointers: InlineArray<3, UnsafePointer<UInt8>?> = .init(repeating: nil)
            var strides: InlineArray<3, CInt> = .init(repeating: 0)
            for (index, plane) in planes.enumerated() {
                let bytes = bases[plane.buffer]!
                pointers[index] = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + plane.offset
                strides[index] = CInt(plane.stride)
            }
            let side = (width: (layout.width + 1) & ~1, height: (layout.height + 1) & ~1)
            guard side != (layout.width, layout.height) else {
                return try compress(&pointers, &strides, quality, &image)
            }
            let padded = Self.padded(pointers[0]!, planes[0].stride, layout, side.width, side.height)
            image.bytesCopied = padded.count
            strides[0] = CInt(side.width)
            try padded.withUnsafeBufferPointer { (luma) throws(CamdError) in
                pointers[0] = luma.baseAddress
                try compress(&pointers, &strides, quality, &image)
            }
        }
        return image
    }

    private func compress(
        _ planes: inout InlineArray<3, UnsafePointer<UInt8>?>, _ strides: inout InlineArray<3, CInt>, _ quality: Int,
        _ image: inout JPEGImage
    ) throws(CamdError) {
        var planes = planes.mutableSpan
        var strides = strides.mutableSpan
        let result = planes.withUnsafeMutableBufferPointer { planes in
            strides.withUnsafeMutableBufferPointer { strides in
                tjCompressFromYUVPlanes(
                    handle, planes.baseAddress, CInt(image.width), strides.baseAddress, CInt(image.height),
                    CInt(TJSAMP_420.rawValue), &image.bytes, &image.length, CInt(quality), 0)
            }
        }
        guard result == 0 else {
            throw CamdError(
                .software, subject: "JPEG of \(image.width)x\(image.height)", call: "tjCompressFromYUVPlanes",
                reason: Self.words(handle))
        }
    }

    /// The luma in rows of an even length, and an even number of them: the last pixel and the last row stand twice.
    private static func padded(
        _ source: UnsafePointer<UInt8>, _ stride: Int, _ layout: FrameLayout, _ width: Int, _ height: Int
    ) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: width * height) { target, count in
            for row in 0..<height {
                let from = source + min(row, layout.height - 1) * stride
                let to = target.baseAddress! + row * width
                to.initialize(from: from, count: layout.width)
                if width > layout.width { (to + layout.width).initialize(to: from[layout.width - 1]) }
            }
            count = width * height
        }
    }

    /// Opens the CPU's access to each buffer inside that of the one before.
    private static func opened(
        _ buffers: [DMABuf], _ layout: FrameLayout, _ index: Int,
        _ bases: inout InlineArray<4, UnsafeRawBufferPointer?>,
        _ body: (borrowing InlineArray<4, UnsafeRawBufferPointer?>) throws(CamdError) -> Void
    ) throws(CamdError) {
        guard index < layout.bufferSizes.count else { return try body(bases) }
        guard index < buffers.count, buffers[index].length >= layout.bufferSizes[index] else {
            throw CamdError(.software, subject: "frame buffer \(index)", reason: "it is smaller than the layout says")
        }
        try buffers[index].withBytes { (span) throws(CamdError) in
            bases[index] = span.withUnsafeBytes { $0 }
            try opened(buffers, layout, index + 1, &bases, body)
        }
    }

    private static func words(_ handle: tjhandle?) -> String {
        tjGetErrorStr2(handle).map { String(cString: $0) } ?? "no reason given"
    }
}
