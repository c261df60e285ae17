import CTurboJPEG
import LinuxSystem
import Testing

@testable import CaptureCore

/// JPEG frames into planes, with good frames and with bad ones. The planes are known: the JPEGs are made of them.
@Suite struct JPEGConverterTests {
    enum Sampling: CaseIterable {
        case s420, s422, grey, s444, s440

        var value: TJSAMP {
            switch self {
            case .s420: TJSAMP_420
            case .s422: TJSAMP_422
            case .grey: TJSAMP_GRAY
            case .s444: TJSAMP_444
            case .s440: TJSAMP_440
            }
        }
    }

    static let sizes = [FrameSize(64, 48), FrameSize(63, 47), FrameSize(17, 9), FrameSize(2, 33), FrameSize(1, 1)]

    /// A soft picture: a JPEG of it at quality 100 has nothing to lose.
    static func colour(_ x: Int, _ y: Int) -> [Double] {
        [20 + Double(x) + Double(y), 230 - Double(x) - Double(y), 60 + Double(y) * 2]
    }

    static func jpeg(_ size: FrameSize, _ sampling: Sampling, quality: CInt = 100) -> [UInt8] {
        var rgb: [UInt8] = []
        for y in 0..<size.height { for x in 0..<size.width { rgb += colour(x, y).map { UInt8($0) } } }
        let handle = tjInitCompress()
        defer { tjDestroy(handle) }
        var bytes: UnsafeMutablePointer<UInt8>?
        var count: UInt = 0
        let result = tjCompress2(
            handle, rgb, CInt(size.width), 0, CInt(size.height), CInt(TJPF_RGB.rawValue), &bytes, &count,
            CInt(sampling.value.rawValue), quality, 0)
        precondition(result == 0)
        defer { tjFree(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
    }

    static func camera(_ size: FrameSize) throws -> FrameLayout {
        try #require(
            FrameLayout(opaque: .mjpeg, width: size.width, height: size.height, bufferSizes: [1 << 20], color: .jfif))
    }

    static func converter(_ size: FrameSize, _ sampling: Sampling) throws -> JPEGConverter {
        let decompressor = try JPEGDecompressor()
        let header = try #require(jpeg(size, sampling).withUnsafeBytes { decompressor.header($0) })
        return try JPEGConverter(try camera(size), like: header)
    }

    /// What becomes of a frame that ends at a fence, in a picture that does, too.
    static func convert(_ converter: JPEGConverter, _ frame: [UInt8]) -> (ConversionOutcome, [UInt8]) {
        let picture = Fenced(count: converter.layout.bufferSizes[0], fill: 0xa5)
        let outcome = Fenced(frame).with { frame in
            picture.with { converter.convert(UnsafeRawBufferPointer(frame), into: $0) }
        }
        return (outcome, picture.contents)
    }

    /// The three components of a pixel as they lie in the picture.
    private func pixel(_ layout: FrameLayout, _ picture: [UInt8], _ x: Int, _ y: Int) -> [Double] {
        func sample(_ plane: Int, _ x: Int, _ y: Int) -> Double {
            Double(picture[layout.planes[plane].offset + y * layout.planes[plane].stride + x])
        }
        switch layout.format {
        case .rgbx32: return (0..<3).map { sample(0, 4 * x + $0, y) }
        case .grey: return [sample(0, x, y)]
        default:
            let row = layout.format == .yuv420 ? y / 2 : y
            return [sample(0, x, y), sample(1, x / 2, row), sample(2, x / 2, row)]
        }
    }

    private func wanted(_ layout: FrameLayout, _ x: Int, _ y: Int) -> [Double] {
        func yuv(_ x: Int, _ y: Int) -> [Double] {
            let c = Self.colour(min(x, layout.width - 1), min(y, layout.height - 1))
            let luma = 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]
            return [luma, 128 + (c[2] - luma) / 1.772, 128 + (c[0] - luma) / 1.402]
        }
        switch layout.format {
        case .rgbx32: return Self.colour(x, y)
        case .grey: return [yuv(x, y)[0]]
        default:
            let down = layout.format == .yuv420 ? 2 : 1
            let shared = (0..<down).flatMap { row in
                (0..<2).map { yuv(x / 2 * 2 + $0, y / down * down + row) }
            }
            return [yuv(x, y)[0]] + (1...2).map { c in shared.map { $0[c] }.reduce(0, +) / Double(shared.count) }
        }
    }

    @Test(arguments: Sampling.allCases, Self.sizes)
    func `A JPEG becomes the picture that it was made of`(sampling: Sampling, size: FrameSize) throws {
        let converter = try Self.converter(size, sampling)
        let (outcome, picture) = Self.convert(converter, Self.jpeg(size, sampling))
        let layout = converter.layout
        #expect(outcome == .made(bytes: layout.planes.reduce(0) { $0 + $1.rowBytes * $1.rows }))
        #expect(
            layout.planes.allSatisfy { $0.stride % 4 == 0 && $0.offset % 4 == 0 && $0.end <= layout.bufferSizes[0] })
        var worst = 0.0
        for y in 0..<size.height {
            for x in 0..<size.width {
                for (seen, right) in zip(pixel(layout, picture, x, y), wanted(layout, x, y)) {
                    worst = max(worst, abs(seen - right))
                }
            }
        }
        #expect(worst <= 3.5, "\(layout.format) \(size)")
    }

    @Test func `Each sampling has the planes that a JPEG has of it`() throws {
        let formats = try Sampling.allCases.map { try Self.converter(FrameSize(64, 48), $0).layout.format }
        #expect(formats == [.yuv420, .yuv422P, .grey, .rgbx32, .rgbx32])
    }

    /// The same without its Huffman tables, as many webcams send it; the tables are those that the standard gives.
    @Test func `A JPEG without Huffman tables is read with the standard ones`() throws {
        let size = FrameSize(64, 48)
        let whole = Self.jpeg(size, .s422)
        var bare = Array(whole[..<2])
        var at = 2
        var removed = 0
        while whole[at + 1] != 0xda {
            let length = 2 + Int(whole[at + 2]) << 8 + Int(whole[at + 3])
            if whole[at + 1] == 0xc4 { removed += 1 } else { bare += whole[at..<at + length] }
            at += length
        }
        bare += whole[at...]
        #expect(removed > 0)
        // A new converter for each: no tables are left from a frame before.
        let (outcome, picture) = Self.convert(try Self.converter(size, .s422), bare)
        let (right, other) = Self.convert(try Self.converter(size, .s422), whole)
        #expect(outcome == right)
        #expect(picture == other)
    }

    @Test func `A JPEG that is cut off anywhere is damaged, and the next one is not`() throws {
        let size = FrameSize(63, 47)
        let converter = try Self.converter(size, .s420)
        let whole = Self.jpeg(size, .s420)
        let (_, right) = Self.convert(converter, whole)
        for length in 0..<whole.count {
            let (outcome, _) = Self.convert(converter, Array(whole[..<length]))
            guard case .damaged = outcome else {
                Issue.record("\(length) of \(whole.count) bytes pass")
                return
            }
            // Nothing of it is left over.
            let (next, picture) = Self.convert(converter, whole)
            guard case .made = next, picture == right else {
                Issue.record("after \(length) of its \(whole.count) bytes a whole JPEG is \(next)")
                return
            }
        }
    }

    @Test func `Bytes that belong to nothing are no damage`() throws {
        let size = FrameSize(64, 48)
        let converter = try Self.converter(size, .s422)
        let whole = Self.jpeg(size, .s422)
        let padded = whole.dropLast(2) + [UInt8](repeating: 0, count: 30) + whole.suffix(2)
        let tailed = whole + [UInt8](repeating: 0, count: 300)
        for frame in [Array(padded), tailed] {
            let (outcome, picture) = Self.convert(converter, frame)
            guard case .made = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(picture == Self.convert(converter, whole).1)
        }
    }

    @Test func `Only a JPEG of the stream's size and sampling is decoded`() throws {
        let size = FrameSize(64, 48)
        let converter = try Self.converter(size, .s422)
        for other in [FrameSize(32, 24), FrameSize(64, 49), FrameSize(128, 48)] {
            #expect(Self.convert(converter, Self.jpeg(other, .s422)).0 == .damaged(.kind))
        }
        #expect(Self.convert(converter, Self.jpeg(size, .s420)).0 == .damaged(.kind))
        #expect(Self.convert(converter, Self.jpeg(size, .grey)).0 == .damaged(.kind))
    }

    /// A progressive JPEG has all of its coefficients in memory: 25 GB of this one.
    @Test func `A size that is only claimed costs no memory`() throws {
        let size = FrameSize(64, 48)
        let converter = try Self.converter(size, .s422)
        var huge = Self.jpeg(size, .s422)
        let frame = try #require(huge.indices.first { huge[$0] == 0xff && huge[$0 + 1] == 0xc0 })
        huge[frame + 1] = 0xc2
        (huge[frame + 5], huge[frame + 6], huge[frame + 7], huge[frame + 8]) = (0xff, 0xdc, 0xff, 0xdc)
        #expect(Self.convert(converter, huge).0 == .damaged(.kind))
    }

    @Test func `What is no JPEG is no picture`() throws {
        let converter = try Self.converter(FrameSize(64, 48), .s420)
        #expect(Self.convert(converter, []).0 == .damaged(.length))
        #expect(Self.convert(converter, [0xff]).0 == .damaged(.header))
        #expect(Self.convert(converter, [UInt8](repeating: 0xff, count: 5000)).0 == .damaged(.header))
        let small = Fenced(count: converter.layout.bufferSizes[0] - 1)
        let frame = Fenced(Self.jpeg(FrameSize(64, 48), .s420))
        let outcome = frame.with { frame in small.with { converter.convert(UnsafeRawBufferPointer(frame), into: $0) } }
        #expect(outcome == .damaged(.length))
    }

    /// Each byte may be wrong. The fences are the test.
    @Test(arguments: Sampling.allCases)
    func `No broken byte reads or writes past a buffer`(sampling: Sampling) throws {
        let size = FrameSize(63, 47)
        let converter = try Self.converter(size, sampling)
        let whole = Self.jpeg(size, sampling, quality: 50)
        var dice = Seeded(state: 7)
        var damaged = 0
        for round in 0..<2000 {
            var frame = whole
            for _ in 0...round % 4 {
                frame[Int.random(in: 2..<frame.count, using: &dice)] = .random(in: 0...255, using: &dice)
            }
            if case .damaged = Self.convert(converter, frame).0 { damaged += 1 }
        }
        #expect(damaged > 0)
        guard case .made = Self.convert(converter, whole).0 else {
            Issue.record("a whole JPEG is damaged after all these")
            return
        }
    }

    @Test func `A camera of another size, or of four colours, is refused with a remedy`() throws {
        let header = JPEGHeader(
            width: 64, height: 48, sampling: CInt(TJSAMP_422.rawValue), colorspace: CInt(TJCS_YCbCr.rawValue))
        var error = #expect(throws: CamdError.self) {
            _ = try JPEGConverter(try Self.camera(FrameSize(32, 24)), like: header)
        }
        #expect(error?.reason.contains("64x48") == true)
        var four = header
        four.colorspace = CInt(TJCS_CMYK.rawValue)
        error = #expect(throws: CamdError.self) {
            _ = try JPEGConverter(try Self.camera(FrameSize(64, 48)), like: four)
        }
        #expect(error?.remedy?.contains("--pixel-format") == true)
    }
}

/// Random numbers that are the same each time.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var mixed = state
        mixed = (mixed ^ (mixed >> 33)) &* 0xff51_afd7_ed55_8ccd
        return mixed ^ (mixed >> 29)
    }
}
