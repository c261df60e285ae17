import LinuxSystem

/// What exposure, white balance and focus are found from: a coarse picture of the frame in the sensor's own numbers, as the GPU
/// wrote it (`PictureTap.Kind.statistics`) and the CPU read it, once, between the two calls of DMA_BUF_IOCTL_SYNC.
public struct FrameStatistics: Sendable {
    /// One tile of the frame, each number from 0 to 255.
    public struct Tile: Sendable, Hashable {
        /// Means before any gain.
        public var red: UInt8
        public var green: UInt8
        public var blue: UInt8
        /// How much neighbouring pixels differ, on average over the tile: more is sharper.
        public var focus: UInt8
    }

    public let columns: Int
    public let rows: Int
    /// Row by row.
    public let tiles: [Tile]

    public init(_ lease: borrowing FrameLease) throws(CamdError) {
        let layout = lease.layout
        let plane = layout.planes[0]
        (columns, rows) = (layout.width, layout.height)
        tiles = try lease.buffers[0].withBytes { (bytes) throws(CamdError) in
            bytes.withUnsafeBytes { bytes in
                (0..<layout.height).flatMap { row in
                    (0..<layout.width).map { column in
                        let at = plane.offset + row * plane.stride + column * 4
                        return Tile(red: bytes[at], green: bytes[at + 1], blue: bytes[at + 2], focus: bytes[at + 3])
                    }
                }
            }
        }
    }

    /// How many tiles have which brightness, R/4 + G/2 + B/4: 64 counts, from black to white.
    public var histogram: [Int] {
        var counts = [Int](repeating: 0, count: 64)
        for tile in tiles { counts[(Int(tile.red) + 2 * Int(tile.green) + Int(tile.blue)) >> 4] += 1 }
        return counts
    }

    /// The mean of all tiles, each from 0 to 255.
    public var mean: (red: Double, green: Double, blue: Double) {
        let count = Double(max(1, tiles.count))
        return (
            tiles.reduce(0) { $0 + Double($1.red) } / count, tiles.reduce(0) { $0 + Double($1.green) } / count,
            tiles.reduce(0) { $0 + Double($1.blue) } / count
        )
    }
}
