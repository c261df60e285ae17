import CaptureCore

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
