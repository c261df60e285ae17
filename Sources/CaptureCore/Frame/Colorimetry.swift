import CV4L2

/// How numbers in a frame stand for colours. Values that a driver leaves open are filled in as the kernel's
/// documentation defines the defaults.
public struct Colorimetry: Hashable, Sendable {
    public enum Primaries: Sendable, Hashable, CaseIterable {
        case bt709, smpte170m, bt470SystemM, bt470SystemBG, bt2020, opRGB, dciP3
    }
    /// The curve between light and numbers.
    public enum Transfer: Sendable, Hashable, CaseIterable {
        case bt709, sRGB, smpte240m, opRGB, dciP3, linear, smpte2084

        /// Screens, players and browsers show numbers of both by one curve: a video's curve tells of the light before the
        /// camera, a screen's of the light behind the glass, and the difference is meant (ITU-R BT.1886). So numbers of one
        /// are taken for the other's, or a photo would be paler than the video beside it.
        public func isShownAlike(_ other: Transfer) -> Bool {
            let ofScreens: Set = [Transfer.bt709, .sRGB, .smpte240m]
            return self == other || ofScreens.contains(self) && ofScreens.contains(other)
        }
    }
    /// The matrix between R'G'B' and Y'CbCr; `rgb` where there is none.
    public enum Matrix: Sendable, Hashable { case bt601, bt709, bt2020, smpte240m, rgb }
    public enum Range: Sendable, Hashable { case limited, full }

    public var primaries: Primaries
    public var transfer: Transfer
    public var matrix: Matrix
    public var range: Range

    public init(primaries: Primaries, transfer: Transfer, matrix: Matrix, range: Range) {
        self.primaries = primaries
        self.transfer = transfer
        self.matrix = matrix
        self.range = range
    }

    /// What video of raw frames is encoded as.
    public static let hdVideo = Colorimetry(primaries: .bt709, transfer: .bt709, matrix: .bt709, range: .limited)
    /// What a JPEG file's numbers mean (JFIF): BT.601's matrix, full range.
    public static let jfif = Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: .bt601, range: .full)
    /// Raw and RGB frames of a camera that says nothing more.
    public static let sRGB = Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: .rgb, range: .full)

    /// The same as a video can be tagged with, so that players show it right: primaries and curves that H.273 has no numbers for
    /// become HD's, and so does light itself, of which eight bits are too few.
    public var asVideo: Colorimetry {
        var color = self
        if matrix == .rgb { (color.matrix, color.range) = (.bt709, .limited) }
        if [.opRGB, .dciP3].contains(primaries) { color.primaries = .bt709 }
        if [.opRGB, .dciP3, .linear].contains(transfer) { color.transfer = .bt709 }
        return color
    }

    /// For a driver's fields of `struct v4l2_pix_format`.
    var fields: (colorspace: UInt32, transfer: UInt32, encoding: UInt32, quantization: UInt32) {
        let colorspace =
            switch primaries {
            case .bt709: V4L2_COLORSPACE_REC709
            case .smpte170m: V4L2_COLORSPACE_SMPTE170M
            case .bt470SystemM: V4L2_COLORSPACE_470_SYSTEM_M
            case .bt470SystemBG: V4L2_COLORSPACE_470_SYSTEM_BG
            case .bt2020: V4L2_COLORSPACE_BT2020
            case .opRGB: V4L2_COLORSPACE_OPRGB
            case .dciP3: V4L2_COLORSPACE_DCI_P3
            }
        let curve =
            switch transfer {
            case .bt709: V4L2_XFER_FUNC_709
            case .sRGB: V4L2_XFER_FUNC_SRGB
            case .smpte240m: V4L2_XFER_FUNC_SMPTE240M
            case .opRGB: V4L2_XFER_FUNC_OPRGB
            case .dciP3: V4L2_XFER_FUNC_DCI_P3
            case .linear: V4L2_XFER_FUNC_NONE
            case .smpte2084: V4L2_XFER_FUNC_SMPTE2084
            }
        let code =
            switch matrix {
            case .bt601: V4L2_YCBCR_ENC_601
            case .bt709: V4L2_YCBCR_ENC_709
            case .bt2020: V4L2_YCBCR_ENC_BT2020
            case .smpte240m: V4L2_YCBCR_ENC_SMPTE240M
            case .rgb: V4L2_YCBCR_ENC_DEFAULT
            }
        let range = range == .full ? V4L2_QUANTIZATION_FULL_RANGE : V4L2_QUANTIZATION_LIM_RANGE
        return (colorspace.rawValue, curve.rawValue, code.rawValue, range.rawValue)
    }

    /// From a driver's fields of `struct v4l2_pix_format`; `isRGB` for formats with no Y'CbCr in them (RGB and Bayer), `isGrey`
    /// for those with nothing but Y: they have full range unless the driver says otherwise, as sensors deliver it.
    public init(
        colorspace: UInt32, transfer: UInt32, encoding: UInt32, quantization: UInt32, isRGB: Bool, isGrey: Bool = false
    ) {
        let space = colorspace == V4L2_COLORSPACE_DEFAULT.rawValue ? V4L2_COLORSPACE_SRGB.rawValue : colorspace
        switch space {
        case V4L2_COLORSPACE_SMPTE170M.rawValue, V4L2_COLORSPACE_SMPTE240M.rawValue: primaries = .smpte170m
        case V4L2_COLORSPACE_470_SYSTEM_M.rawValue: primaries = .bt470SystemM
        case V4L2_COLORSPACE_OPRGB.rawValue: primaries = .opRGB
        case V4L2_COLORSPACE_DCI_P3.rawValue: primaries = .dciP3
        case V4L2_COLORSPACE_470_SYSTEM_BG.rawValue: primaries = .bt470SystemBG
        case V4L2_COLORSPACE_BT2020.rawValue: primaries = .bt2020
        default: primaries = .bt709
        }
        let curve = transfer == V4L2_XFER_FUNC_DEFAULT.rawValue ? cv4l2_default_transfer(space) : transfer
        switch curve {
        case V4L2_XFER_FUNC_SRGB.rawValue: self.transfer = .sRGB
        case V4L2_XFER_FUNC_NONE.rawValue: self.transfer = .linear
        case V4L2_XFER_FUNC_OPRGB.rawValue: self.transfer = .opRGB
        case V4L2_XFER_FUNC_SMPTE240M.rawValue: self.transfer = .smpte240m
        case V4L2_XFER_FUNC_DCI_P3.rawValue: self.transfer = .dciP3
        case V4L2_XFER_FUNC_SMPTE2084.rawValue: self.transfer = .smpte2084
        default: self.transfer = .bt709
        }
        let code = encoding == V4L2_YCBCR_ENC_DEFAULT.rawValue ? cv4l2_default_ycbcr_encoding(space) : encoding
        if isRGB {
            matrix = .rgb
        } else {
            switch code {
            case V4L2_YCBCR_ENC_709.rawValue, V4L2_YCBCR_ENC_XV709.rawValue: matrix = .bt709
            case V4L2_YCBCR_ENC_BT2020.rawValue, V4L2_YCBCR_ENC_BT2020_CONST_LUM.rawValue: matrix = .bt2020
            case V4L2_YCBCR_ENC_SMPTE240M.rawValue: matrix = .smpte240m
            default: matrix = .bt601
            }
        }
        switch quantization {
        case V4L2_QUANTIZATION_FULL_RANGE.rawValue: range = .full
        case V4L2_QUANTIZATION_LIM_RANGE.rawValue: range = .limited
        default: range = isRGB || isGrey || space == V4L2_COLORSPACE_JPEG.rawValue ? .full : .limited
        }
    }
}
