import CaptureCore
import Glibc
import LinuxSystem
import Stills
import Testing

@testable import CaptureCore
@testable import camd

@Suite struct DevelopmentTests {
    private let folder: DevelopFolder

    init() throws { folder = try DevelopFolder() }

    private func request(_ input: String, _ output: String = "out.ppm") -> Development.Request {
        Development.Request(input: folder.path + "/" + input, output: folder.path + "/" + output)
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        try WholeFile.write(folder.path + "/" + name, bytes.span.bytes)
    }

    private func error(_ request: Development.Request) throws -> CamdError {
        try #require(throws: CamdError.self) {
            _ = try Development.run(request) { (_, _) throws(CamdError) in
                throw CamdError(.software, subject: "test", reason: "it got as far as the GPU")
            }
        }
    }

    /// In the GPU's place: a grey picture of the frame's size.
    private static func grey(
        _ negative: Development.Negative, _ kind: PictureKind
    ) throws(CamdError) -> DevelopedPicture {
        let (width, height) = (negative.layout.width, negative.layout.height)
        let layout =
            switch kind {
            case .rgba: try FrameLayout.bare(.rgba32, width: width, height: height)
            case .i420(let color), .nv12(let color):
                FrameLayout(.yuv420, width: width, height: height, strides: [0], bufferSizes: [0], color: color)
            }
        guard let layout else { throw CamdError(.software, subject: "test", reason: "no layout") }
        let buffer = try DMABuf(plainMemory: layout.bufferSizes[0], origin: "test")
        try buffer.withMutableBytes(.write) { (bytes) throws(CamdError) in
            bytes.withUnsafeMutableBytes { bytes in for index in bytes.indices { bytes[index] = 128 } }
        }
        let pool = FramePool(layout: layout, buffers: [[buffer]])
        guard let lease = pool.acquire() else { throw CamdError(.software, subject: "test", reason: "no slot") }
        return DevelopedPicture(layout: layout, lease: lease, bytesCopied: 1_000, paths: ("upload", "readback"))
    }

    private func frame(width: Int = 6, height: Int = 4) throws -> RawFrame {
        var frame = RawFrame(
            try #require(BayerFormat(.sgrbg10)), width: width, height: height,
            bytes: (0..<width * height * 2).map { UInt8($0 % 2 == 0 ? $0 : 0) }, blackLevels: [64, 64, 64, 64])
        frame.color.neutral = [0.5, 1, 0.25]
        return frame
    }

    @Test func `a DNG becomes a picture of its size, by its own numbers`() throws {
        let dng = try frame()
        try DNGWriter.write(dng, to: folder.path + "/in.DNG", software: "test")
        for (name, kind) in [("out.ppm", PictureKind.rgba), ("out.jpg", .i420(.jfif)), ("out.JPEG", .i420(.jfif))] {
            var asked: [PictureKind] = []
            let result = try Development.run(request("in.DNG", name)) { (negative, kind) throws(CamdError) in
                asked.append(kind)
                #expect(negative.layout == dng.layout && negative.bytes == [dng.bytes])
                #expect(negative.look.black == 64.0 / 1023 && negative.look.white == 1)
                #expect(negative.look.balance.z > 3 && negative.look.curve == .sRGB)
                #expect(negative.look.quality == .still)
                return try Self.grey(negative, kind)
            }
            #expect(asked == [kind])
            #expect(result.file == folder.path + "/" + name && result.width == 6 && result.height == 4)
            #expect(result.format == "BA10" && result.bytesCopied >= 1_000 && result.milliseconds > 0)
            let file = try InputFile(result.file)
            #expect(file.size == result.bytes)
            let start = try file.bytes(3)
            #expect(start == (kind == .rgba ? Array("P6\n".utf8) : [0xff, 0xd8, 0xff]))
        }
    }

    @Test func `a DNG is turned upright first, and neutral means its levels alone`() throws {
        var dng = try frame()
        dng.orientation = .clockwise
        try DNGWriter.write(dng, to: folder.path + "/in.dng", software: "test")
        var wish = request("in.dng")
        wish.isNeutral = true
        wish.quality = .video
        let result = try Development.run(wish) { (negative, kind) throws(CamdError) in
            #expect(negative.layout.format == .srggb10 || negative.layout.format == .sbggr10)
            #expect(negative.look.balance == SIMD3(1, 1, 1) && negative.look.curve == .linear)
            #expect(negative.look.black == 64.0 / 1023 && negative.look.quality == .video)
            return try Self.grey(negative, kind)
        }
        #expect(result.width == 4 && result.height == 6)
    }

    @Test func `bare bytes are taken as they are said to be`() throws {
        for (format, size, buffers) in [
            (PixelFormat.srggb8, 24, [24]), (.srggb10, 48, [48]), (.srggb12P, 36, [36]), (.yuyv, 48, [48]),
            (.nv12, 36, [36]), (.nv12M, 36, [24, 12]),
            (.yuv420, 36, [36]), (.yuv420M, 36, [24, 6, 6]), (.nv16, 48, [48]), (.rgba32, 96, [96]),
        ] {
            let bytes = (0..<size).map { UInt8($0) }
            try write("in.raw", bytes)
            for isNeutral in [false, true] {
                var wish = request("in.raw")
                wish.size = FrameSize(6, 4)
                wish.pixelFormat = format
                wish.isNeutral = isNeutral
                let result = try Development.run(wish) { (negative, kind) throws(CamdError) in
                    #expect(negative.layout.format == format && negative.bytes.map(\.count) == buffers)
                    #expect(Array(negative.bytes.joined()) == bytes)
                    let isSensors = [.srggb8, .srggb10, .srggb12P].contains(format)
                    #expect(negative.look.curve == (isSensors && !isNeutral ? .sRGB : .linear), "\(format)")
                    #expect((negative.layout.color.matrix == .rgb) == (isSensors || format == .rgba32))
                    return try Self.grey(negative, kind)
                }
                #expect(result.width == 6 && result.height == 4)
            }
        }
    }

    @Test func `bare bytes of another length are told how long they should be`() throws {
        for count in [0, 1, 47, 49, 100_000] {
            try write("in.raw", [UInt8](repeating: 0, count: count))
            var wish = request("in.raw")
            wish.size = FrameSize(6, 4)
            wish.pixelFormat = .yuyv
            let error = try error(wish)
            #expect(error.kind == .badData && error.subject == wish.input)
            #expect(error.reason == "a YUYV frame of 6x4 has 48 bytes, this file has \(count)")
        }
    }

    @Test func `what cannot be asked for is told with what can`() throws {
        try DNGWriter.write(try frame(), to: folder.path + "/in.dng", software: "test")
        try write("in.raw", [UInt8](repeating: 0, count: 48))
        func check(
            _ input: String, _ output: String, _ words: String, _ change: (inout Development.Request) -> Void = { _ in }
        ) throws {
            var wish = request(input, output)
            change(&wish)
            let error = try error(wish)
            #expect(error.kind == .usage, "\(error)")
            #expect(error.description.contains(words), "\(error)")
        }
        try check("in.dng", "out.png", ".jpg or .jpeg")
        try check("in.dng", "out", ".ppm")
        try check("in.nef", "out.jpg", ".dng")
        try check("in.dng", "out.ppm", "--jpeg-quality") { $0.jpegQuality = 80 }
        try check("in.dng", "out.jpg", "Leave out --size") { $0.size = FrameSize(6, 4) }
        try check("in.dng", "out.jpg", "Leave out --size") { $0.pixelFormat = .srggb8 }
        try check("in.raw", "out.jpg", "Give --size")
        try check("in.raw", "out.jpg", "Give --size") { $0.size = FrameSize(6, 4) }
        try check("in.raw", "out.jpg", "Give --size") { $0.pixelFormat = .yuyv }
        try check("in.raw", "out.jpg", "XXXX is not known") {
            $0.size = FrameSize(6, 4)
            $0.pixelFormat = PixelFormat("XXXX")
        }
    }

    @Test func `the GPU makes of a DNG what its numbers mean`() throws {
        // A field of one colour, as a camera sees it that is half as sensitive to red and a quarter to blue; black is
        // 64 and white is 1023, and two columns of margin are not to be seen.
        for order in BayerOrder.allCases {
            var dng = RawFrame(
                try #require(BayerFormat(order, atLeastBits: 10)), width: 34, height: 16,
                bytes: .init(repeating: 0, count: 34 * 16 * 2), blackLevels: [64, 64, 64, 64])
            let light = [0.5, 0.25, 0.125]
            let neutral = [0.5, 1, 0.25]
            for y in 0..<16 {
                for x in 0..<34 {
                    let channel = order.cells[y % 2 * 2 + x % 2]
                    let sample = 64 + (light[channel] * neutral[channel] * 959).rounded()
                    dng.bytes[(y * 34 + x) * 2] = UInt8(Int(sample) & 0xff)
                    dng.bytes[(y * 34 + x) * 2 + 1] = UInt8(Int(sample) >> 8)
                }
            }
            dng.color.neutral = neutral
            dng.crop = RawFrame.Crop(x: 1, y: 0, width: 32, height: 16)
            dng.orientation = .counterclockwise
            // To a camera of a matrix that is not known, linear sRGB under D65.
            try DNGWriter.write(dng, to: folder.path + "/in.dng", software: "test")
            for isNeutral in [false, true] {
                var wish = request("in.dng")
                wish.isNeutral = isNeutral
                let result = try Development.run(wish)
                #expect(result.width == 16 && result.height == 32)
                let file = try InputFile(wish.output).bytes(result.bytes).suffix(16 * 32 * 3)
                let look = try DNGFile.read(wish.input).look(isNeutral: isNeutral, quality: .still, subject: "")
                let seen = SIMD3((0..<3).map { light[$0] * neutral[$0] }) * look.balance
                let expected = look.matrix.map { row in
                    look.curve.value((row * seen).sum()) * 255
                }
                for (index, byte) in file.enumerated() {
                    #expect(abs(Double(byte) - expected[index % 3]) <= 1.6, "\(order) \(isNeutral) \(index)")
                }
                if isNeutral { #expect(abs(expected[0] - 63.75) < 0.5 && abs(expected[2] - 7.97) < 0.5) }
            }
        }
    }

    @Test func `the GPU takes bare bytes of words and of bytes`() throws {
        for (format, size) in [(PixelFormat.srggb12, 2), (.sbggr8, 1), (.yuyv, 2), (.rgb24, 3)] {
            try write("in.raw", [UInt8](repeating: size == 2 && format != .yuyv ? 8 : 128, count: 16 * 8 * size))
            var wish = request("in.raw", "out.jpg")
            wish.size = FrameSize(16, 8)
            wish.pixelFormat = format
            let result = try Development.run(wish)
            #expect(result.width == 16 && result.height == 8 && result.format == format.description)
            #expect(result.bytes > 100 && result.bytesCopied > 16 * 8)
        }
    }

    @Test func `an input that is not there, or is no file, is told so`() throws {
        var wish = request("none.dng")
        #expect(try error(wish).kind == .noInput)
        mkfifo(folder.path + "/pipe.raw", 0o600)
        wish = request("pipe.raw")
        wish.size = FrameSize(6, 4)
        wish.pixelFormat = .yuyv
        #expect(try error(wish).reason == "it is a pipe, not a file")
        try write("in.dng", Array("no TIFF file at all".utf8))
        #expect(try error(request("in.dng")).kind == .badData)
    }

    @Test func `an output that cannot be written is told, and nothing is left of it`() throws {
        try DNGWriter.write(try frame(), to: folder.path + "/in.dng", software: "test")
        for name in ["none/out.ppm", "none/out.jpg"] {
            let error = try #require(throws: CamdError.self) {
                _ = try Development.run(request("in.dng", name)) { (negative, kind) throws(CamdError) in
                    try Self.grey(negative, kind)
                }
            }
            #expect(error.kind == .cannotCreate && error.subject == folder.path + "/" + name)
        }
    }
}

/// A temporary folder that goes with all that is in it.
final class DevelopFolder {
    let path: String

    init() throws { path = try Folder().path }

    deinit {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                unlink(path + "/" + name)
            }
            closedir(folder)
        }
        rmdir(path)
    }
}
