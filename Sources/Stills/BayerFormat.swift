import CaptureCore

/// Which colour each cell of a Bayer mosaic has, from the first pixel of a frame on: two of the first row, two of the
/// second.
public enum BayerOrder: String, Sendable, Hashable, CaseIterable {
    case rggb, grbg, gbrg, bggr

    /// The colours of the four cells, row by row: 0 is red, 1 green, 2 blue.
    public var cells: [Int] {
        switch self {
        case .rggb: [0, 1, 1, 2]
        case .grbg: [1, 0, 2, 1]
        case .gbrg: [1, 2, 0, 1]
        case .bggr: [2, 1, 1, 0]
        }
    }

    /// From the colours of the four cells; nil where they are no Bayer mosaic.
    public init?(cells: [Int]) {
        guard let order = Self.allCases.first(where: { $0.cells == cells }) else { return nil }
        self = order
    }
}

/// A Bayer mosaic of which every sample has 8 bits, or 16 with the sample in the low ones.
public struct BayerFormat: Sendable, Hashable {
    public let order: BayerOrder
    /// Of a sample: 8, 10, 12, 14 or 16.
    public let bits: Int

    public var bytesPerPixel: Int { bits > 8 ? 2 : 1 }

    private static let all: [(bits: Int, formats: [PixelFormat])] = [
        (8, [.srggb8, .sgrbg8, .sgbrg8, .sbggr8]), (10, [.srggb10, .sgrbg10, .sgbrg10, .sbggr10]),
        (12, [.srggb12, .sgrbg12, .sgbrg12, .sbggr12]), (14, [.srggb14, .sgrbg14, .sgbrg14, .sbggr14]),
        (16, [.srggb16, .sgrbg16, .sgbrg16, .sbggr16]),
    ]

    /// Nil for a format that is no such mosaic.
    public init?(_ format: PixelFormat) {
        for (bits, formats) in Self.all {
            guard let index = formats.firstIndex(of: format) else { continue }
            order = BayerOrder.allCases[index]
            self.bits = bits
            return
        }
        return nil
    }

    /// With so many bits or, where no format has these, the next number that one has; nil for more than 16.
    public init?(_ order: BayerOrder, atLeastBits bits: Int) {
        guard let enough = Self.all.map(\.bits).first(where: { $0 >= bits }) else { return nil }
        self.order = order
        self.bits = enough
    }

    /// V4L2's name of it.
    public var pixelFormat: PixelFormat {
        let formats = Self.all.first { $0.bits == bits }?.formats ?? []
        return formats[BayerOrder.allCases.firstIndex(of: order) ?? 0]
    }
}
