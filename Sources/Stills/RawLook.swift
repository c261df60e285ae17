import CaptureCore
import Glibc
import LinuxSystem

extension RawFrame {
    /// How the frame becomes a picture as its file means it: black and white level, white balance, the matrix to sRGB
    /// and its curve. `isNeutral` leaves all but the levels out: the mosaic's own numbers, stretched from black to white.
    /// - Throws: `.badData` where the file's numbers make no picture.
    public func look(isNeutral: Bool = false, quality: Look.Quality, subject: String) throws(CamdError) -> Look {
        var look = Look.neutral
        look.quality = quality
        // The cells of a sensor differ by less than one step.
        look.black = blackLevels.reduce(0, +) / 4 / format.fullScale
        look.white = whiteLevel / format.fullScale
        if isNeutral { return look }
        guard let rendering = DNGColor.rendering(color) else {
            throw CamdError(
                .badData, subject: subject,
                reason: "its colours make no sense: AsShotNeutral \(color.neutral.map { "\($0)" } ?? "is missing"), "
                    + "ColorMatrix1 \(color.calibrations.first.map { "\($0.colorMatrix.numbers)" } ?? "is missing")",
                remedy: "Develop it with --neutral, which does without them.")
        }
        // Darker would show the colours of what is saturated.
        let exposure = exp2(min(max(color.baselineExposure, 0), 4))
        look.balance = SIMD3(rendering.gains[0], rendering.gains[1], rendering.gains[2]) * exposure
        look.matrix = rendering.matrix.rows.map { SIMD3($0[0], $0[1], $0[2]) }
        look.curve = .sRGB
        return look
    }
}
