/// Where one plane of a frame lies.
public struct PlaneLayout: Hashable, Sendable {
    /// Which of the frame's dma-bufs holds it.
    public var buffer: Int
    /// Bytes from the start of that dma-buf to the plane's first row.
    public var offset: Int
    /// Bytes from one row to the next.
    public var stride: Int
    /// Bytes of a row that hold pixels.
    public var rowBytes: Int
    /// Rows.
    public var rows: Int

    public init(buffer: Int, offset: Int, stride: Int, rowBytes: Int, rows: Int) {
        self.buffer = buffer
        self.offset = offset
        self.stride = stride
        self.rowBytes = rowBytes
        self.rows = rows
    }

    /// One past the last byte that the plane needs of its dma-buf.
    public var end: Int { rows == 0 ? offset : offset + (rows - 1) * stride + rowBytes }
}

/// What a frame is: its format and size, and where its planes lie.
public struct FrameLayout: Hashable, Sendable {
    public var format: PixelFormat
    /// Pixels.
    public var width: Int
    /// Pixels.
    public var height: Int
    /// In the format's own order: Y, then UV; or Y, U, V; or the one.
    public var planes: [PlaneLayout]
    /// Bytes of each dma-buf that the driver asks for.
    public var bufferSizes: [Int]
    public var color: Colorimetry

    public init(
        format: PixelFormat, width: Int, height: Int, planes: [PlaneLayout], bufferSizes: [Int], color: Colorimetry
    ) {
        self.format = format
        self.width = width
        self.height = height
        self.planes = planes
        self.bufferSizes = bufferSizes
        self.color = color
    }

    /// `1280x720`
    public var sizeText: String { "\(width)x\(height)" }
}
