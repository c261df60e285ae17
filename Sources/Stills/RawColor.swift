/// What a file or a device profile says of a camera's colours, in the terms of the DNG specification.
public struct RawColor: Sendable, Hashable {
    /// How the camera sees under one light.
    public struct Calibration: Sendable, Hashable {
        /// The light, by EXIF's numbers (LightSource); 0 is not known.
        public var illuminant: Int
        /// From XYZ to the camera's numbers.
        public var colorMatrix: Matrix3
        /// From white-balanced numbers of the camera to XYZ of D50.
        public var forwardMatrix: Matrix3?
        /// What sets this camera apart from others of its model.
        public var cameraCalibration: Matrix3

        public init(
            illuminant: Int, colorMatrix: Matrix3, forwardMatrix: Matrix3? = nil,
            cameraCalibration: Matrix3 = .identity
        ) {
            self.illuminant = illuminant
            self.colorMatrix = colorMatrix
            self.forwardMatrix = forwardMatrix
            self.cameraCalibration = cameraCalibration
        }
    }

    /// The camera's numbers of something white in the scene, each above 0 (AsShotNeutral); nil where nobody knows.
    public var neutral: [Double]?
    /// What was white in the scene (AsShotWhiteXY); nil where nobody knows.
    public var white: Chromaticity?
    /// None, one or two.
    public var calibrations: [Calibration] = []
    /// The gains that the camera's amplifiers had, for R, G, B.
    public var analogBalance: [Double] = [1, 1, 1]
    /// How much brighter the picture is meant to be, in powers of two.
    public var baselineExposure = 0.0

    public init() {}
}

/// A colour without its brightness: x and y of CIE 1931.
public struct Chromaticity: Sendable, Hashable {
    public var x: Double
    public var y: Double

    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }

    /// Daylight of 5003 K, the white of ICC profiles and of DNG's XYZ.
    public static let d50 = Chromaticity(x: 0.3457, y: 0.3585)
    /// Daylight of 6504 K, the white of sRGB.
    public static let d65 = Chromaticity(x: 0.3127, y: 0.3290)

    /// X, Y, Z for a brightness (Y) of 1.
    public var xyz: [Double] { [x / y, 1, (1 - x - y) / y] }

    /// Of three numbers X, Y, Z.
    public init(xyz: [Double]) {
        let sum = xyz[0] + xyz[1] + xyz[2]
        self.init(x: xyz[0] / sum, y: xyz[1] / sum)
    }

    /// The correlated colour temperature in kelvins, by McCamy's formula of 1992: within some kelvins of the exact one
    /// from 2,856 to 6,504 K.
    public var temperature: Double {
        let n = (x - 0.3320) / (0.1858 - y)
        return ((449 * n + 3525) * n + 6823.3) * n + 5520.33
    }
}
