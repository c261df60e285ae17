import CV4L2
import CV4LConvert
import LinuxSystem

/// Converts what no shader reads with libv4lconvert: HSV, big-endian grey, and the orders of 4:2:0 that webcams of old have
/// invented.
final class V4LConverter: FrameConverter, @unchecked Sendable {
    let name = "v4lconvert"
    let layout: FrameLayout
    private let library: V4LConvertHandle
    private let source: v4l2_format
    private let target: v4l2_format
    /// Bytes of a frame.
    private let length: Int

    /// `camera`: the layout of what the camera delivers. `pix`: the driver's own words for it.
    /// - Throws: `.unavailable` for what the library does not convert.
    init(_ camera: FrameLayout, _ pix: v4l2_pix_format) throws(CamdError) {
        let subject = "libv4lconvert"
        let remedy = "Choose another --size or --pixel-format."
        guard let need = Self.needs[camera.format], Self.reads(camera.format) else {
            throw CamdError(.unavailable, subject: subject, reason: "it does not convert \(camera.format)")
        }
        let side = need.multiple
        guard camera.width % side == 0, camera.height % side == 0, camera.width * camera.height <= 1 << 28 else {
            throw CamdError(
                .unavailable, subject: subject,
                reason: "it converts \(camera.format) in sizes that are multiples of \(side), not \(camera.sizeText)",
                remedy: remedy)
        }
        // Its routines take rows to lie back to back, and do not look.
        if need.isPacked, pix.bytesperline > 0, Int(pix.bytesperline) != camera.width * need.bits / 8 {
            throw CamdError(
                .unavailable, subject: subject,
                reason: "it does not convert \(camera.format) whose rows are \(pix.bytesperline) bytes apart",
                remedy: remedy)
        }
        let color = Colorimetry(
            colorspace: pix.colorspace, transfer: pix.xfer_func, encoding: need.target.isRGB ? 0 : pix.ycbcr_enc,
            quantization: pix.quantization, isRGB: need.target.isRGB)
        guard let layout = FrameLayout(need.target.format, width: camera.width, height: camera.height, color: color)
        else {
            throw CamdError(.unavailable, subject: subject, reason: "\(camera.sizeText) is no size of a frame")
        }
        self.layout = layout
        length = need.bytes(camera.width, camera.height)
        // Some take the number on trust.
        var given = pix
        given.bytesperline = UInt32(need.isPacked ? camera.width * need.bits / 8 : camera.width)
        source = Self.format(given)
        var made = v4l2_pix_format()
        (made.width, made.height, made.pixelformat) = (pix.width, pix.height, layout.format.rawValue)
        (made.field, made.colorspace) = (V4L2_FIELD_NONE.rawValue, pix.colorspace)
        made.bytesperline = UInt32(layout.planes[0].stride)
        made.sizeimage = UInt32(layout.bufferSizes[0])
        target = Self.format(made)
        library = try V4LConvertHandle(nil)
    }

    func convert(_ frame: UnsafeRawBufferPointer, into picture: UnsafeMutableRawBufferPointer) -> ConversionOutcome {
        guard picture.count >= layout.bufferSizes[0], frame.count >= length, let bytes = frame.baseAddress else {
            return .damaged(.length)
        }
        var source = source
        var target = target
        // These routines only read the frame, though the call has it as something to be written.
        let result = v4lconvert_convert(
            library.handle, &source, &target,
            UnsafeMutablePointer(mutating: bytes.assumingMemoryBound(to: UInt8.self)), CInt(length),
            picture.baseAddress?.assumingMemoryBound(to: UInt8.self), CInt(layout.bufferSizes[0]))
        return result < 0 ? .damaged(.contents) : .made(bytes: layout.bufferSizes[0])
    }

    private static func format(_ pix: v4l2_pix_format) -> v4l2_format {
        var format = v4l2_format()
        format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
        format.fmt.pix = pix
        return format
    }

    /// Whether frames of this format can be converted: by what is written down here, and by the library that is
    /// installed.
    static func reads(_ format: PixelFormat) -> Bool {
        guard needs[format] != nil, let library = try? V4LConvertHandle(format) else { return false }
        return library.converts(format)
    }
}

/// One of the library's converters. It is shown no camera: it would look for its controls, and add some of its own.
struct V4LConvertHandle: ~Copyable {
    let handle: OpaquePointer
    /// What the library is shown in place of a camera, and what that has: the library keeps both addresses.
    private let device: UnsafeMutablePointer<libv4l_dev_ops>
    private let offered: UnsafeMutablePointer<UInt32>

    /// `offering`: the one format that the camera is said to have, so that the library can be asked about it.
    init(_ offering: PixelFormat?) throws(CamdError) {
        device = .allocate(capacity: 1)
        offered = .allocate(capacity: 1)
        offered.initialize(to: offering?.rawValue ?? 0)
        var calls = libv4l_dev_ops()
        calls.ioctl = { offered, _, request, argument in Self.answer(offered, request, argument) }
        device.initialize(to: calls)
        guard let handle = v4lconvert_create_with_dev_ops(-1, offered, device) else {
            device.deallocate()
            offered.deallocate()
            throw CamdError(
                .system, subject: "libv4lconvert", call: "v4lconvert_create_with_dev_ops",
                reason: "it could not be made")
        }
        self.handle = handle
    }

    deinit {
        v4lconvert_destroy(handle)
        device.deallocate()
        offered.deallocate()
    }

    /// Whether the library makes planes of the offered format (v4lconvert_try_format).
    func converts(_ format: PixelFormat) -> Bool {
        var wanted = v4l2_format()
        var found = v4l2_format()
        wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE.rawValue
        (wanted.fmt.pix.width, wanted.fmt.pix.height) = (640, 480)
        wanted.fmt.pix.pixelformat = PixelFormat.yuv420.rawValue
        return v4lconvert_try_format(handle, &wanted, &found) == 0 && found.fmt.pix.pixelformat == format.rawValue
            && wanted.fmt.pix.pixelformat == PixelFormat.yuv420.rawValue
    }

    /// The ioctls of a camera that has one format, and nothing else.
    private static func answer(
        _ offered: UnsafeMutableRawPointer?, _ request: UInt, _ argument: UnsafeMutableRawPointer?
    ) -> CInt {
        guard let offered = offered?.load(as: UInt32.self), let argument else { return -1 }
        switch request {
        case CV4L2_VIDIOC_QUERYCAP:
            let capability = argument.assumingMemoryBound(to: v4l2_capability.self)
            capability.initialize(to: v4l2_capability())
            // Something beside capturing, and the library adds no white balance of its own.
            capability.pointee.capabilities = CV4L2_CAP_VIDEO_CAPTURE | CV4L2_CAP_VIDEO_OUTPUT
            return 0
        case CV4L2_VIDIOC_ENUM_FMT:
            let entry = argument.assumingMemoryBound(to: v4l2_fmtdesc.self)
            guard offered != 0, entry.pointee.index == 0 else { return -1 }
            entry.pointee.pixelformat = offered
            return 0
        case CV4L2_VIDIOC_TRY_FMT:
            return argument.assumingMemoryBound(to: v4l2_format.self).pointee.fmt.pix.pixelformat == offered ? 0 : -1
        default: return -1
        }
    }
}
