import CaptureCore
import LinuxSystem
import Testing

@testable import Stills

@Suite("A raw frame")
struct RawFrameTests {
    /// Each sample says where it is from, and which colour its cell has.
    private func frame(_ order: BayerOrder, bits: Int, width: Int = 7, height: Int = 5) throws -> RawFrame {
        let mosaic = TestMosaic(width: width, height: height, bits: bits)
        var frame = RawFrame(
            try #require(BayerFormat(order, atLeastBits: bits)), width: width, height: height, bytes: mosaic.bytes,
            blackLevels: [1, 2, 3, 4])
        frame.make = "Acme"
        frame.color.neutral = [0.5, 1, 1]
        return frame
    }

    private func sample(_ frame: RawFrame, _ x: Int, _ y: Int) -> Int {
        let at = (y * frame.width + x) * frame.format.bytesPerPixel
        return Int(frame.bytes[at]) | (frame.format.bytesPerPixel == 2 ? Int(frame.bytes[at + 1]) << 8 : 0)
    }

    private func cell(_ frame: RawFrame, _ x: Int, _ y: Int) -> (color: Int, black: Double) {
        let index = (y & 1) * 2 + x & 1
        return (frame.format.order.cells[index], frame.blackLevels[index])
    }

    @Test(
        "is turned as its orientation says, and each pixel keeps its colour", arguments: RawFrame.Orientation.allCases)
    func turned(orientation: RawFrame.Orientation) throws {
        for order in BayerOrder.allCases {
            for bits in [8, 12] {
                for crop in [
                    RawFrame.Crop(x: 0, y: 0, width: 7, height: 5), .init(x: 1, y: 0, width: 4, height: 5),
                    .init(x: 2, y: 1, width: 5, height: 4), .init(x: 5, y: 3, width: 2, height: 2),
                ] {
                    var frame = try frame(order, bits: bits)
                    frame.orientation = orientation
                    frame.crop = crop
                    let upright = frame.upright()
                    #expect(upright.orientation == .upright)
                    #expect(upright.crop == .init(x: 0, y: 0, width: upright.width, height: upright.height))
                    #expect(upright.make == "Acme" && upright.color.neutral == [0.5, 1, 1])
                    let isSideways = orientation.rawValue >= 5
                    #expect(upright.width == (isSideways ? crop.height : crop.width))
                    #expect(upright.height == (isSideways ? crop.width : crop.height))
                    for row in 0..<crop.height {
                        for column in 0..<crop.width {
                            // TIFF 6.0: where row 0 and column 0 are seen.
                            let (w, h) = (crop.width - 1, crop.height - 1)
                            let (x, y) =
                                switch orientation {
                                case .upright: (column, row)
                                case .mirrored: (w - column, row)
                                case .upsideDown: (w - column, h - row)
                                case .flipped: (column, h - row)
                                case .transposed: (row, column)
                                case .clockwise: (h - row, column)
                                case .transverse: (h - row, w - column)
                                case .counterclockwise: (row, w - column)
                                }
                            let (fromX, fromY) = (crop.x + column, crop.y + row)
                            #expect(sample(upright, x, y) == sample(frame, fromX, fromY))
                            #expect(cell(upright, x, y) == cell(frame, fromX, fromY))
                        }
                    }
                }
            }
        }
    }

    @Test("has a layout that is as large as its bytes")
    func layout() throws {
        for bits in [8, 10, 12, 14, 16] {
            for order in BayerOrder.allCases {
                let frame = try frame(order, bits: bits)
                #expect(frame.layout.bufferSizes == [frame.bytes.count])
                #expect(frame.layout.planes[0].end == frame.bytes.count)
                #expect(BayerFormat(frame.layout.format) == frame.format)
                #expect(frame.whiteLevel == Double(1 << bits - 1))
            }
        }
        #expect(BayerFormat(.yuyv) == nil)
        #expect(BayerFormat(.rggb, atLeastBits: 17) == nil)
        #expect(BayerFormat(.rggb, atLeastBits: 11)?.pixelFormat == .srggb12)
        #expect(BayerFormat(.sgrbg10).map { "\($0.order)" } == "grbg")
        #expect(
            Set(
                BayerOrder.allCases.flatMap { order in
                    [8, 10, 12, 14, 16].compactMap { BayerFormat(order, atLeastBits: $0)?.pixelFormat }
                }
            ).count == 20)
    }
}
