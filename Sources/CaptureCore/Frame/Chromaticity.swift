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

    /// Bradford's matrix from XYZ to something like the eye's cones.
    private static let cones = Matrix3([
        [0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296],
    ])

    /// From XYZ as seen under one white to XYZ as seen under another, by Bradford's transform.
    public static func adaptation(from white: Chromaticity, to other: Chromaticity) -> Matrix3? {
        let before = cones * white.xyz
        let after = cones * other.xyz
        guard before.allSatisfy({ $0 > 1e-3 }), let back = cones.inverse else { return nil }
        return back * Matrix3(diagonal: (0..<3).map { after[$0] / before[$0] }) * cones
    }
}

extension Colorimetry.Primaries {
    /// Red, green and blue, and the white that they make together.
    private var points: (rgb: [Chromaticity], white: Chromaticity) {
        func rgb(_ numbers: [Double]) -> [Chromaticity] {
            [0, 2, 4].map { Chromaticity(x: numbers[$0], y: numbers[$0 + 1]) }
        }
        return switch self {
        case .bt709: (rgb([0.640, 0.330, 0.300, 0.600, 0.150, 0.060]), .d65)
        case .smpte170m: (rgb([0.630, 0.340, 0.310, 0.595, 0.155, 0.070]), .d65)
        case .bt470SystemM: (rgb([0.67, 0.33, 0.21, 0.71, 0.14, 0.08]), Chromaticity(x: 0.310, y: 0.316))
        case .bt470SystemBG: (rgb([0.64, 0.33, 0.29, 0.60, 0.15, 0.06]), .d65)
        case .bt2020: (rgb([0.708, 0.292, 0.170, 0.797, 0.131, 0.046]), .d65)
        case .opRGB: (rgb([0.6400, 0.3300, 0.2100, 0.7100, 0.1500, 0.0600]), .d65)
        case .dciP3: (rgb([0.680, 0.320, 0.265, 0.690, 0.150, 0.060]), Chromaticity(x: 0.314, y: 0.351))
        }
    }

    /// From linear R, G, B of these primaries to XYZ under their own white.
    public var toXYZ: Matrix3? {
        let points = points
        let edges = points.rgb.map(\.xyz)
        let columns = Matrix3((0..<3).map { row in edges.map { $0[row] } })
        return columns.inverse.map { columns * Matrix3(diagonal: $0 * points.white.xyz) }
    }

    /// From linear R, G, B of these primaries to those of others; white stays white.
    func toRGB(of other: Self) -> Matrix3 {
        guard self != other, let toXYZ, let back = other.toXYZ?.inverse,
            let adaptation = Chromaticity.adaptation(from: points.white, to: other.points.white)
        else { return .identity }
        return back * adaptation * toXYZ
    }
}
