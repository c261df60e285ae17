import Glibc

/// How raw frames become pictures: what is done to a sensor's numbers on their way to R, G and B.
public struct Look: Sendable, Hashable {
    /// What debayering costs and gives.
    public enum Quality: String, Sendable, Hashable {
        /// One pass: Malvar, He and Cutler's linear filters.
        case video
        /// Several passes that look for edges first: Menon, Andriani and Calvagno's.
        case still
    }

    /// The curve from linear light to the numbers of a picture.
    public enum Curve: Sendable, Hashable {
        /// None.
        case linear
        /// IEC 61966-2-1.
        case sRGB
        /// ITU-R BT.709.
        case bt709
        /// Points in between, equally spaced over the linear range from 0 to 1; at least two.
        case points([Double])

        public func value(_ x: Double) -> Double {
            let x = min(1, max(0, x))
            switch self {
            case .linear: return x
            case .sRGB: return x <= 0.003_130_8 ? 12.92 * x : 1.055 * pow(x, 1 / 2.4) - 0.055
            case .bt709: return x < 0.018 ? 4.5 * x : 1.099 * pow(x, 0.45) - 0.099
            case .points(let points):
                guard points.count > 1 else { return x }
                let position = x * Double(points.count - 1)
                let index = min(points.count - 2, Int(position))
                let part = position - Double(index)
                return points[index] * (1 - part) + points[index + 1] * part
            }
        }
    }

    /// Gains for what the lens takes away towards the corners.
    public struct Shading: Sendable, Hashable {
        public var columns: Int
        public var rows: Int
        /// Row by row from the frame's top left corner to its bottom right one: gains of R, G, B, from 1 to 16.
        public var gains: [SIMD3<Double>]

        public init?(columns: Int, rows: Int, gains: [SIMD3<Double>]) {
            guard (2...64).contains(columns), (2...64).contains(rows), gains.count == columns * rows,
                gains.allSatisfy({ $0.min() >= 0 && $0.max() <= 16 })
            else { return nil }
            self.columns = columns
            self.rows = rows
            self.gains = gains
        }
    }

    public var quality: Quality
    /// Part of full scale that means no light, and that means most.
    public var black: Double
    public var white: Double
    /// Gains of R, G and B before the colours are made.
    public var balance: SIMD3<Double>
    public var shading: Shading?
    /// Cells that differ from all their neighbours by more than this part of full scale are replaced; nil leaves all.
    public var defectThreshold: Double?
    /// Rows of the matrix from the sensor's R, G, B to linear R, G, B of the picture.
    public var matrix: [SIMD3<Double>]
    public var curve: Curve
    /// 1 leaves colours as they are, 0 makes them grey.
    public var saturation: Double
    /// 0 is none; 1 doubles what differs from its surroundings.
    public var sharpening: Double
    /// Differences smaller than this part of full scale are taken for noise and flattened; 0 is none. Of linear light in
    /// video; of the picture's own numbers, after the curve, in stills.
    public var noise: Double

    public init(
        quality: Quality = .video, black: Double = 0, white: Double = 1, balance: SIMD3<Double> = [1, 1, 1],
        shading: Shading? = nil, defectThreshold: Double? = nil, matrix: [SIMD3<Double>] = Look.identity,
        curve: Curve = .linear, saturation: Double = 1, sharpening: Double = 0, noise: Double = 0
    ) {
        self.quality = quality
        self.black = black
        self.white = white
        self.balance = balance
        self.shading = shading
        self.defectThreshold = defectThreshold
        self.matrix = matrix
        self.curve = curve
        self.saturation = saturation
        self.sharpening = sharpening
        self.noise = noise
    }

    public static let identity: [SIMD3<Double>] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]

    /// The debayer alone.
    public static let neutral = Look()

    /// What a sensor's numbers mean when all this was done to them.
    func changing(_ color: Colorimetry) -> Colorimetry {
        var color = color
        switch curve {
        case .linear: break
        case .bt709: color.transfer = .bt709
        case .sRGB, .points: color.transfer = .sRGB
        }
        if matrix != Self.identity { color.primaries = .bt709 }
        return color
    }

    /// `curve` as a shader can do it without a table: a straight line from black up to `curveToe`, then a polynomial of the
    /// square root; the line's slope, and the polynomial's coefficients from the constant up (least squares).
    func curveCoefficients() -> (slope: Double, terms: [Double]) {
        let terms = Self.curveTerms
        var normal = [[Double]](repeating: [Double](repeating: 0, count: terms + 1), count: terms)
        let steps = 2048
        let first = Self.curveToe.squareRoot()
        for step in 0...steps {
            // Equal steps of the root: the dark end counts as much as the eye makes of it.
            let root = first + (1 - first) * Double(step) / Double(steps)
            let wanted = curve.value(root * root)
            let weight = step == 0 || step == steps ? 100.0 : 1.0
            var powers = [Double](repeating: 1, count: terms)
            for index in 1..<terms { powers[index] = powers[index - 1] * root }
            for row in 0..<terms {
                for column in 0..<terms { normal[row][column] += weight * powers[row] * powers[column] }
                normal[row][terms] += weight * powers[row] * wanted
            }
        }
        return (curve.value(Self.curveToe) / Self.curveToe, Self.solve(normal))
    }

    /// Of full scale. Below it the usual curves are straight.
    static let curveToe = 0.004
    static let curveTerms = 7

    /// Gauss' elimination with the largest pivot.
    private static func solve(_ rows: [[Double]]) -> [Double] {
        var rows = rows
        let count = rows.count
        for column in 0..<count {
            let pivot = (column..<count).max { abs(rows[$0][column]) < abs(rows[$1][column]) } ?? column
            rows.swapAt(column, pivot)
            for row in column + 1..<count {
                let factor = rows[row][column] / rows[column][column]
                for index in column...count { rows[row][index] -= factor * rows[column][index] }
            }
        }
        var result = [Double](repeating: 0, count: count)
        for row in (0..<count).reversed() {
            var sum = rows[row][count]
            for index in row + 1..<count { sum -= rows[row][index] * result[index] }
            result[row] = sum / rows[row][row]
        }
        return result
    }
}
