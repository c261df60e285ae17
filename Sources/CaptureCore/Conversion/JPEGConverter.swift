import CTurboJPEG
import LinuxSystem

/// Decodes JPEG frames into the planes that a JPEG has inside: 4:2:0 into YU12, 4:2:2 into 422P, grey into GREY, with no
/// conversion of colours. What no planar format of ours has the shape of (4:4:4, 4:4:0, 4:1:1, RGB) becomes RGBX.
final class JPEGConverter: FrameConverter, @unchecked Sendable {
    let name = "jpeg"
    let layout: FrameLayout
    private var decompressor: JPEGDecompressor
    /// What each frame has to be like.
    private let header: JPEGHeader

    /// For a stream whose frames are like this one.
    /// `camera`: the layout of what the camera delivers; its size is what it was set to.
    /// - Throws: `.unavailable` for a JPEG of another size, or with four colours (CMYK).
    init(_ camera: FrameLayout, like header: JPEGHeader) throws(CamdError) {
        guard (header.width, header.height) == (camera.width, camera.height) else {
            throw CamdError(
                .unavailable, subject: "JPEG decoder",
                reason: "the camera was set to \(camera.sizeText) and its JPEGs are \(header.width)x\(header.height)",
                remedy: "Choose another --size or --pixel-format.")
        }
        guard let layout = Self.layout(camera, header) else {
            throw CamdError(
                .unavailable, subject: "JPEG decoder", reason: "the camera's JPEGs have four colours (CMYK)",
                remedy: "Choose another --pixel-format.")
        }
        self.layout = layout
        self.header = header
        decompressor = try JPEGDecompressor()
    }

    /// How the decoded picture lies; nil for what is no picture of three colours.
    static func layout(_ camera: FrameLayout, _ header: JPEGHeader) -> FrameLayout? {
        let colorspace = TJCS(UInt32(bitPattern: header.colorspace))
        guard colorspace == TJCS_YCbCr || colorspace == TJCS_GRAY || colorspace == TJCS_RGB else { return nil }
        let isYUV = colorspace != TJCS_RGB
        switch TJSAMP(UInt32(bitPattern: header.sampling)) {
        case TJSAMP_GRAY: return planar(camera, .grey, across: 1, down: 1)
        case TJSAMP_420 where isYUV: return planar(camera, .yuv420, across: 2, down: 2)
        case TJSAMP_422 where isYUV: return planar(camera, .yuv422P, across: 2, down: 1)
        default:
            // libturbojpeg makes RGB of JFIF's numbers, whatever the driver says that they mean.
            let plane = PlaneLayout(
                buffer: 0, offset: 0, stride: aligned(camera.width * 4), rowBytes: camera.width * 4, rows: camera.height
            )
            return FrameLayout(
                format: .rgbx32, width: camera.width, height: camera.height, planes: [plane],
                bufferSizes: [plane.stride * plane.rows], color: .sRGB)
        }
    }

    private static func planar(
        _ camera: FrameLayout, _ format: PixelFormat, across: Int, down: Int
    ) -> FrameLayout {
        let (columns, rows) = ((camera.width + across - 1) / across, (camera.height + down - 1) / down)
        let luma = PlaneLayout(
            buffer: 0, offset: 0, stride: aligned(camera.width), rowBytes: camera.width, rows: camera.height)
        // The decoder writes luma for whole chroma samples: one row more where the height is odd.
        var planes = [luma]
        var end = luma.stride * rows * down
        for _ in 0..<(format == .grey ? 0 : 2) {
            let stride = aligned(columns)
            planes.append(PlaneLayout(buffer: 0, offset: end, stride: stride, rowBytes: columns, rows: rows))
            end += stride * rows
        }
        return FrameLayout(
            format: format, width: camera.width, height: camera.height, planes: planes, bufferSizes: [end],
            color: camera.color)
    }

    /// Rows begin where every GPU can import them.
    private static func aligned(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }

    func convert(_ frame: UnsafeRawBufferPointer, into picture: UnsafeMutableRawBufferPointer) -> ConversionOutcome {
        guard !frame.isEmpty, picture.count >= layout.bufferSizes[0], let base = picture.baseAddress else {
            return .damaged(.length)
        }
        // Before anything is decoded: a header costs little, whatever size it claims.
        guard let found = decompressor.header(frame) else {
            decompressor.reset()
            return .damaged(.header)
        }
        guard found == header else { return .damaged(.kind) }
        let bytes = base.assumingMemoryBound(to: UInt8.self)
        let isWhole: Bool
        if layout.format == .rgbx32 {
            isWhole = decompressor.decode(frame, found, rgbx: bytes, stride: layout.planes[0].stride)
        } else {
            var planes: InlineArray<3, UnsafeMutablePointer<UInt8>?> = .init(repeating: nil)
            var strides: InlineArray<3, CInt> = .init(repeating: 0)
            for index in layout.planes.indices {
                planes[index] = bytes + layout.planes[index].offset
                strides[index] = CInt(layout.planes[index].stride)
            }
            isWhole = decompressor.decode(frame, found, into: &planes, strides: &strides)
        }
        guard isWhole else {
            decompressor.reset()
            return .damaged(.contents)
        }
        return .made(bytes: pictureBytes)
    }

    private var pictureBytes: Int { layout.planes.reduce(0) { $0 + $1.rowBytes * $1.rows } }
}
