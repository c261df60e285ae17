/// The affine change of three numbers of a pixel, each from 0 to 1 for a byte of 0 to 255, from one colorimetry to
/// another: `out = matrix * in + offset`. Transfer curves and primaries stay as they are, unless there is `light`.
struct ColorTransform: Equatable, Sendable {
    /// A change of primaries or of the curve: numbers become light, and that becomes numbers again.
    struct Light: Equatable, Sendable {
        var from: Colorimetry.Transfer
        /// Three rows of three, for linear R, G, B.
        var gamut: [[Double]]
        var to: Colorimetry.Transfer
        /// From the new R'G'B' to what is wanted; `matrix` and `offset` lead to the old R'G'B'.
        var coding: [[Double]]
        var codingOffset: [Double]
    }

    var light: Light?

    /// Three rows of three.
    var matrix: [[Double]]
    var offset: [Double]

    var isIdentity: Bool { matrix == Self.identity && offset == [0, 0, 0] && light == nil }
    private static let identity: [[Double]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]

    /// From numbers as a camera gives them to numbers as a consumer wants them; exactly the identity where both are the
    /// same.
    init(from source: Colorimetry, to target: Colorimetry) {
        guard source.matrix != target.matrix || source.range != target.range else {
            matrix = Self.identity
            offset = [0, 0, 0]
            return
        }
        let decoded = Self.toRGB(source)
        let encoded = Self.fromRGB(target)
        if source.matrix == target.matrix {
            // Only the range changes: a product of inverse matrices would leave crumbs.
            (matrix, offset) = Self.rangeChange(from: source.range, to: target.range)
            return
        }
        var product = Self.identity
        for row in 0..<3 {
            for column in 0..<3 {
                product[row][column] = (0..<3).reduce(0) { $0 + encoded.matrix[row][$1] * decoded.matrix[$1][column] }
            }
        }
        matrix = product
        offset = (0..<3).map { row in
            encoded.offset[row] + (0..<3).reduce(0) { $0 + encoded.matrix[row][$1] * decoded.offset[$1] }
        }
    }

    /// The same with what follows from other primaries and another curve. An affine change alone is a fast one: so it is
    /// where these are the same.
    static func seeing(_ source: Colorimetry, as target: Colorimetry) -> ColorTransform {
        let to = target.transfer.isShownAlike(source.transfer) ? source.transfer : target.transfer
        guard source.primaries != target.primaries || source.transfer != to else {
            return ColorTransform(from: source, to: target)
        }
        var rgb = source
        (rgb.matrix, rgb.range) = (.rgb, .full)
        var transform = ColorTransform(from: source, to: rgb)
        let coding = ColorTransform(from: rgb, to: target)
        transform.light = Light(
            from: source.transfer, gamut: source.primaries.toRGB(of: target.primaries).rows, to: to,
            coding: coding.matrix, codingOffset: coding.offset)
        return transform
    }

    var rows: [SIMD3<Double>] { Self.rows(matrix) }

    static func rows(_ matrix: [[Double]]) -> [SIMD3<Double>] { matrix.map { SIMD3($0[0], $0[1], $0[2]) } }

    /// The same, with colours brought nearer to grey (0) or farther from it (more than 1) before; for sources of R, G and B.
    func saturated(_ saturation: Double) -> ColorTransform {
        guard saturation != 1 else { return self }
        let luma = [0.2126, 0.7152, 0.0722]
        var result = self
        for row in 0..<3 {
            for column in 0..<3 {
                result.matrix[row][column] = (0..<3).reduce(0) { sum, index in
                    let own = index == column ? saturation : 0
                    return sum + matrix[row][index] * (own + (1 - saturation) * luma[column])
                }
            }
        }
        return result
    }

    private typealias Affine = (matrix: [[Double]], offset: [Double])

    /// Kr and Kb of ITU-R BT.601, 709 and 2020, and of SMPTE 240M.
    private static func weights(_ matrix: Colorimetry.Matrix) -> (r: Double, b: Double) {
        switch matrix {
        case .bt709: (0.2126, 0.0722)
        case .bt2020: (0.2627, 0.0593)
        case .smpte240m: (0.212, 0.087)
        case .bt601, .rgb: (0.299, 0.114)
        }
    }

    /// The bytes of black, and the bytes between black and white, for luma (or RGB) and for chroma.
    private static func scales(_ color: Colorimetry) -> (black: Double, luma: Double, chroma: Double) {
        color.range == .full ? (0, 255, 255) : (16, 219, 224)
    }

    private static func toRGB(_ color: Colorimetry) -> Affine {
        let (black, luma, chroma) = scales(color)
        let y = 255 / luma
        guard color.matrix != .rgb else {
            return ([[y, 0, 0], [0, y, 0], [0, 0, y]], Array(repeating: -black / luma, count: 3))
        }
        let k = weights(color.matrix)
        let g = 1 - k.r - k.b
        let c = 255 / chroma
        let red = 2 * (1 - k.r) * c
        let blue = 2 * (1 - k.b) * c
        let greenFromBlue = -2 * k.b * (1 - k.b) / g * c
        let greenFromRed = -2 * k.r * (1 - k.r) / g * c
        let middle = 128.0 / 255
        let base = -black / luma
        return (
            [[y, 0, red], [y, greenFromBlue, greenFromRed], [y, blue, 0]],
            [base - middle * red, base - middle * (greenFromBlue + greenFromRed), base - middle * blue]
        )
    }

    private static func fromRGB(_ color: Colorimetry) -> Affine {
        let (black, luma, chroma) = scales(color)
        let y = luma / 255
        guard color.matrix != .rgb else {
            return ([[y, 0, 0], [0, y, 0], [0, 0, y]], Array(repeating: black / 255, count: 3))
        }
        let k = weights(color.matrix)
        let g = 1 - k.r - k.b
        let c = chroma / 255
        let middle = 128.0 / 255
        return (
            [
                [k.r * y, g * y, k.b * y],
                [-k.r / (2 * (1 - k.b)) * c, -g / (2 * (1 - k.b)) * c, 0.5 * c],
                [0.5 * c, -g / (2 * (1 - k.r)) * c, -k.b / (2 * (1 - k.r)) * c],
            ],
            [black / 255, middle, middle]
        )
    }

    private static func rangeChange(from: Colorimetry.Range, to: Colorimetry.Range) -> Affine {
        let isWidening = from == .limited && to == .full
        let luma = isWidening ? 255.0 / 219 : 219.0 / 255
        let chroma = isWidening ? 255.0 / 224 : 224.0 / 255
        let middle = 128.0 / 255 * (1 - chroma)
        return (
            [[luma, 0, 0], [0, chroma, 0], [0, 0, chroma]],
            [isWidening ? -16.0 / 219 : 16.0 / 255, middle, middle]
        )
    }
}
