import LinuxSystem

/// Paints colour bars in a camera's pixel format: the picture of the built-in pattern camera.
struct PatternPainter {
    let layout: FrameLayout

    /// The eight bars at 75 %, from left to right, as sRGB bytes.
    static let bars: [(r: UInt8, g: UInt8, b: UInt8)] = [
        (191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0),
    ]
    /// Pixels of the square that moves along the lower edge.
    static let marker = 32

    /// Paints the rectangle as bars, or as white where it `isMarker`. All edges are even. `buffers` are the slot's.
    func paint(_ buffers: [DMABuf], x: Range<Int>, y: Range<Int>, isMarker: Bool) throws(CamdError) {
        for (plane, place) in layout.planes.enumerated() {
            try buffers[place.buffer].withMutableBytes(.write) { (bytes) throws(CamdError) in
                bytes.withUnsafeMutableBytes { paint(plane, $0, x, y, isMarker) }
            }
        }
    }

    private func color(_ x: Int, _ isMarker: Bool) -> (r: UInt8, g: UInt8, b: UInt8) {
        isMarker ? (235, 235, 235) : Self.bars[min(7, x * 8 / layout.width)]
    }

    private func paint(
        _ plane: Int, _ bytes: UnsafeMutableRawBufferPointer, _ xs: Range<Int>, _ ys: Range<Int>, _ isMarker: Bool
    ) {
        let place = layout.planes[plane]
        let isChroma = plane > 0
        let rows = isChroma ? ys.lowerBound / 2..<ys.upperBound / 2 : ys
        for row in rows {
            let base = place.offset + row * place.stride
            var x = xs.lowerBound
            while x < xs.upperBound {
                let first = color(x, isMarker)
                let second = color(x + 1, isMarker)
                switch layout.format {
                case .yuyv:
                    let a = Self.yuv(first)
                    bytes[base + 2 * x] = a.y
                    bytes[base + 2 * x + 1] = a.u
                    bytes[base + 2 * x + 2] = Self.yuv(second).y
                    bytes[base + 2 * x + 3] = a.v
                case .nv12 where isChroma:
                    bytes[base + x] = Self.yuv(first).u
                    bytes[base + x + 1] = Self.yuv(first).v
                case .nv12:
                    bytes[base + x] = Self.yuv(first).y
                    bytes[base + x + 1] = Self.yuv(second).y
                default:
                    // SRGGB8.
                    bytes[base + x] = row % 2 == 0 ? first.r : first.g
                    bytes[base + x + 1] = row % 2 == 0 ? second.g : second.b
                }
                x += 2
            }
        }
    }

    /// BT.601, limited range.
    private static func yuv(_ color: (r: UInt8, g: UInt8, b: UInt8)) -> (y: UInt8, u: UInt8, v: UInt8) {
        let (r, g, b) = (Double(color.r) / 255, Double(color.g) / 255, Double(color.b) / 255)
        let y = 0.299 * r + 0.587 * g + 0.114 * b
        return (
            UInt8((16 + 219 * y).rounded()), UInt8((128 + 224 * (b - y) / 1.772).rounded()),
            UInt8((128 + 224 * (r - y) / 1.402).rounded())
        )
    }
}
