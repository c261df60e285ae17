import CV4L2
import LinuxSystem

extension VideoNode {
    /// Checks what a driver says of its format and turns it into a layout: a driver is hostile like any other input.
    func layout(of format: v4l2_format) throws(CamdError) -> FrameLayout {
        var strides: [Int] = []
        var sizes: [Int] = []
        let width: Int
        let height: Int
        let fourcc: PixelFormat
        let color: (UInt32, UInt32, UInt32, UInt32)
        if isMultiPlanar {
            let mp = format.fmt.pix_mp
            (width, height, fourcc) = (Int(mp.width), Int(mp.height), PixelFormat(rawValue: mp.pixelformat))
            withUnsafeBytes(of: mp.plane_fmt) { bytes in
                // struct v4l2_plane_pix_format: sizeimage, bytesperline, 6 reserved words of 16 bits; packed, 20 bytes.
                for plane in 0..<min(Int(mp.num_planes), 8) {
                    sizes.append(Int(bytes.loadUnaligned(fromByteOffset: plane * 20, as: UInt32.self)))
                    strides.append(Int(bytes.loadUnaligned(fromByteOffset: plane * 20 + 4, as: UInt32.self)))
                }
            }
            color = (mp.colorspace, UInt32(mp.xfer_func), UInt32(mp.ycbcr_enc), UInt32(mp.quantization))
        } else {
            let pix = format.fmt.pix
            (width, height, fourcc) = (Int(pix.width), Int(pix.height), PixelFormat(rawValue: pix.pixelformat))
            sizes = [Int(pix.sizeimage)]
            strides = [Int(pix.bytesperline)]
            color = (pix.colorspace, pix.xfer_func, pix.ycbcr_enc, pix.quantization)
        }
        let shape = FormatShape(fourcc)
        let isJPEG = fourcc.isJPEG
        let colorimetry = Colorimetry(
            colorspace: color.0, transfer: color.1,
            // What a driver leaves open of a JPEG is as JFIF has it.
            encoding: isJPEG && color.2 == 0 ? V4L2_YCBCR_ENC_601.rawValue : color.2,
            quantization: isJPEG && color.3 == 0 ? V4L2_QUANTIZATION_FULL_RANGE.rawValue : color.3,
            isRGB: shape?.isRGB ?? false, isGrey: shape?.isGrey ?? false)
        let known =
            shape == nil
            ? FrameLayout(opaque: fourcc, width: width, height: height, bufferSizes: sizes, color: colorimetry)
            : FrameLayout(
                fourcc, width: width, height: height, strides: strides, bufferSizes: sizes, color: colorimetry)
        guard let layout = known else {
            throw CamdError(
                .unavailable, subject: subject, call: "VIDIOC_S_FMT",
                reason:
                    "the driver's format makes no sense: \(fourcc) \(width)x\(height), strides \(strides), sizes \(sizes)",
                remedy: "This is a fault of the driver \(driver); try another --pixel-format or --size.")
        }
        return layout
    }
}

extension VideoNode {
    /// A multi-planar format as the single-planar one that says the same of its first plane.
    func singlePlanar(_ format: v4l2_format) -> v4l2_pix_format {
        guard isMultiPlanar else { return format.fmt.pix }
        let mp = format.fmt.pix_mp
        var pix = v4l2_pix_format()
        (pix.width, pix.height, pix.pixelformat, pix.field) = (mp.width, mp.height, mp.pixelformat, mp.field)
        (pix.sizeimage, pix.bytesperline) = (mp.plane_fmt.0.sizeimage, mp.plane_fmt.0.bytesperline)
        (pix.colorspace, pix.xfer_func) = (mp.colorspace, UInt32(mp.xfer_func))
        (pix.ycbcr_enc, pix.quantization) = (UInt32(mp.ycbcr_enc), UInt32(mp.quantization))
        return pix
    }
}

extension FrameLayout {
    /// A frame that has no planes: compressed, or of a format whose inside is not known here. How long each is, its
    /// metadata tells. Nil when the numbers make no sense. `bufferSizes`: the one buffer's, in bytes.
    public init?(opaque format: PixelFormat, width: Int, height: Int, bufferSizes: [Int], color: Colorimetry) {
        guard (1...65536).contains(width), (1...65536).contains(height), bufferSizes.count == 1,
            (1...1 << 30).contains(bufferSizes[0])
        else { return nil }
        self.init(format: format, width: width, height: height, planes: [], bufferSizes: bufferSizes, color: color)
    }

    /// It has no planes: see `init(opaque:)`.
    public var isOpaque: Bool { planes.isEmpty }

    /// The same frame with its planes moved by what the driver says (`data_offset` of a multi-planar buffer): bytes from
    /// the start of each buffer to its picture. Nil when a plane would not fit any more.
    func moved(by dataOffsets: [Int]) -> FrameLayout? {
        var layout = self
        for index in layout.planes.indices {
            let buffer = layout.planes[index].buffer
            layout.planes[index].offset += buffer < dataOffsets.count ? dataOffsets[buffer] : 0
            guard layout.planes[index].end <= bufferSizes[buffer] else { return nil }
        }
        return layout
    }

    /// Lays out a format's planes one after the other, as V4L2 does; nil when the numbers do not fit together.
    /// `strides`: of each buffer's first plane, in bytes; 0 is the row's own length. `bufferSizes`: bytes of each buffer;
    /// 0 is what the planes need.
    public init?(
        _ format: PixelFormat, width: Int, height: Int, strides: [Int] = [0], bufferSizes: [Int] = [0],
        color: Colorimetry
    ) {
        guard let shape = FormatShape(format), (1...65536).contains(width), (1...65536).contains(height),
            strides.count == bufferSizes.count, strides.count == (shape.isSplit ? shape.planes.count : 1)
        else { return nil }
        var planes: [PlaneLayout] = []
        var offset = 0
        for (index, plane) in shape.planes.enumerated() {
            let rowBytes = (width + plane.pixels - 1) / plane.pixels * plane.bytes
            let buffer = shape.isSplit ? index : 0
            if shape.isSplit { offset = 0 }
            var stride = strides[buffer]
            if !shape.isSplit { stride = stride * plane.strideNumerator / plane.strideDenominator }
            if stride == 0 { stride = rowBytes }
            guard stride >= rowBytes else { return nil }
            let rows = (height + plane.rowsShared - 1) / plane.rowsShared
            planes.append(PlaneLayout(buffer: buffer, offset: offset, stride: stride, rowBytes: rowBytes, rows: rows))
            offset += stride * rows
        }
        var sizes = bufferSizes
        for (index, size) in bufferSizes.enumerated() {
            let needed = planes.filter { $0.buffer == index }.map(\.end).max() ?? 0
            if size == 0 {
                sizes[index] =
                    planes.filter { $0.buffer == index }.map { $0.offset + $0.stride * $0.rows }.max() ?? needed
            } else if size < needed {
                return nil
            }
        }
        self.init(format: format, width: width, height: height, planes: planes, bufferSizes: sizes, color: color)
    }
}
