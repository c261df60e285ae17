import CaptureCore
import LinuxSystem

/// Where an encoder finds the planes of a frame: checked once, so that no frame makes it read past a buffer.
struct FrameGeometry {
    struct Plane {
        var buffer: Int
        var offset: Int
        var stride: Int
        /// Bytes of a row and rows that the encoder reads.
        var rowBytes: Int
        var rows: Int

        var end: Int { offset + (rows - 1) * stride + rowBytes }
    }

    /// libavutil's frames have eight; no format has more than four.
    static let mostPlanes = 4

    let width: Int
    let height: Int
    let planes: [Plane]
    /// For each dma-buf the bytes that the planes in it need.
    let bufferSizes: [Int]

    /// Bytes of all that is read.
    var pixelBytes: Int { planes.reduce(0) { $0 + $1.rowBytes * $1.rows } }

    /// `order`: of the layout's planes, as the encoder wants them.
    init(
        _ layout: FrameLayout, _ shape: [(groupBytes: Int, across: Int, down: Int)], order: [Int] = [0, 1, 2]
    ) throws(CamdError) {
        let sides = 1...32_768
        guard sides.contains(layout.width), sides.contains(layout.height) else {
            throw Self.wrong(layout, "a video frame has 1 to \(sides.upperBound) pixels each way")
        }
        guard layout.planes.count == shape.count else {
            throw Self.wrong(layout, "it has \(shape.count) planes, the layout tells \(layout.planes.count)")
        }
        let buffers = layout.bufferSizes.count
        guard (1...Self.mostPlanes).contains(buffers) else {
            throw Self.wrong(layout, "a frame has 1 to \(Self.mostPlanes) buffers, the layout tells \(buffers)")
        }
        var sizes = [Int](repeating: 0, count: buffers)
        var planes: [Plane] = []
        for (index, group) in zip(order, shape) {
            let told = layout.planes[index]
            let plane = Plane(
                buffer: told.buffer, offset: told.offset, stride: told.stride,
                rowBytes: (layout.width + group.across - 1) / group.across * group.groupBytes,
                rows: (layout.height + group.down - 1) / group.down)
            guard layout.bufferSizes.indices.contains(plane.buffer), plane.offset >= 0,
                plane.stride >= plane.rowBytes, plane.stride <= 1 << 24, plane.offset <= 1 << 40,
                plane.end <= layout.bufferSizes[plane.buffer]
            else {
                throw Self.wrong(layout, "plane \(planes.count) does not fit into its buffer (\(told))")
            }
            sizes[plane.buffer] = max(sizes[plane.buffer], plane.end)
            planes.append(plane)
        }
        width = layout.width
        height = layout.height
        self.planes = planes
        bufferSizes = sizes
    }

    private static func wrong(_ layout: FrameLayout, _ reason: String) -> CamdError {
        CamdError(.badData, subject: "\(layout.format) frame of \(layout.sizeText)", reason: reason)
    }
}
