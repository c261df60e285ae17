import CaptureCore
import Glibc

/// The colour arithmetic of the DNG specification (chapter 6 of version 1.6): from what a file says of a camera to the
/// gains and the matrix that make linear sRGB of its numbers. Pure functions.
public enum DNGColor {
    /// What makes linear sRGB of a camera's linear numbers.
    public struct Rendering: Sendable, Hashable {
        /// For R, G, B; the smallest is 1, so that what is saturated stays white.
        public var gains: [Double]
        /// From white-balanced numbers to linear sRGB; white stays white.
        public var matrix: Matrix3
    }

    /// The rendering for a scene's white as the camera saw it; where nobody knows that, for daylight of 6504 K. Without
    /// a calibration there are gains only. Nil where the numbers are such that no picture can come of them.
    public static func rendering(_ color: RawColor) -> Rendering? {
        guard !color.calibrations.isEmpty else {
            return gains(color.neutral ?? [1, 1, 1]).map { Rendering(gains: $0, matrix: .identity) }
        }
        guard let white = color.neutral.map({ Self.white(of: $0, color) }) ?? color.white ?? .d65,
            let sight = Sight(color, under: white)
        else { return nil }
        guard let gains = gains(color.neutral ?? sight.xyzToCamera * white.xyz) else { return nil }
        let seen = gains.map { 1 / $0 }
        guard let toXYZ = sight.toXYZ(neutral: seen),
            let toSRGB = Chromaticity.adaptation(from: .d50, to: .d65).map({ linearSRGB * $0 })
        else { return nil }
        let matrix = toSRGB * toXYZ * Matrix3(diagonal: seen)
        guard matrix.numbers.allSatisfy({ $0.isFinite && abs($0) < 1e3 }) else { return nil }
        return Rendering(gains: gains, matrix: matrix)
    }

    /// What makes white of a camera's numbers of something white.
    static func gains(_ neutral: [Double]) -> [Double]? {
        guard let most = neutral.max(), neutral.allSatisfy({ $0 > most * 1e-3 && $0.isFinite }) else { return nil }
        return neutral.map { most / $0 }
    }

    /// What was white in the scene, from the camera's numbers of it: the matrix depends on the light, the light on the
    /// matrix, so that both are sought in turn.
    static func white(of neutral: [Double], _ color: RawColor) -> Chromaticity? {
        var white = Chromaticity.d50
        for pass in 0..<30 {
            guard let inverse = Sight(color, under: white)?.xyzToCamera.inverse else { return nil }
            var next = Chromaticity(xyz: inverse * neutral)
            guard next.x > 0.01, next.y > 0.01, next.x + next.y < 0.99 else { return nil }
            if abs(next.x - white.x) + abs(next.y - white.y) < 1e-7 { return next }
            // Where it swings between two values, the one in the middle.
            if pass == 29 { next = Chromaticity(x: (next.x + white.x) / 2, y: (next.y + white.y) / 2) }
            white = next
        }
        return white
    }

    /// How the camera sees under one light: its calibrations, mixed.
    struct Sight {
        /// From XYZ to the camera's numbers.
        var xyzToCamera: Matrix3
        var forward: Matrix3?
        /// From the numbers of the model to those of this camera.
        var individual: Matrix3

        init?(_ color: RawColor, under white: Chromaticity) {
            guard let first = color.calibrations.first else { return nil }
            var (matrix, forward, calibration) = (first.colorMatrix, first.forwardMatrix, first.cameraCalibration)
            if color.calibrations.count > 1 {
                let second = color.calibrations[1]
                let share = DNGColor.share(first.illuminant, second.illuminant, at: white.temperature)
                matrix = matrix.mixed(with: second.colorMatrix, share)
                calibration = calibration.mixed(with: second.cameraCalibration, share)
                forward = second.forwardMatrix.flatMap { forward?.mixed(with: $0, share) }
            }
            individual = Matrix3(diagonal: color.analogBalance) * calibration
            xyzToCamera = individual * matrix
            self.forward = forward
        }

        /// From the camera's numbers to XYZ of D50, with a brightness of 1 for what is white.
        func toXYZ(neutral: [Double]) -> Matrix3? {
            if let forward, let toModel = individual.inverse {
                // A white of (1, 1, 1) is meant to give D50; rounded numbers miss it a little.
                let given = forward * [1, 1, 1]
                let wanted = Chromaticity.d50.xyz
                let reference = toModel * neutral
                guard given.allSatisfy({ $0 > 0.01 }), reference.allSatisfy({ $0 > 1e-3 }) else { return nil }
                let exact = Matrix3(diagonal: (0..<3).map { wanted[$0] / given[$0] }) * forward
                return exact * Matrix3(diagonal: reference.map { 1 / $0 }) * toModel
            }
            // Not the white that the sight is for: where that was not found to all digits, white would be tinted.
            guard let inverse = xyzToCamera.inverse,
                let adaptation = Chromaticity.adaptation(from: Chromaticity(xyz: inverse * neutral), to: .d50)
            else { return nil }
            let matrix = adaptation * inverse
            let brightness = (matrix * neutral)[1]
            guard brightness > 1e-6, brightness.isFinite else { return nil }
            return Matrix3(matrix.rows.map { $0.map { $0 / brightness } })
        }
    }

    /// How much of the second of two calibrations counts at a colour temperature: in between they are mixed by the
    /// temperatures' inverses.
    static func share(_ first: Int, _ second: Int, at kelvins: Double) -> Double {
        guard let one = temperature(ofIlluminant: first), let other = temperature(ofIlluminant: second), one != other
        else { return 0 }
        guard kelvins > 0 else { return one > other ? 0 : 1 }
        return min(1, max(0, (1 / kelvins - 1 / one) / (1 / other - 1 / one)))
    }

    /// In kelvins, of EXIF's light sources as the DNG SDK has them; nil for others.
    static func temperature(ofIlluminant number: Int) -> Double? {
        switch number {
        case 3, 17: 2850
        case 24: 3200
        case 15: 3525
        case 2, 14: 4150
        case 23: 5000
        case 13: 5050
        case 1, 4, 9, 18, 20: 5500
        case 12: 6400
        case 10, 19, 21: 6500
        case 11, 22: 7500
        default: nil
        }
    }

    /// From XYZ of D65 to linear sRGB (IEC 61966-2-1).
    static let linearSRGB: Matrix3 = {
        guard let toRGB = Colorimetry.Primaries.bt709.toXYZ?.inverse else {
            preconditionFailure("sRGB's primaries are no plane")
        }
        return toRGB
    }()
}
