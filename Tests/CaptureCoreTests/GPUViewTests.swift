import GoldenSupport
import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

/// Pictures that are cut, turned, mirrored and scaled, and what a look does to a sensor's numbers.
@Suite(.serialized) struct GPUViewTests {
    private static let developer = Mutex<Developer?>(nil)

    private static func layout(_ format: PixelFormat, _ width: Int, _ height: Int) throws -> FrameLayout {
        try #require(FrameLayout(format, width: width, height: height, color: .sRGB))
    }

    /// R, G and B of each pixel of an RGBA picture.
    private static func develop(
        _ format: PixelFormat, _ width: Int, _ height: Int, look: Look = .neutral, view: PictureView? = nil,
        _ fill: (_ x: Int, _ y: Int) -> [UInt8]
    ) throws -> (width: Int, pixels: [SIMD3<Int>]) {
        var bytes: [UInt8] = []
        for y in 0..<height { for x in 0..<width { bytes += fill(x, y) } }
        let picture = try Developer().develop(
            layout(format, width, height), [bytes], look: look, kind: .rgba, view: view)
        let tight = try picture.lease.tight()
        return (
            picture.layout.width,
            stride(from: 0, to: tight.count, by: 4).map {
                SIMD3(Int(tight[$0]), Int(tight[$0 + 1]), Int(tight[$0 + 2]))
            }
        )
    }

    private static func number(_ x: Int, _ y: Int) -> [UInt8] {
        [UInt8(truncatingIfNeeded: x * 5), UInt8(truncatingIfNeeded: y * 7), UInt8(truncatingIfNeeded: x * y), 255]
    }

    @Test(arguments: PictureView.Rotation.allCases, [false, true])
    func `a picture is turned and mirrored with every pixel kept`(
        _ rotation: PictureView.Rotation, _ isMirrored: Bool
    ) throws {
        let (width, height) = (37, 22)
        let isSideways = rotation == .right || rotation == .left
        var view = PictureView(width: isSideways ? height : width, height: isSideways ? width : height)
        view.rotation = rotation
        view.isMirrored = isMirrored
        let made = try Self.develop(.rgba32, width, height, view: view, Self.number)
        for y in 0..<view.height {
            for x in 0..<view.width {
                // Where a clockwise turn takes its pixel from.
                var (u, v) =
                    switch rotation {
                    case .none: (x, y)
                    case .right: (y, height - 1 - x)
                    case .half: (width - 1 - x, height - 1 - y)
                    case .left: (width - 1 - y, x)
                    }
                if isMirrored { u = width - 1 - u }
                v = max(0, v)
                let wanted = Self.number(u, v)
                #expect(made.pixels[y * made.width + x] == SIMD3(Int(wanted[0]), Int(wanted[1]), Int(wanted[2])))
            }
        }
    }

    @Test func `a part of the frame is cut out exactly`() throws {
        var view = PictureView(width: 16, height: 10)
        (view.left, view.right) = (8.0 / 48, 24.0 / 48)
        (view.top, view.bottom) = (6.0 / 32, 16.0 / 32)
        let made = try Self.develop(.rgba32, 48, 32, view: view, Self.number)
        for y in 0..<10 {
            for x in 0..<16 {
                let wanted = Self.number(x + 8, y + 6)
                #expect(made.pixels[y * 16 + x] == SIMD3(Int(wanted[0]), Int(wanted[1]), Int(wanted[2])))
            }
        }
    }

    @Test(arguments: [2, 4, 8])
    func `a smaller picture is made of the means of what it stands for`(_ factor: Int) throws {
        // Stripes of one pixel: point sampling would give black or white.
        let view = PictureView(width: 64 / factor, height: 64 / factor)
        let made = try Self.develop(.rgba32, 64, 64, view: view) { x, y in
            [x % 2 == 0 ? 255 : 0, y % 2 == 0 ? 255 : 0, (x + y) % 2 == 0 ? 255 : 0, 255]
        }
        for pixel in made.pixels { for channel in 0..<3 { #expect(abs(pixel[channel] - 128) <= 2, "\(pixel)") } }
    }

    @Test func `a zone plate that is made much smaller shows no false rings`() throws {
        // Radii at which its rings are finer than the small picture can show have to be grey.
        let size = 512
        let made = try Self.develop(.rgba32, size, size, view: PictureView(width: 90, height: 90)) { x, y in
            let (u, v) = (Double(x) - 256, Double(y) - 256)
            let wave = UInt8(127.5 + 127.5 * cos(.pi * (u * u + v * v) / Double(size)))
            return [wave, wave, wave, 255]
        }
        // The frequency is r / 512 cycles a pixel; the small picture's limit is 45 / 512: r = 45 of 256, so 8 of 45.
        var worst = 0
        for y in 0..<90 {
            for x in 0..<90 {
                let radius = hypot(Double(x) - 44.5, Double(y) - 44.5) * Double(size) / 90
                if radius > 110, radius < 250 { worst = max(worst, abs(made.pixels[y * 90 + x].x - 128)) }
            }
        }
        #expect(worst <= 40, "\(worst) of 127 comes through")
    }

    @Test func `black level, white balance, matrix and curve do what they say`() throws {
        // Even fields of one colour each, so that the debayer has nothing to do.
        let look = Look(
            black: 16.0 / 255, balance: [2, 1, 1.5], matrix: [[1.2, -0.2, 0], [0, 1, 0], [0, -0.1, 1.1]], curve: .sRGB)
        let (r, g, b) = (60, 90, 70)
        let made = try Self.develop(.srggb8, 32, 32, look: look) { x, y in
            [UInt8(y % 2 == 0 ? (x % 2 == 0 ? r : g) : (x % 2 == 0 ? g : b))]
        }
        func linear(_ value: Int, _ gain: Double) -> Double { Double(value - 16) / 239 * gain }
        let (lr, lg, lb) = (linear(r, 2), linear(g, 1), linear(b, 1.5))
        let wanted = [1.2 * lr - 0.2 * lg, lg, 1.1 * lb - 0.1 * lg].map { Look.Curve.sRGB.value($0) * 255 }
        for pixel in made.pixels {
            for channel in 0..<3 {
                #expect(abs(Double(pixel[channel]) - wanted[channel]) <= 1.6, "\(pixel), \(wanted)")
            }
        }
    }

    @Test(arguments: [Look.Curve.sRGB, .bt709, .linear, .points([0, 0.3, 0.55, 0.75, 0.9, 1])])
    func `a curve as a polynomial of the root is within a step of 255, or a quarter more at a kink`(_ curve: Look.Curve)
    {
        var look = Look.neutral
        look.curve = curve
        let (slope, terms) = look.curveCoefficients()
        for step in 1...2000 {
            let x = Double(step) / 2000
            let root = x.squareRoot()
            let bright = terms.reversed().reduce(0) { $0 * root + $1 }
            let value = x < Look.curveToe ? x * slope : bright
            #expect(abs(value - curve.value(x)) <= 1.25 / 255, "\(x): \(value), not \(curve.value(x))")
        }
    }

    @Test(arguments: [PixelFormat.srggb8, .sbggr10, .sgrbg12P])
    func `a defective cell is replaced, and edges stay`(_ format: PixelFormat) throws {
        let (width, height) = (32, 32)
        let layout = try Self.layout(format, width, height)
        guard case .bayer(_, let depth)? = PixelReading(format) else { return }
        /// An edge in the middle; one cell that is stuck.
        func cell(_ x: Int, _ y: Int, isDefective: Bool) -> Int {
            let full = (1 << depth.bits) - 1
            if isDefective, (x, y) == (11, 14) || (x, y) == (24, 9) { return x == 11 ? full : 0 }
            return x < 18 ? full / 4 : full / 2
        }
        func frame(_ isDefective: Bool) -> [UInt8] {
            var bytes: [UInt8] = []
            for y in 0..<height {
                switch depth {
                case .bytes: for x in 0..<width { bytes.append(UInt8(cell(x, y, isDefective: isDefective))) }
                case .words:
                    for x in 0..<width {
                        let value = cell(x, y, isDefective: isDefective)
                        bytes += [UInt8(value & 255), UInt8(value >> 8)]
                    }
                default:
                    for x in stride(from: 0, to: width, by: 2) {
                        let (a, b) = (cell(x, y, isDefective: isDefective), cell(x + 1, y, isDefective: isDefective))
                        bytes += [UInt8(a >> 4), UInt8(b >> 4), UInt8(a & 15 | (b & 15) << 4)]
                    }
                }
            }
            return bytes
        }
        let developer = try Developer()
        let look = Look(defectThreshold: 0.1)
        let good = try developer.develop(layout, [frame(false)], look: .neutral, kind: .rgba).lease.tight()
        let mended = try developer.develop(layout, [frame(true)], look: look, kind: .rgba).lease.tight()
        let left = try developer.develop(layout, [frame(true)], look: .neutral, kind: .rgba).lease.tight()
        func worst(_ a: [UInt8]) -> Int { zip(a, good).map { abs(Int($0) - Int($1)) }.max() ?? 255 }
        #expect(worst(mended) <= 2)
        #expect(worst(left) > 60, "the defect shows where it is left")
    }

    @Test func `the lens's gains grow towards the corners`() throws {
        let gains = (0..<9).map { $0 == 4 ? SIMD3(1.0, 1, 1) : SIMD3(2.0, 1.5, 1.25) }
        let shading = try #require(Look.Shading(columns: 3, rows: 3, gains: gains))
        let made = try Self.develop(.srggb8, 65, 65, look: Look(shading: shading)) { _, _ in [100] }
        let corner = made.pixels[0]
        let middle = made.pixels[32 * 65 + 32]
        #expect(abs(corner.x - 200) <= 2 && abs(corner.y - 150) <= 2 && abs(corner.z - 125) <= 2, "\(corner)")
        #expect(abs(middle.x - 100) <= 7 && abs(middle.z - 100) <= 3, "\(middle)")
    }

    @Test func `noise is flattened, and what stands out is sharpened`() throws {
        /// How far the pixels are from their mean, all together.
        func spread(_ look: Look, _ fill: (Int, Int) -> [UInt8]) throws -> Int {
            let pixels = try Self.develop(.srggb8, 32, 32, look: look, fill).pixels.map { $0.x + 2 * $0.y + $0.z }
            let mean = pixels.reduce(0, +) / pixels.count
            return pixels.reduce(0) { $0 + abs($1 - mean) }
        }
        let noise: (Int, Int) -> [UInt8] = { x, y in [UInt8(100 + (x * 7 + y * 13) % 5)] }
        let edge: (Int, Int) -> [UInt8] = { x, _ in [x < 16 ? 80 : 160] }
        #expect(try 5 * spread(Look(noise: 0.03), noise) < 4 * spread(.neutral, noise))
        #expect(try spread(Look(sharpening: 1), edge) > spread(.neutral, edge) + 100)
    }

    @Test func `saturation of nothing makes grey`() throws {
        let made = try Self.develop(.srggb8, 16, 16, look: Look(saturation: 0)) { x, y in
            [UInt8(y % 2 == 0 ? (x % 2 == 0 ? 200 : 100) : (x % 2 == 0 ? 100 : 50))]
        }
        for pixel in made.pixels { #expect(pixel.max() - pixel.min() <= 1, "\(pixel)") }
    }

    // MARK: Several pictures of each frame

    private final class Sink: VideoSink {
        let frames = Ring<FrameLease>(capacity: 8)
        func offer(_ frame: consuming FrameLease) { _ = frames.push(frame) }
    }

    @Test func `one frame becomes pictures of several sizes and kinds, and statistics`() throws {
        let (width, height) = (64, 48)
        let layout = try Self.layout(.srggb8, width, height)
        let pool = FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: 2))
        guard let frame = pool.acquire() else { throw CamdError(.software, subject: "test", reason: "no slot") }
        // Left dark, right bright, both of one colour.
        try frame.buffers[0].withMutableBytes(.write) { (bytes) throws(CamdError) in
            bytes.withUnsafeMutableBytes { bytes in
                for y in 0..<height {
                    for x in 0..<width {
                        let colour = y % 2 == 0 ? (x % 2 == 0 ? 80 : 60) : (x % 2 == 0 ? 60 : 40)
                        bytes[y * width + x] = UInt8(x < 32 ? colour : 2 * colour)
                    }
                }
            }
        }
        let (screen, small, statistics) = (Sink(), Sink(), Sink())
        var turned = PictureView(width: 24, height: 32)
        turned.rotation = .right
        var plan = PicturePlan(videoColor: .hdVideo)
        plan.taps = [
            PictureTap(.rgba, sink: screen), PictureTap(.nv12, view: turned, color: .hdVideo, sink: small),
            PictureTap(.statistics(columns: 8, rows: 6), sink: statistics),
        ]
        let gpu = try GPUStage(
            source: pool, writes: DriverWrites(.clean), plan: plan, choice: HeapChoice([], need: .anything),
            ended: { Issue.record($0) })
        defer { gpu.stop() }
        gpu.offer(frame)
        let deadline = Deadline(afterMilliseconds: 5000)
        while statistics.frames.count == 0, !deadline.hasPassed { usleep(1000) }
        guard let picture = screen.frames.pop(), let reduced = small.frames.pop(), let tiles = statistics.frames.pop()
        else {
            Issue.record("not all pictures came")
            return
        }
        let rgba = try picture.tight()
        #expect(rgba[(20 * width + 10) * 4] == 80 && rgba[(20 * width + 50) * 4 + 2] == 80)
        #expect(reduced.layout.width == 24 && reduced.layout.height == 32)
        // Turned clockwise, the frame's left is the picture's top.
        let luma = try reduced.tight()
        #expect(luma[4 * 24 + 12] + 20 < luma[28 * 24 + 12])
        let found = try FrameStatistics(tiles)
        #expect(found.columns == 8 && found.rows == 6)
        #expect(found.tiles[0].red == 80 && found.tiles[0].green == 60 && found.tiles[0].blue == 40)
        #expect(found.tiles[7].red == 160)
        #expect(found.histogram.reduce(0, +) == 48)
        // The edge in the middle is where it is sharpest.
        #expect(
            found.tiles.map(\.focus).max() == found.tiles[3].focus
                || found.tiles.map(\.focus).max() == found.tiles[4].focus)
    }
}
