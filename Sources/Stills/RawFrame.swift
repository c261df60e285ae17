import CaptureCore

/// A frame as a camera's sensor gave it, in memory, with what is needed to make a picture of it.
public struct RawFrame: Sendable {
    /// V4L2's layout of the bytes.
    public var format: BayerFormat
    /// Pixels.
    public var width: Int
    /// Pixels.
    public var height: Int
    /// Rows without gaps: of each sample one byte, or two, the low one first.
    public var bytes: [UInt8]
    /// What the sensor gives without light, for each cell of the mosaic: two of the first row, two of the second. In
    /// numbers of a sample.
    public var blackLevels: [Double]
    /// The sample from which on a pixel is saturated.
    public var whiteLevel: Double
    public var color = RawColor()
    /// How the camera was held.
    public var orientation = Orientation.upright
    /// The part that is meant to be seen; the rest is margin. In pixels, from the frame's first one.
    public var crop: Crop
    public var make: String?
    public var model: String?

    public struct Crop: Sendable, Hashable {
        public var x: Int
        public var y: Int
        public var width: Int
        public var height: Int

        public init(x: Int, y: Int, width: Int, height: Int) {
            self.x = x
            self.y = y
            self.width = width
            self.height = height
        }
    }

    /// Where a frame's first row and first column are seen, with the numbers that TIFF and EXIF give it.
    public enum Orientation: Int, Sendable, Hashable, CaseIterable {
        case upright = 1
        case mirrored = 2
        case upsideDown = 3
        case flipped = 4
        case transposed = 5
        /// To be turned by 90 degrees clockwise.
        case clockwise = 6
        case transverse = 7
        case counterclockwise = 8

        var swapsSides: Bool { rawValue >= 5 }
    }

    /// - Parameters:
    ///   - bytes: exactly what the size needs.
    ///   - whiteLevel: nil is all that the format's bits can tell.
    public init(
        _ format: BayerFormat, width: Int, height: Int, bytes: [UInt8], blackLevels: [Double] = [0, 0, 0, 0],
        whiteLevel: Double? = nil
    ) {
        precondition(bytes.count == width * height * format.bytesPerPixel && blackLevels.count == 4)
        self.format = format
        self.width = width
        self.height = height
        self.bytes = bytes
        self.blackLevels = blackLevels
        self.whiteLevel = whiteLevel ?? format.fullScale
        crop = Crop(x: 0, y: 0, width: width, height: height)
    }

    /// Where the bytes lie, for whoever reads frames of cameras, too.
    public var layout: FrameLayout {
        let stride = width * format.bytesPerPixel
        return FrameLayout(
            format: format.pixelFormat, width: width, height: height,
            planes: [PlaneLayout(buffer: 0, offset: 0, stride: stride, rowBytes: stride, rows: height)],
            bufferSizes: [stride * height], color: .sRGB)
    }

    /// The part that is meant to be seen, as it is meant to be seen: a mosaic of its own, of which the first cell may
    /// be another one. The same bytes when there is nothing to cut and nothing to turn.
    public func upright() -> RawFrame {
        guard orientation != .upright || crop != Crop(x: 0, y: 0, width: width, height: height) else { return self }
        let swaps = orientation.swapsSides
        let (newWidth, newHeight) = swaps ? (crop.height, crop.width) : (crop.width, crop.height)
        // Steps in pixels of this frame, for a step to the right and one down in the new one.
        let isRowsBack = [.upsideDown, .flipped, .clockwise, .transverse].contains(orientation)
        let isColumnsBack = [.mirrored, .upsideDown, .transverse, .counterclockwise].contains(orientation)
        func source(_ x: Int, _ y: Int) -> (x: Int, y: Int) {
            let (column, row) = swaps ? (y, x) : (x, y)
            return (
                crop.x + (isColumnsBack ? crop.width - 1 - column : column),
                crop.y + (isRowsBack ? crop.height - 1 - row : row)
            )
        }
        let cells = [(0, 0), (1, 0), (0, 1), (1, 1)].map { source($0.0, $0.1) }.map { ($0.y & 1) * 2 + ($0.x & 1) }
        guard let order = BayerOrder(cells: cells.map { format.order.cells[$0] }),
            let newFormat = BayerFormat(order, atLeastBits: format.bits)
        else { preconditionFailure("a turned Bayer mosaic is one, too") }
        let size = format.bytesPerPixel
        let first = source(0, 0)
        let right = source(1, 0)
        let step = ((right.y - first.y) * width + right.x - first.x) * size
        var turned = [UInt8](repeating: 0, count: newWidth * newHeight * size)
        var to = 0
        for y in 0..<newHeight {
            let start = source(0, y)
            var from = (start.y * width + start.x) * size
            for _ in 0..<newWidth {
                turned[to] = bytes[from]
                if size == 2 { turned[to + 1] = bytes[from + 1] }
                to += size
                from += step
            }
        }
        var frame = RawFrame(
            newFormat, width: newWidth, height: newHeight, bytes: turned, blackLevels: cells.map { blackLevels[$0] },
            whiteLevel: whiteLevel)
        frame.color = color
        frame.make = make
        frame.model = model
        return frame
    }
}

extension BayerFormat {
    /// The largest number that a sample can be.
    public var fullScale: Double { Double(1 << bits - 1) }
}
