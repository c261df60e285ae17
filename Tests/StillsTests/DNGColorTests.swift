import CaptureCore
import Testing

@testable import Stills

/// Numbers marked as references come from colour-science 0.4 for Python, or from plain numpy with its chromatic
/// adaptation: an independent way through the same specification.
@Suite("The colours of a raw frame")
struct DNGColorTests {
    private func expect(_ matrix: Matrix3?, _ numbers: [Double], within limit: Double, _ line: SourceLocation) throws {
        let matrix = try #require(matrix, sourceLocation: line)
        for (one, other) in zip(matrix.numbers, numbers) {
            #expect(abs(one - other) <= limit, "\(matrix.numbers)", sourceLocation: line)
        }
    }

    /// Adobe's numbers for the Canon EOS 5D Mark II, under illuminant A and D65.
    private var canon: RawColor {
        var color = RawColor()
        func matrix(_ numbers: [Double]) -> Matrix3 { Matrix3(numbers: numbers.map { $0 / 10_000 }) ?? .identity }
        color.calibrations = [
            .init(illuminant: 17, colorMatrix: matrix([5309, -229, -336, -6241, 13265, 3337, -817, 1215, 6664])),
            .init(illuminant: 21, colorMatrix: matrix([4716, 603, -830, -7798, 15474, 2480, -1496, 1937, 6651])),
        ]
        return color
    }

    @Test("are adapted to another white by Bradford's transform")
    func adaptation() throws {
        // Reference.
        try expect(
            Chromaticity.adaptation(from: .d65, to: .d50),
            [1.0479298, 0.0229469, -0.0501923, 0.0296278, 0.9904344, -0.0170738, -0.009243, 0.0150552, 0.7518743],
            within: 1e-6, #_sourceLocation)
        try expect(
            Chromaticity.adaptation(from: .d50, to: .d50), Matrix3.identity.numbers, within: 1e-12, #_sourceLocation)
        #expect(Chromaticity.adaptation(from: Chromaticity(x: 0.9, y: 1e-9), to: .d50) == nil)
    }

    @Test("become sRGB by the standard's primaries")
    func linearSRGB() throws {
        // Reference.
        try expect(
            DNGColor.linearSRGB,
            [3.2409699, -1.5373832, -0.4986108, -0.9692436, 1.8759675, 0.0415551, 0.0556301, -0.203977, 1.0569715],
            within: 1e-6, #_sourceLocation)
    }

    @Test("know the temperature of a light")
    func temperature() {
        // References, and what the lights are defined as.
        for (x, y, kelvins, exact) in [
            (0.3457, 0.3585, 5001.01, 5003.0), (0.3127, 0.3290, 6505.08, 6504.0), (0.44758, 0.40745, 2857.13, 2856.0),
            (0.38052, 0.37713, 4009.36, 4000.0),
        ] {
            #expect(abs(Chromaticity(x: x, y: y).temperature - kelvins) < 0.01)
            #expect(abs(Chromaticity(x: x, y: y).temperature - exact) < 10)
        }
        #expect(DNGColor.temperature(ofIlluminant: 21) == 6500 && DNGColor.temperature(ofIlluminant: 17) == 2850)
        #expect(DNGColor.temperature(ofIlluminant: 0) == nil && DNGColor.temperature(ofIlluminant: 255) == nil)
    }

    @Test("mix two calibrations by the inverse of the light's temperature")
    func share() {
        #expect(DNGColor.share(17, 21, at: 2000) == 0 && DNGColor.share(17, 21, at: 9000) == 1)
        #expect(DNGColor.share(21, 17, at: 2000) == 1 && DNGColor.share(21, 17, at: 9000) == 0)
        #expect(abs(DNGColor.share(17, 21, at: 1 / ((1 / 2850.0 + 1 / 6500.0) / 2)) - 0.5) < 1e-12)
        #expect(abs(DNGColor.share(21, 17, at: 4000) + DNGColor.share(17, 21, at: 4000) - 1) < 1e-12)
        // A light that nobody knows, or two that are one.
        #expect(DNGColor.share(0, 21, at: 4000) == 0 && DNGColor.share(17, 0, at: 4000) == 0)
        #expect(DNGColor.share(21, 21, at: 4000) == 0)
    }

    @Test("of a real camera are those of the reference, from daylight to a lamp")
    func camera() throws {
        for (neutral, white, matrix) in [
            (
                [0.4785, 1, 0.6735], [0.3458727, 0.3375399],
                [2.1003344, -1.2966785, 0.1963441, -0.0383658, 1.3829705, -0.3446047, 0.0465781, -0.3828446, 1.3362665]
            ),
            (
                [0.72, 1, 0.36], [0.4462995, 0.4058964],
                [2.0733931, -1.1185648, 0.0451717, -0.0706537, 1.3105825, -0.2399288, 0.120882, -0.5820361, 1.4611541]
            ),
            (
                [0.55, 1, 0.55], [0.3803721, 0.3656149],
                [2.0994806, -1.2213284, 0.1218479, -0.0482245, 1.3584225, -0.310198, 0.0679874, -0.4339515, 1.3659641]
            ),
        ] {
            var color = canon
            color.neutral = neutral
            let found = try #require(DNGColor.white(of: neutral, color))
            #expect(abs(found.x - white[0]) < 2e-6 && abs(found.y - white[1]) < 2e-6)
            let rendering = try #require(DNGColor.rendering(color))
            try expect(rendering.matrix, matrix, within: 2e-5, #_sourceLocation)
            for (gain, part) in zip(rendering.gains, neutral) { #expect(abs(gain * part - 1) < 1e-12) }
            // The same scene, told by its white; and by numbers that are larger.
            color.neutral = nil
            color.white = found
            try expect(DNGColor.rendering(color)?.matrix, rendering.matrix.numbers, within: 1e-6, #_sourceLocation)
            color.neutral = neutral.map { $0 * 3 }
            try expect(DNGColor.rendering(color)?.matrix, rendering.matrix.numbers, within: 1e-9, #_sourceLocation)
        }
    }

    @Test("keep white white and never darken what is saturated")
    func white() throws {
        var dice = Dice(state: 5)
        for _ in 0..<200 {
            var color = canon
            color.neutral = (0..<3).map { _ in Double.random(in: 0.4...1, using: &dice) }
            if Bool.random(using: &dice) {
                for index in 0..<2 {
                    color.calibrations[index].forwardMatrix = Matrix3([
                        [0.7, 0.1, 0.16], [0.3, 0.8, -0.1], [0.05, -0.2, 0.98],
                    ])
                }
            }
            if Bool.random(using: &dice) { color.analogBalance = [1, 1.5, 0.75] }
            guard let rendering = DNGColor.rendering(color) else { continue }
            #expect(rendering.gains.min() == 1)
            for part in rendering.matrix * [1, 1, 1] { #expect(abs(part - 1) < 1e-9) }
        }
    }

    @Test("of a camera that sees like sRGB stay as they are")
    func sRGBCamera() throws {
        var color = RawColor()
        color.calibrations = [.init(illuminant: 21, colorMatrix: DNGColor.linearSRGB)]
        for neutral in [nil, [1, 1, 1], [0.25, 0.25, 0.25]] as [[Double]?] {
            color.neutral = neutral
            let rendering = try #require(DNGColor.rendering(color))
            try expect(rendering.matrix, Matrix3.identity.numbers, within: 1e-9, #_sourceLocation)
            for gain in rendering.gains { #expect(abs(gain - 1) < 1e-9) }
        }
        // Told by a matrix from white-balanced numbers to D50 it is the same.
        let toD50 = try #require(DNGColor.linearSRGB.inverse)
        let adaptation = try #require(Chromaticity.adaptation(from: .d65, to: .d50))
        color.calibrations[0].forwardMatrix = adaptation * toD50
        for neutral in [[1, 1, 1], [0.5, 1, 0.625]] {
            color.neutral = neutral
            let rendering = try #require(DNGColor.rendering(color))
            try expect(rendering.matrix, Matrix3.identity.numbers, within: 1e-9, #_sourceLocation)
        }
    }

    @Test("take a camera's own differences into account")
    func individual() throws {
        // A camera whose red is half as sensitive as its model's sees the same scene with half the red.
        var color = canon
        color.neutral = [0.55, 1, 0.55]
        let model = try #require(DNGColor.rendering(color))
        for index in 0..<2 { color.calibrations[index].cameraCalibration = Matrix3(diagonal: [0.5, 1, 1]) }
        color.neutral = [0.275, 1, 0.55]
        let one = try #require(DNGColor.rendering(color))
        try expect(one.matrix, model.matrix.numbers, within: 1e-6, #_sourceLocation)
        #expect(abs(one.gains[0] - 2 * model.gains[0]) < 1e-9)
        // The same by its amplifiers.
        for index in 0..<2 { color.calibrations[index].cameraCalibration = .identity }
        color.analogBalance = [0.5, 1, 1]
        try expect(DNGColor.rendering(color)?.matrix, model.matrix.numbers, within: 1e-6, #_sourceLocation)
        // And with forward matrices; a camera whose red sees a little green, too.
        color.analogBalance = [1, 1, 1]
        for index in 0..<2 {
            color.calibrations[index].forwardMatrix = Matrix3([
                [0.7, 0.1, 0.16], [0.3, 0.8, -0.1], [0.05, -0.2, 0.98],
            ])
        }
        color.neutral = [0.55, 1, 0.55]
        let forward = try #require(DNGColor.rendering(color))
        let leak = Matrix3([[0.9, 0.1, 0], [0, 1, 0], [0, 0, 1]])
        for index in 0..<2 { color.calibrations[index].cameraCalibration = leak }
        color.neutral = leak * [0.55, 1, 0.55]
        let leaking = try #require(DNGColor.rendering(color))
        for colour in [[0.2, 0.3, 0.1], [0.5, 0.1, 0.1], [0.1, 0.2, 0.6]] {
            let one = forward.matrix * zip(colour, forward.gains).map { $0 * $1 }
            let other = leaking.matrix * zip(leak * colour, leaking.gains).map { $0 * $1 }
            for (a, b) in zip(one, other) { #expect(abs(a - b) < 1e-6) }
        }
    }

    @Test("without a calibration are balanced, no more; and what makes no sense gives none")
    func unknown() {
        var color = RawColor()
        #expect(DNGColor.rendering(color) == .init(gains: [1, 1, 1], matrix: .identity))
        color.neutral = [0.5, 1, 0.25]
        #expect(DNGColor.rendering(color) == .init(gains: [2, 1, 4], matrix: .identity))
        color.white = .d50
        #expect(DNGColor.rendering(color)?.gains == [2, 1, 4])
        for neutral in [[0, 1, 1], [-1, 1, 1], [.nan, 1, 1], [.infinity, 1, 1], [1e-5, 1, 1]] as [[Double]] {
            color.neutral = neutral
            #expect(DNGColor.rendering(color) == nil, "\(neutral)")
        }
        color.neutral = [1, 1, 1]
        for matrix in [
            Matrix3(diagonal: [1, 0, 1]), Matrix3(diagonal: [-1, -1, 1]), Matrix3(diagonal: [1e-9, 1, 1]),
        ] {
            color.calibrations = [.init(illuminant: 21, colorMatrix: matrix)]
            #expect(DNGColor.rendering(color) == nil)
        }
    }

    @Test("are counted with matrices that can be turned round")
    func matrices() throws {
        let matrix = Matrix3([[1, 2, 3], [0, 1, 4], [5, 6, 0]])
        #expect(matrix.inverse?.numbers == [-24, 18, 5, 20, -15, -4, -5, 4, 1])
        #expect(matrix * [1, 2, 3] == [14, 14, 17])
        #expect((matrix * Matrix3(diagonal: [1, 2, 3])).numbers == [1, 4, 9, 0, 2, 12, 5, 12, 0])
        #expect(Matrix3([[1, 2, 3], [2, 4, 6], [0, 0, 1]]).inverse == nil)
        #expect(Matrix3(diagonal: [.nan, 1, 1]).inverse == nil)
        #expect(Matrix3(numbers: [1, 2]) == nil)
        #expect(Matrix3.identity.mixed(with: Matrix3(diagonal: [3, 3, 3]), 0.25).numbers[0] == 1.5)
    }
}
