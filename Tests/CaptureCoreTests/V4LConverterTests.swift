import CV4L2
import LinuxSystem
import Testing

@testable import CaptureCore

/// What libv4lconvert makes of frames, and what is not left to it.
@Suite struct V4LConverterTests {
    private func format(_ name: String) throws -> PixelFormat { try #require(PixelFormat(name)) }

    private func converter(
        _ name: String, _ size: FrameSize, stride: Int = 0, encoding: UInt32 = 0
    ) throws -> V4LConverter {
        let format = try format(name)
        let camera = try #require(
            FrameLayout(
                opaque: format, width: size.width, height: size.height, bufferSizes: [size.area * 4], color: .sRGB))
        var pix = v4l2_pix_format()
        (pix.width, pix.height) = (UInt32(size.width), UInt32(size.height))
        (pix.pixelformat, pix.bytesperline) = (format.rawValue, UInt32(stride))
        pix.colorspace = V4L2_COLORSPACE_SRGB.rawValue
        pix.ycbcr_enc = encoding
        return try V4LConverter(camera, pix)
    }

    private func convert(_ converter: V4LConverter, _ frame: [UInt8]) -> (ConversionOutcome, [UInt8]) {
        let picture = Fenced(count: converter.layout.bufferSizes[0], fill: 0xa5)
        let outcome = Fenced(frame).with { frame in
            picture.with { converter.convert(UnsafeRawBufferPointer(frame), into: $0) }
        }
        return (outcome, picture.contents)
    }

    @Test func `Each format is read in the way that costs least, or not at all`() throws {
        let readers = try ["YUYV", "MJPG", "JPEG", "HSV3", "HSV4", "Y16-BE", "M420", "R444", "XYZW", "H264", "S561"].map
        {
            FormatAccess(try format($0))
        }
        #expect(
            readers == [.gpu, .jpeg, .jpeg, .v4lconvert, .v4lconvert, .gpu, .v4lconvert, .gpu, nil, nil, nil])
    }

    @Test func `The library knows all that is written down of it`() {
        for format in V4LConverter.needs.keys { #expect(V4LConverter.reads(format), "\(format)") }
    }

    /// Hue in half degrees (V4L2_HSV_ENC_180) or in 256 steps.
    @Test(arguments: [(V4L2_HSV_ENC_180.rawValue, 60 as UInt8), (V4L2_HSV_ENC_256.rawValue, 85 as UInt8)])
    func `HSV becomes RGB, by the encoding that the driver tells`(encoding: UInt32, green: UInt8) throws {
        let size = FrameSize(4, 2)
        let converter = try converter("HSV3", size, encoding: encoding)
        let red: [UInt8] = [0, 255, 200]
        let frame = (0..<8).flatMap { $0 % 2 == 0 ? red : [green, 255, 100] }
        let (outcome, picture) = convert(converter, frame)
        #expect(outcome == .made(bytes: 24))
        #expect(converter.layout.format == .rgb24)
        for pixel in 0..<8 {
            let seen = (0..<3).map { Int(picture[3 * pixel + $0]) }
            let right = pixel % 2 == 0 ? [200, 0, 0] : [0, 100, 0]
            #expect(zip(seen, right).allSatisfy { abs($0 - $1) <= 2 }, "\(seen)")
        }
    }

    /// Most of the library's routines read as many bytes as a frame of the size has, however few there are; the fence says so.
    @Test func `A frame that is too short never reaches the library`() throws {
        for (format, need) in V4LConverter.needs {
            let size = FrameSize(64, 32)
            let converter = try converter(format.description, size)
            let whole = need.bytes(size.width, size.height)
            for length in [0, 1, whole / 2, whole - 1] {
                let (outcome, _) = convert(converter, [UInt8](repeating: 0x40, count: length))
                #expect(outcome == .damaged(.length), "\(format) of \(length) bytes")
            }
            let (outcome, _) = convert(converter, [UInt8](repeating: 0x40, count: whole))
            #expect(outcome == .made(bytes: converter.layout.bufferSizes[0]), "\(format)")
        }
    }

    /// What a frame holds may be anything. The fences are the test.
    @Test func `No frame reads or writes past a buffer`() throws {
        var dice = Seeded(state: 11)
        for (format, need) in V4LConverter.needs {
            let converter = try converter(format.description, FrameSize(96, 64))
            let length = need.bytes(96, 64)
            for fill in [0, 255, nil] as [UInt8?] {
                let frame = (0..<length).map { _ in fill ?? .random(in: 0...255, using: &dice) }
                #expect(convert(converter, frame).0 == .made(bytes: converter.layout.bufferSizes[0]), "\(format)")
            }
        }
    }

    @Test func `What the library would do wrong is refused`() throws {
        var error = #expect(throws: CamdError.self) { _ = try converter("HSV3", FrameSize(64, 32), stride: 200) }
        #expect(error?.reason.contains("200 bytes apart") == true)
        error = #expect(throws: CamdError.self) { _ = try converter("S920", FrameSize(72, 32)) }
        #expect(error?.remedy?.contains("--size") == true)
        error = #expect(throws: CamdError.self) { _ = try converter("R444", FrameSize(64, 32)) }
        #expect(error?.reason.contains("R444") == true)
    }
}

/// Frames that have no planes.
@Suite struct OpaqueFrameTests {
    @Test func `An opaque layout has one buffer of a size that makes sense`() throws {
        func layout(_ width: Int, _ height: Int, _ sizes: [Int]) -> FrameLayout? {
            FrameLayout(opaque: .mjpeg, width: width, height: height, bufferSizes: sizes, color: .jfif)
        }
        #expect(try #require(layout(640, 480, [614_400])).isOpaque)
        #expect(try !FrameLayout.bare(.yuyv, width: 64, height: 48).isOpaque)
        for sizes in [[], [0], [-1], [1 << 31], [100, 100]] { #expect(layout(640, 480, sizes) == nil, "\(sizes)") }
        #expect(layout(0, 480, [100]) == nil)
        #expect(layout(640, 70_000, [100]) == nil)
    }

    @Test func `No number of a driver's leads out of the buffer`() {
        func used(_ bytes: Int, _ offset: Int) -> Range<Int>? {
            var metadata = FrameMetadata.none
            (metadata.bytesUsed, metadata.dataOffset) = (bytes, offset)
            return metadata.used(of: 1000)
        }
        #expect(used(1000, 0) == 0..<1000)
        #expect(used(700, 100) == 100..<700)
        for (bytes, offset) in [(0, 0), (1001, 0), (4_294_967_295, 0), (100, 100), (100, 200), (10, 4_294_967_295)] {
            #expect(used(bytes, offset) == nil, "\(bytes) \(offset)")
        }
    }

    @Test func `A damaged frame is corrupt and not delivered, and the sum holds`() {
        let ledger = Ledger()
        var writer = Ledger.Writer(ledger, framesPerSecond: 30)
        for number: UInt32 in [0, 1, 2, 4] {
            let time = UInt64(number) * 33_000_000 + 1
            _ = writer.enter(Ledger.Writer.Frame(sequence: number, timestamp: time, isCorrupt: number == 2, now: time))
        }
        ledger.countDamaged()
        let counts = ledger.snapshot
        #expect((counts.delivered, counts.dropped, counts.corrupt) == (2, 1, 2))
        #expect(counts.numbered == counts.delivered + counts.dropped + counts.corrupt)
    }
}
