import LinuxSystem

// A stand-in until the GPU's part is there; to be deleted with it.

/// How a raw frame becomes a picture.
public struct Look: Sendable {
    public enum Curve: Sendable { case linear, sRGB }
    public enum Quality: Sendable { case video, still }

    /// Of the format's full scale, 0 to 1.
    public var blackLevel = 0.0
    /// Of the format's full scale, 0 to 1.
    public var whiteLevel = 1.0
    public var whiteBalance: (r: Double, g: Double, b: Double) = (1, 1, 1)
    /// From white-balanced numbers of the camera to linear sRGB: three rows of three.
    public var matrix: [[Double]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    public var curve = Curve.linear
    public var saturation = 1.0
    public var sharpening = 0.0
    public var noiseReduction = 0.0
    public var quality = Quality.still

    public static let neutral = Look()
}

public enum PictureKind: Sendable, Hashable {
    case i420(Colorimetry)
    case rgba
}

public struct DevelopedPicture: ~Copyable {
    public var layout: FrameLayout
    public var lease: FrameLease
    public var bytesCopied: Int
}

public final class Developer {
    public init() throws(CamdError) {
        throw CamdError(.unavailable, subject: "GPU", reason: "camd develops nothing yet")
    }

    public func develop(
        _ layout: FrameLayout, _ bytes: [[UInt8]], look: Look, kind: PictureKind
    ) throws(CamdError) -> DevelopedPicture {
        throw CamdError(.unavailable, subject: "GPU", reason: "camd develops nothing yet")
    }
}
