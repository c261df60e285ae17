/// Three rows of three numbers.
public struct Matrix3: Sendable, Hashable {
    public var rows: [[Double]]

    public init(_ rows: [[Double]]) {
        precondition(rows.count == 3 && rows.allSatisfy { $0.count == 3 })
        self.rows = rows
    }

    /// From nine numbers, row by row; nil where there are not nine.
    public init?(numbers: [Double]) {
        guard numbers.count == 9 else { return nil }
        rows = (0..<3).map { Array(numbers[$0 * 3..<$0 * 3 + 3]) }
    }

    public static let identity = Matrix3(diagonal: [1, 1, 1])

    public init(diagonal: [Double]) {
        rows = (0..<3).map { row in (0..<3).map { $0 == row ? diagonal[row] : 0 } }
    }

    /// Row by row.
    public var numbers: [Double] { rows.flatMap { $0 } }

    public static func * (left: Matrix3, right: Matrix3) -> Matrix3 {
        Matrix3(
            left.rows.map { row in
                (0..<3).map { column in (0..<3).reduce(0) { $0 + row[$1] * right.rows[$1][column] } }
            })
    }

    public static func * (left: Matrix3, right: [Double]) -> [Double] {
        left.rows.map { row in (0..<3).reduce(0) { $0 + row[$1] * right[$1] } }
    }

    /// Its inverse; nil where it has none that numbers of this precision could tell.
    public var inverse: Matrix3? {
        let m = rows
        func minor(_ a: Int, _ b: Int, _ c: Int, _ d: Int) -> Double { m[a][c] * m[b][d] - m[a][d] * m[b][c] }
        let adjugate = [
            [minor(1, 2, 1, 2), -minor(0, 2, 1, 2), minor(0, 1, 1, 2)],
            [-minor(1, 2, 0, 2), minor(0, 2, 0, 2), -minor(0, 1, 0, 2)],
            [minor(1, 2, 0, 1), -minor(0, 2, 0, 1), minor(0, 1, 0, 1)],
        ]
        let determinant = m[0][0] * adjugate[0][0] + m[0][1] * adjugate[1][0] + m[0][2] * adjugate[2][0]
        let largest = numbers.map(abs).max() ?? 0
        guard determinant.isFinite, abs(determinant) > 1e-9 * largest * largest * largest else { return nil }
        return Matrix3(adjugate.map { $0.map { $0 / determinant } })
    }

    /// Between two matrices: 0 is `self`, 1 is `other`.
    public func mixed(with other: Matrix3, _ share: Double) -> Matrix3 {
        Matrix3(zip(rows, other.rows).map { zip($0, $1).map { $0 * (1 - share) + $1 * share } })
    }
}
