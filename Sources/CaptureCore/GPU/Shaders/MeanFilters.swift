/// Malvar, He and Cutler's filters, averaged over two by two pixels: what a chroma sample needs of the colours, in one sum of a
/// sensor's cells instead of four. The sums are linear, so this is the same; only that what is brighter than white, or darker
/// than black, is cut off after the mean.
enum MeanFilters {
    private typealias Kernel = [(dx: Int, dy: Int, weight: Double)]

    private static let same: Kernel = [(0, 0, 1)]
    private static let green: Kernel =
        [(0, 0, 0.5)] + around.map { ($0, $1, 0.25) } + far.map { ($0, $1, -0.125) }
    /// The colour that a green cell has beside it in its row.
    private static let beside: Kernel =
        [(0, 0, 0.625), (-1, 0, 0.5), (1, 0, 0.5), (-2, 0, -0.125), (2, 0, -0.125), (0, -2, 0.0625), (0, 2, 0.0625)]
        + corners.map { ($0, $1, -0.125) }
    private static let above: Kernel = beside.map { ($0.dy, $0.dx, $0.weight) }
    private static let across: Kernel =
        [(0, 0, 0.75)] + corners.map { ($0, $1, 0.25) } + far.map { ($0, $1, -0.1875) }
    private static let around = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    private static let far = [(-2, 0), (2, 0), (0, -2), (0, 2)]
    private static let corners = [(-1, -1), (1, -1), (-1, 1), (1, 1)]

    private static func kernel(_ channel: Int, isRedRow: Bool, isRedColumn: Bool) -> Kernel {
        switch (channel, isRedRow, isRedColumn) {
        case (0, true, true), (2, false, false): same
        case (0, true, false), (2, false, true): beside
        case (0, false, true), (2, true, false): above
        case (0, false, false), (2, true, true): across
        case (_, true, true), (_, false, false): green
        default: same
        }
    }

    /// Weights of the cells from two to the left and above a block's first one on, row by row, six of six.
    static func weights(_ channel: Int, _ order: PixelReading.BayerOrder) -> [[Double]] {
        var sums = [[Double]](repeating: [Double](repeating: 0, count: 6), count: 6)
        for y in 0..<2 {
            for x in 0..<2 {
                let kernel = kernel(
                    channel, isRedRow: (y + order.redRow) % 2 == 0, isRedColumn: (x + order.redColumn) % 2 == 0)
                for tap in kernel { sums[y + tap.dy + 2][x + tap.dx + 2] += tap.weight / 4 }
            }
        }
        return sums
    }

    /// The sum for two blocks beside each other. `rows`: the names of each row's three texels (before, own, after); of the
    /// first and the last row only the middle one is used.
    static func sum(
        _ channel: Int, _ order: PixelReading.BayerOrder, rows: [(l: String, c: String, r: String)]
    ) -> String {
        var groups: [Double: [String]] = [:]
        for (row, weights) in weights(channel, order).enumerated() {
            let (l, c, r) = rows[row]
            let cells = [
                "vec2(\(l).b, \(c).r)", "vec2(\(l).a, \(c).g)", "\(c).rb", "\(c).ga", "vec2(\(c).b, \(r).r)",
                "vec2(\(c).a, \(r).g)",
            ]
            for (cell, weight) in zip(cells, weights) where abs(weight) > 1e-9 {
                groups[weight, default: []].append(cell)
            }
        }
        return groups.sorted { $0.key > $1.key }.map { "\($0.key) * (\($0.value.joined(separator: " + ")))" }
            .joined(separator: "\n    + ")
    }
}
