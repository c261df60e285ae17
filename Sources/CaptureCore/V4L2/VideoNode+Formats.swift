import CV4L2
import LinuxSystem

/// A frame size that a driver offers, in pixels.
public struct FrameSize: Hashable, Sendable, CustomStringConvertible, Comparable {
    public var width: Int
    public var height: Int

    public init(_ width: Int, _ height: Int) {
        self.width = width
        self.height = height
    }

    public var area: Int { width * height }
    public var description: String { "\(width)x\(height)" }
    public static func < (a: FrameSize, b: FrameSize) -> Bool { (a.area, a.width) < (b.area, b.width) }
}

/// The sizes that a driver offers for one format (VIDIOC_ENUM_FRAMESIZES).
public enum FrameSizes: Hashable, Sendable {
    case discrete([FrameSize])
    case range(smallest: FrameSize, largest: FrameSize, stepWidth: Int, stepHeight: Int)
    /// The driver does not say.
    case unknown

    /// Whether a frame of this size can be had; nil when the driver does not say.
    public func contains(_ size: FrameSize) -> Bool? {
        switch self {
        case .discrete(let sizes): sizes.contains(size)
        case .range: nearest(to: size) == size
        case .unknown: nil
        }
    }

    /// The offered size that is nearest to a wanted one, by the difference of both edges.
    public func nearest(to size: FrameSize) -> FrameSize? {
        switch self {
        case .discrete(let sizes):
            return sizes.min { Self.distance($0, size) < Self.distance($1, size) }
        case .range(let smallest, let largest, let stepWidth, let stepHeight):
            return FrameSize(
                Self.snap(size.width, smallest.width, largest.width, stepWidth),
                Self.snap(size.height, smallest.height, largest.height, stepHeight))
        case .unknown: return nil
        }
    }

    private static func distance(_ a: FrameSize, _ b: FrameSize) -> Int {
        abs(a.width - b.width) + abs(a.height - b.height)
    }

    private static func snap(_ value: Int, _ low: Int, _ high: Int, _ step: Int) -> Int {
        let clamped = min(max(value, low), high)
        guard step > 1 else { return clamped }
        let snapped = low + (clamped - low + step / 2) / step * step
        return snapped > high ? snapped - step : snapped
    }
}

extension VideoNode {
    /// The formats that the driver offers, in its order (VIDIOC_ENUM_FMT).
    public func formats() -> [PixelFormat] { formatEntries().map(\.format) }

    /// The same, and which of them are compressed (V4L2_FMT_FLAG_COMPRESSED).
    func formatEntries() -> [(format: PixelFormat, isCompressed: Bool)] {
        var found: [(format: PixelFormat, isCompressed: Bool)] = []
        // A driver that never ends its list is not believed for ever.
        for index in 0..<UInt32(256) {
            var entry = v4l2_fmtdesc()
            entry.index = index
            entry.type = bufferType
            guard attempt(CV4L2_VIDIOC_ENUM_FMT, &entry) == nil else { break }
            found.append(
                (PixelFormat(rawValue: entry.pixelformat), entry.flags & UInt32(V4L2_FMT_FLAG_COMPRESSED) != 0))
        }
        return found
    }

    /// The sizes that the driver offers for `format` (VIDIOC_ENUM_FRAMESIZES), discrete ones in rising order.
    public func sizes(of format: PixelFormat) -> FrameSizes {
        var discrete: [FrameSize] = []
        for index in 0..<UInt32(512) {
            var entry = v4l2_frmsizeenum()
            entry.index = index
            entry.pixel_format = format.rawValue
            guard attempt(CV4L2_VIDIOC_ENUM_FRAMESIZES, &entry) == nil else { break }
            if entry.type == V4L2_FRMSIZE_TYPE_DISCRETE.rawValue {
                discrete.append(FrameSize(Int(entry.discrete.width), Int(entry.discrete.height)))
            } else {
                let s = entry.stepwise
                return .range(
                    smallest: FrameSize(Int(s.min_width), Int(s.min_height)),
                    largest: FrameSize(Int(s.max_width), Int(s.max_height)),
                    stepWidth: Int(max(1, s.step_width)), stepHeight: Int(max(1, s.step_height)))
            }
        }
        return discrete.isEmpty ? .unknown : .discrete(Array(Set(discrete)).sorted())
    }

    /// The most frames in a second that the driver offers for a format and size (VIDIOC_ENUM_FRAMEINTERVALS); nil where it
    /// does not say.
    public func fastestRate(of format: PixelFormat, _ size: FrameSize) -> Double? {
        var fastest: Double?
        for index in 0..<UInt32(256) {
            var entry = v4l2_frmivalenum()
            entry.index = index
            entry.pixel_format = format.rawValue
            (entry.width, entry.height) = (UInt32(clamping: size.width), UInt32(clamping: size.height))
            guard attempt(CV4L2_VIDIOC_ENUM_FRAMEINTERVALS, &entry) == nil else { break }
            let isDiscrete = entry.type == V4L2_FRMIVAL_TYPE_DISCRETE.rawValue
            let shortest = isDiscrete ? entry.discrete : entry.stepwise.min
            if shortest.numerator > 0 {
                fastest = max(fastest ?? 0, Double(shortest.denominator) / Double(shortest.numerator))
            }
            if !isDiscrete { break }
        }
        return fastest
    }

    /// The format in force (VIDIOC_G_FMT).
    public func format() throws(CamdError) -> v4l2_format {
        var value = v4l2_format()
        value.type = bufferType
        try call(CV4L2_VIDIOC_G_FMT, "VIDIOC_G_FMT", &value)
        return value
    }

    /// Asks for a format and a size and returns what the driver made of it (VIDIOC_S_FMT). `stride`: of the first plane, in
    /// bytes; 0 leaves it to the driver. `color`: of frames that a driver is given.
    public func setFormat(
        _ format: PixelFormat, _ size: FrameSize, stride: Int = 0, color: Colorimetry? = nil
    ) throws(CamdError) -> v4l2_format {
        var value = try self.format()
        if isMultiPlanar {
            value.fmt.pix_mp.pixelformat = format.rawValue
            value.fmt.pix_mp.width = UInt32(clamping: size.width)
            value.fmt.pix_mp.height = UInt32(clamping: size.height)
            value.fmt.pix_mp.field = V4L2_FIELD_NONE.rawValue
            // The strides and sizes of the format before would be taken as wishes.
            _ = withUnsafeMutableBytes(of: &value.fmt.pix_mp.plane_fmt) {
                $0.initializeMemory(as: UInt8.self, repeating: 0)
            }
            value.fmt.pix_mp.plane_fmt.0.bytesperline = UInt32(clamping: stride)
            if let fields = color?.fields {
                value.fmt.pix_mp.colorspace = fields.colorspace
                value.fmt.pix_mp.xfer_func = UInt8(clamping: fields.transfer)
                value.fmt.pix_mp.ycbcr_enc = UInt8(clamping: fields.encoding)
                value.fmt.pix_mp.quantization = UInt8(clamping: fields.quantization)
            }
        } else {
            value.fmt.pix.pixelformat = format.rawValue
            value.fmt.pix.width = UInt32(clamping: size.width)
            value.fmt.pix.height = UInt32(clamping: size.height)
            value.fmt.pix.field = V4L2_FIELD_NONE.rawValue
            value.fmt.pix.bytesperline = UInt32(clamping: stride)
            value.fmt.pix.sizeimage = 0
            if let fields = color?.fields {
                value.fmt.pix.colorspace = fields.colorspace
                value.fmt.pix.xfer_func = fields.transfer
                value.fmt.pix.ycbcr_enc = fields.encoding
                value.fmt.pix.quantization = fields.quantization
            }
        }
        do throws(CamdError) {
            try call(CV4L2_VIDIOC_S_FMT, "VIDIOC_S_FMT", &value)
        } catch {
            throw busy(error)
        }
        return value
    }

    /// Asks for a frame rate (VIDIOC_S_PARM) and returns the one in force; nil where the driver has none to set.
    public func setFrameRate(_ framesPerSecond: Double) -> Double? {
        var value = v4l2_streamparm()
        value.type = bufferType
        let unit = 1000.0
        value.parm.capture.timeperframe.numerator = UInt32(unit)
        value.parm.capture.timeperframe.denominator = UInt32(clamping: Int((framesPerSecond * unit).rounded()))
        guard attempt(CV4L2_VIDIOC_S_PARM, &value) == nil else { return frameRate() }
        return rate(value)
    }

    /// The frame rate in force (VIDIOC_G_PARM); nil where the driver does not say.
    public func frameRate() -> Double? {
        var value = v4l2_streamparm()
        value.type = bufferType
        guard attempt(CV4L2_VIDIOC_G_PARM, &value) == nil else { return nil }
        return rate(value)
    }

    private func rate(_ value: v4l2_streamparm) -> Double? {
        let time = value.parm.capture.timeperframe
        guard time.numerator > 0, time.denominator > 0 else { return nil }
        return Double(time.denominator) / Double(time.numerator)
    }

    /// Says who to ask when another program holds the camera.
    func busy(_ error: CamdError) -> CamdError {
        guard error.errno == .busy else { return error }
        var error = error
        error.kind = .temporary
        error.reason = "the \(noun) is in use"
        error.remedy = Self.busyRemedy(path)
        return error
    }
}
