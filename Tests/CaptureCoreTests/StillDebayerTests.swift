import GoldenSupport
import Testing

@testable import CaptureCore

/// The debayer for stills against Menon, Andriani and Calvagno's as the paper has it, step by step, in `Double`.
@Suite struct StillDebayerTests {
    /// A picture of a sensor: a number of 0 to 1 for each cell.
    struct Cells {
        var width: Int
        var height: Int
        var values: [Double]

        init(_ width: Int, _ height: Int, _ value: (_ x: Int, _ y: Int) -> Double) {
            self.width = width
            self.height = height
            values = (0..<width * height).map { value($0 % width, $0 / width) }
        }

        /// Beyond the edges: the mirror image, without the edge itself.
        subscript(_ x: Int, _ y: Int) -> Double {
            let (x, y) = (abs(x), abs(y))
            return values[
                (y < height ? y : 2 * (height - 1) - y) * width + (x < width ? x : 2 * (width - 1) - x)]
        }
    }

    /// Red, green and blue of each pixel. `lean`: differences of the classifier up to this are decided for the row.
    static func reference(_ cells: Cells, _ order: PixelReading.BayerOrder, lean: Double = 0) -> [Cells] {
        let (width, height) = (cells.width, cells.height)
        func isRedRow(_ y: Int) -> Bool { (y + order.redRow) % 2 == 0 }
        func isGreen(_ x: Int, _ y: Int) -> Bool { (x + y + order.redRow + order.redColumn) % 2 != 0 }
        func candidate(_ x: Int, _ y: Int, _ dx: Int, _ dy: Int) -> Double {
            0.5 * (cells[x - dx, y - dy] + cells[x + dx, y + dy]) + 0.5 * cells[x, y]
                - 0.25 * (cells[x - 2 * dx, y - 2 * dy] + cells[x + 2 * dx, y + 2 * dy])
        }
        let across = Cells(width, height) { isGreen($0, $1) ? 0 : cells[$0, $1] - candidate($0, $1, 1, 0) }
        let down = Cells(width, height) { isGreen($0, $1) ? 0 : cells[$0, $1] - candidate($0, $1, 0, 1) }
        func changeAcross(_ x: Int, _ y: Int) -> Double { abs(across[x, y] - across[x + 2, y]) }
        func changeDown(_ x: Int, _ y: Int) -> Double { abs(down[x, y] - down[x, y + 2]) }
        // Of a convolution the kernel is turned around: what it has to the right is to the left.
        let kernel: [(Int, Int, Double)] = [
            (0, -2, 1), (-2, -2, 1), (-1, -1, 1), (0, 0, 3), (-2, 0, 3), (-1, 1, 1), (0, 2, 1), (-2, 2, 1),
        ]
        let isAcross = Cells(width, height) { x, y in
            guard !isGreen(x, y) else { return 0 }
            let acrossSum = kernel.reduce(0) { $0 + $1.2 * changeAcross(x + $1.0, y + $1.1) }
            let downSum = kernel.reduce(0) { $0 + $1.2 * changeDown(x + $1.1, y + $1.0) }
            return downSum + lean >= acrossSum ? 1 : 0
        }
        var green = Cells(width, height) { x, y in
            isGreen(x, y)
                ? cells[x, y]
                : isAcross[x, y] > 0 ? candidate(x, y, 1, 0) : candidate(x, y, 0, 1)
        }
        /// The mean of two or three differences of two colours along a row or a column.
        func mean(_ a: Cells, _ b: Cells, _ x: Int, _ y: Int, _ isAcross: Bool, withOwn: Bool) -> Double {
            let (dx, dy) = isAcross ? (1, 0) : (0, 1)
            let two = a[x - dx, y - dy] - b[x - dx, y - dy] + a[x + dx, y + dy] - b[x + dx, y + dy]
            return withOwn ? (two + a[x, y] - b[x, y]) / 3 : two / 2
        }
        /// Red and blue at green cells, from those of their row and of their column.
        func filled(_ colour: Cells, isRed: Bool) -> Cells {
            Cells(width, height) { x, y in
                guard isGreen(x, y) else { return colour[x, y] }
                return green[x, y] + mean(colour, green, x, y, isRedRow(y) == isRed, withOwn: false)
            }
        }
        var red = filled(cells, isRed: true)
        var blue = filled(cells, isRed: false)
        let (redAtGreen, blueAtGreen) = (red, blue)
        func other(_ own: Cells, _ wanted: Cells, isRed: Bool, _ x: Int, _ y: Int) -> Double {
            guard !isGreen(x, y), isRedRow(y) != isRed else { return wanted[x, y] }
            return own[x, y] + mean(wanted, own, x, y, isAcross[x, y] > 0, withOwn: false)
        }
        red = Cells(width, height) { other(blueAtGreen, redAtGreen, isRed: true, $0, $1) }
        blue = Cells(width, height) { other(redAtGreen, blueAtGreen, isRed: false, $0, $1) }

        // Refining: green at red and blue cells, red and blue at green ones, then the other colour of the rest.
        let (firstGreen, firstRed, firstBlue) = (green, red, blue)
        green = Cells(width, height) { x, y in
            guard !isGreen(x, y) else { return firstGreen[x, y] }
            let colour = isRedRow(y) ? firstRed : firstBlue
            return colour[x, y] - mean(colour, firstGreen, x, y, isAcross[x, y] > 0, withOwn: true)
        }
        red = filled(firstRed, isRed: true)
        blue = filled(firstBlue, isRed: false)
        let (secondRed, secondBlue) = (red, blue)
        red = Cells(width, height) { x, y in
            guard !isGreen(x, y), !isRedRow(y) else { return secondRed[x, y] }
            return secondBlue[x, y] + mean(secondRed, secondBlue, x, y, isAcross[x, y] > 0, withOwn: true)
        }
        blue = Cells(width, height) { x, y in
            guard !isGreen(x, y), isRedRow(y) else { return secondBlue[x, y] }
            return secondRed[x, y] + mean(secondBlue, secondRed, x, y, isAcross[x, y] > 0, withOwn: true)
        }
        return [red, green, blue]
    }

    struct Format: Sendable, CustomStringConvertible {
        var pixels: PixelFormat
        var order: PixelReading.BayerOrder
        var bits: Int

        var description: String { "\(pixels)" }
    }

    static let formats: [Format] = [
        ([.srggb8, .sgrbg8, .sgbrg8, .sbggr8], 8), ([.srggb10, .sgrbg10, .sgbrg10, .sbggr10], 10),
        ([.srggb12, .sgrbg12, .sgbrg12, .sbggr12], 12), ([.srggb14, .sgrbg14, .sgbrg14, .sbggr14], 14),
        ([.srggb16, .sgrbg16, .sgbrg16, .sbggr16], 16),
    ].flatMap { (list: [PixelFormat], bits: Int) in
        zip(list, [.rggb, .grbg, .gbrg, .bggr] as [PixelReading.BayerOrder]).map {
            Format(pixels: $0, order: $1, bits: bits)
        }
    }

    /// What a sensor sees of a scene with slopes, hard edges, thin lines, colours and noise.
    static func scene(_ width: Int, _ height: Int, _ format: Format) -> [Int] {
        var random: UInt32 = 12345
        let most = Double((1 << format.bits) - 1)
        return (0..<width * height).map { index in
            let (x, y) = (index % width, index / width)
            random = random &* 1_664_525 &+ 1_013_904_223
            let isGreen = (x + y + format.order.redRow + format.order.redColumn) % 2 != 0
            let colour = isGreen ? 1 : (y + format.order.redRow) % 2 == 0 ? 0 : 2
            var rgb = SIMD3(0.2, 0.5, 0.7) + Double(x) / 90 - Double(y) / 120
            if (x - 12) * (x - 12) + (y - 9) * (y - 9) < 40 { rgb = [0.9, 0.2, 0.1] }
            if (x + 2 * y) % 11 < 2 { rgb *= 0.5 }
            if x > 28, (x + y) % 5 < 2 { rgb = [0.05, 0.1, 0.2] }
            if y > 15 { rgb += (Double(random >> 16) / 65536 - 0.5) * 0.3 }
            return Int((min(1, max(0, rgb[colour])) * most).rounded())
        }
    }

    static func bytes(_ numbers: [Int], _ bits: Int) -> [UInt8] {
        bits == 8 ? numbers.map { UInt8($0) } : numbers.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
    }

    /// R, G and B of each pixel.
    static func develop(
        _ developer: Developer, _ format: PixelFormat, _ width: Int, _ height: Int, _ bytes: [UInt8], _ look: Look,
        view: PictureView? = nil
    ) throws -> [UInt8] {
        let layout = try #require(FrameLayout(format, width: width, height: height, strides: [0], color: .sRGB))
        let picture = try developer.develop(layout, [bytes], look: look, kind: .rgba, view: view)
        let rgba = try picture.lease.tight()
        return (0..<rgba.count / 4).flatMap { rgba[4 * $0..<4 * $0 + 3] }
    }

    /// Where it is farther from the references than 2 of 255. The GPU's numbers have sixteen bits: where the classifier's
    /// sums are that near to each other, either direction will do.
    static func differences(
        _ made: [UInt8], _ cells: Cells, _ order: PixelReading.BayerOrder, margin: Double,
        finish: (_ x: Int, _ y: Int, SIMD3<Double>) -> SIMD3<Double> = { $2 }
    ) -> [String] {
        let first = reference(cells, order, lean: margin)
        let both = [first, margin < 1e-6 ? first : reference(cells, order, lean: -margin)]
        var found: [String] = []
        for y in 0..<cells.height {
            for x in 0..<cells.width {
                let wanted = both.map { rgb in
                    let s = SIMD3(rgb[0][x, y], rgb[1][x, y], rgb[2][x, y])
                    return finish(x, y, s.clamped(lowerBound: .zero, upperBound: .one))
                        .clamped(lowerBound: .zero, upperBound: .one) * 255
                }
                for channel in 0..<3 {
                    let value = Double(made[3 * (y * cells.width + x) + channel])
                    let (a, b) = (wanted[0][channel], wanted[1][channel])
                    if value < min(a, b) - 2 || value > max(a, b) + 2 {
                        found.append("(\(x), \(y)) \(channel): \(value), not \(a) or \(b)")
                    }
                }
            }
        }
        return found
    }

    /// The exact rounding of cells of 8 bits leaves no doubt about a direction.
    static func margin(_ bits: Int) -> Double { bits == 8 ? 1e-9 : 1.5e-3 }

    @Test(arguments: [2, 3])
    func `stills are debayered as the paper says, in all orders and depths, within 2 of 255`(_ version: Int) throws {
        let developer = try Developer(version: version)
        for format in Self.formats where version == 2 || format.bits == 12 {
            // Whole quads; odd both ways; the least that there may be.
            for (width, height) in [(36, 20), (37, 21), (6, 5), (4, 4)] {
                let scene = Self.scene(width, height, format)
                let most = Double((1 << format.bits) - 1)
                let cells = Cells(width, height) { Double(scene[$1 * width + $0]) / most }
                let made = try Self.develop(
                    developer, format.pixels, width, height, Self.bytes(scene, format.bits), Look(quality: .still))
                let found = Self.differences(made, cells, format.order, margin: Self.margin(format.bits))
                #expect(found.isEmpty, "\(format) \(width)x\(height): \(found.count), \(found.prefix(5))")
            }
        }
    }

    static let look = Look(
        quality: .still, black: 0.06, white: 0.95, balance: [1.7, 1, 1.4],
        shading: Look.Shading(
            columns: 3, rows: 2,
            gains: [[1.5, 1.4, 1.3], [1, 1, 1], [1.2, 1.3, 1.6], [1.4, 1.2, 1.3], [1, 1.1, 1], [1.6, 1.4, 1.2]]),
        matrix: [[1.5, -0.4, -0.1], [-0.2, 1.4, -0.2], [0, -0.5, 1.5]], curve: .bt709, saturation: 1.3)

    @Test(arguments: formats.filter { $0.bits != 14 })
    func `a look comes before and after: levels, balance, lens, matrix, curve, saturation`(_ format: Format) throws {
        let (width, height) = (37, 21)
        let look = Self.look
        let scene = Self.scene(width, height, format)
        let most = Double((1 << format.bits) - 1)
        let cells = Cells(width, height) { x, y in
            let isGreen = (x + y + format.order.redRow + format.order.redColumn) % 2 != 0
            let gain = look.balance[isGreen ? 1 : (y + format.order.redRow) % 2 == 0 ? 0 : 2]
            let value = (Double(scene[y * width + x]) / most - look.black) / (look.white - look.black) * gain
            // No cell is brighter than white.
            return min(1, value)
        }
        let made = try Self.develop(
            try Developer(), format.pixels, width, height, Self.bytes(scene, format.bits), look)
        let shading = try #require(look.shading)
        let found = Self.differences(made, cells, format.order, margin: 1.5e-3) { x, y, rgb in
            let (u, v) = (Double(x) * 2 / Double(width - 1), Double(y) / Double(height - 1))
            let column = min(1, Int(u))
            let part = u - Double(column)
            func row(_ row: Int) -> SIMD3<Double> {
                let gains = (shading.gains[row * 3 + column], shading.gains[row * 3 + column + 1])
                return gains.0 * (1 - part) + gains.1 * part
            }
            let lit = (rgb * (row(0) * (1 - v) + row(1) * v)).clamped(lowerBound: .zero, upperBound: .one)
            var out = SIMD3<Double>()
            for channel in 0..<3 {
                let mixed = (lit * look.matrix[channel]).sum()
                out[channel] = look.curve.value(mixed)
            }
            let luma = (out * SIMD3(0.2126, 0.7152, 0.0722)).sum()
            return luma + (out - luma) * look.saturation
        }
        #expect(found.isEmpty, "\(format): \(found.count), \(found.prefix(5))")
    }

    @Test func `packed cells give the same still as the same cells in words`() throws {
        let (width, height) = (48, 16)
        let format = try #require(Self.formats.first { $0.pixels == .sbggr10 })
        let scene = Self.scene(width, height, format)
        let packed = stride(from: 0, to: scene.count, by: 4).flatMap { start -> [UInt8] in
            let four = scene[start..<start + 4]
            let low = four.enumerated().reduce(0) { $0 | ($1.element & 3) << (2 * $1.offset) }
            return four.map { UInt8($0 >> 2) } + [UInt8(low)]
        }
        let developer = try Developer()
        let fromWords = try Self.develop(
            developer, .sbggr10, width, height, Self.bytes(scene, 10), Look(quality: .still))
        let fromPacked = try Self.develop(developer, .sbggr10P, width, height, packed, Look(quality: .still))
        // The words that packing is undone to have sixteen bits, not ten: directions in doubt may differ.
        let most = Double((1 << 10) - 1)
        let cells = Cells(width, height) { Double(scene[$1 * width + $0]) / most }
        #expect(Self.differences(fromPacked, cells, .bggr, margin: Self.margin(10)).isEmpty)
        #expect(zip(fromWords, fromPacked).count { abs(Int($0) - Int($1)) > 1 } < fromWords.count / 100)
    }

    @Test func `defects are mended before a still is debayered`() throws {
        let (width, height) = (32, 16)
        var frame = [UInt8](repeating: 60, count: width * height)
        let developer = try Developer()
        let clean = try Self.develop(developer, .srggb8, width, height, frame, Look(quality: .still))
        frame[7 * width + 9] = 255
        let spotted = try Self.develop(developer, .srggb8, width, height, frame, Look(quality: .still))
        let mended = try Self.develop(
            developer, .srggb8, width, height, frame, Look(quality: .still, defectThreshold: 0.2))
        #expect(spotted != clean)
        #expect(mended == clean)
    }

    @Test func `a turned still has the same pixels, a smaller one their means`() throws {
        let (width, height) = (48, 24)
        let format = Self.formats[0]
        let frame = Self.bytes(Self.scene(width, height, format), 8)
        let developer = try Developer()
        let look = Look(quality: .still, saturation: 1.2, sharpening: 0.5)
        let whole = try Self.develop(developer, .srggb8, width, height, frame, look)
        var half = PictureView(width: width, height: height)
        half.rotation = .half
        let turned = try Self.develop(developer, .srggb8, width, height, frame, look, view: half)
        let backwards = (0..<width * height).reversed().flatMap { turned[3 * $0..<3 * $0 + 3] }
        #expect(zip(whole, backwards).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
        let small = try Self.develop(
            developer, .srggb8, width, height, frame, look, view: PictureView(width: width / 2, height: height / 2))
        for y in 0..<height / 2 {
            for x in 0..<width / 2 {
                for channel in 0..<3 {
                    var sum = 0
                    for row in 2 * y...2 * y + 1 {
                        for column in 2 * x...2 * x + 1 { sum += Int(whole[3 * (row * width + column) + channel]) }
                    }
                    let made = Int(small[3 * (y * width / 2 + x) + channel])
                    #expect(abs(made - (sum + 2) / 4) <= 2)
                }
            }
        }
    }

    @Test func `statistics are of the sensor's cells, and not of the still that is made of them`() throws {
        let layout = try #require(FrameLayout(.srggb10, width: 16, height: 8, strides: [0], color: .sRGB))
        let pool = FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: 1))
        let display = try GPUDisplay()
        var refusals: [PathRefusal] = []
        let source = try GPUSource(display, pool, writes: .nothing, look: Self.look, refusals: &refusals)
        let chain = try GPUChain(display, source.input, needsPicture: true, smallest: 1)
        let view = PictureView(width: 16, height: 8)
        let statistics = GPUOutput.input(of: chain, .statistics(columns: 4, rows: 2), view)
        #expect(statistics.source == source.input.source)
        #expect(GPUOutput.input(of: chain, .nv12, view).source == .picture(smooth: false, isRGB: true))
        #expect(chain.pictures.first?.source == .picture(smooth: true, isRGB: true))
        #expect(chain.pictures.first?.textures == chain.input.textures)
    }

    // MARK: Detail

    static func deviation(_ values: [Double]) -> Double {
        let mean = values.reduce(0, +) / Double(values.count)
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
    }

    @Test func `noise goes from brightness and from colours, edges stay`() throws {
        let (width, height) = (64, 48)
        var random: UInt32 = 99
        // Two flat halves, with noise of some 4 of 255.
        let frame = (0..<width * height).map { index -> UInt8 in
            let sum = (0..<4).reduce(0.0) { sum, _ in
                random = random &* 1_664_525 &+ 1_013_904_223
                return sum + Double(random >> 16) / 65536 - 0.5
            }
            return UInt8(min(255, max(0, (index % width < width / 2 ? 60.0 : 180) + sum * 7)))
        }
        let developer = try Developer()
        let noisy = try Self.develop(developer, .srggb8, width, height, frame, Look(quality: .still))
        let calm = try Self.develop(developer, .srggb8, width, height, frame, Look(quality: .still, noise: 0.02))
        func values(_ picture: [UInt8], _ columns: Range<Int>, _ value: (Int, Int, Int) -> Double) -> [Double] {
            (4..<height - 4).flatMap { y in
                columns.map { x in
                    let at = 3 * (y * width + x)
                    return value(Int(picture[at]), Int(picture[at + 1]), Int(picture[at + 2]))
                }
            }
        }
        func luma(_ r: Int, _ g: Int, _ b: Int) -> Double {
            0.2126 * Double(r) + 0.7152 * Double(g) + 0.0722 * Double(b)
        }
        func redness(_ r: Int, _ g: Int, _ b: Int) -> Double { Double(r - g) }
        func blueness(_ r: Int, _ g: Int, _ b: Int) -> Double { Double(b - g) }
        let measures: [((Int, Int, Int) -> Double, Double)] = [(luma, 0.75), (redness, 0.6), (blueness, 0.6)]
        for (measure, most) in measures {
            let before = Self.deviation(values(noisy, 4..<width / 2 - 4, measure))
            let after = Self.deviation(values(calm, 4..<width / 2 - 4, measure))
            #expect(before > 1)
            #expect(after < before * most, "\(before) became \(after)")
        }
        func step(_ picture: [UInt8]) -> Double {
            let low = values(picture, width / 2 - 2..<width / 2 - 1) { _, green, _ in Double(green) }
            let high = values(picture, width / 2 + 1..<width / 2 + 2) { _, green, _ in Double(green) }
            return (high.reduce(0, +) - low.reduce(0, +)) / Double(low.count)
        }
        #expect(step(calm) > step(noisy) * 0.97)
    }

    @Test func `sharpening makes an edge steeper, without halos, and leaves what is flat`() throws {
        let (width, height) = (64, 16)
        // A soft edge, and a hard one.
        let frame = (0..<width * height).map { index -> UInt8 in
            let x = index % width
            return UInt8(x < 40 ? min(180, max(60, 120 + (x - 20) * 20)) : x < 50 ? 180 : 60)
        }
        let developer = try Developer()
        let plain = try Self.develop(developer, .sgbrg8, width, height, frame, Look(quality: .still))
        let sharp = try Self.develop(
            developer, .sgbrg8, width, height, frame, Look(quality: .still, sharpening: 1))
        func at(_ picture: [UInt8], _ x: Int) -> Int { Int(picture[3 * (8 * width + x) + 1]) }
        #expect(at(sharp, 17) < at(plain, 17))
        #expect(at(sharp, 23) > at(plain, 23))
        for x in [4, 10, 30, 44, 60] { #expect(at(sharp, x) == at(plain, x)) }
        #expect((180 + 10...180 + 15).contains(at(sharp, 49)), "an eighth of what differs among nine pixels, at most")
        #expect((60 - 15...60 - 10).contains(at(sharp, 50)))
    }
}
