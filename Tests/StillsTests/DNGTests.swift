import CTIFF
import CaptureCore
import Glibc
import LinuxSystem
import Testing

@testable import Stills

@Suite("A DNG")
struct DNGTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func read(_ tiff: TestTIFF) throws -> RawFrame { try DNGFile.read(try folder.file(tiff.file)) }

    @Test("that camd wrote has the frame's own bytes in it", arguments: [8, 10, 12, 14, 16])
    func roundTrip(bits: Int) throws {
        let mosaic = TestMosaic(width: 50, height: 34, bits: bits)
        for order in BayerOrder.allCases {
            let format = try #require(BayerFormat(order, atLeastBits: bits))
            var frame = RawFrame(
                format, width: 50, height: 34, bytes: mosaic.bytes, blackLevels: [16, 17, 18.5, 19],
                whiteLevel: Double(1 << bits - 2))
            frame.orientation = .clockwise
            frame.crop = RawFrame.Crop(x: 2, y: 4, width: 40, height: 30)
            frame.make = "Acme"
            frame.model = "One"
            for storage in [
                DNGWriter.Storage(), .init(stripBytes: 300), .init(isBigEndian: true), .init(tile: (16, 16)),
                .init(compression: COMPRESSION_LZW, stripBytes: 300),
                .init(compression: COMPRESSION_ADOBE_DEFLATE, tile: (32, 16)),
                .init(compression: COMPRESSION_PACKBITS), .init(tile: (48, 16), isBigEndian: true),
            ] {
                try DNGWriter.write(frame, to: folder.path("a.dng"), software: "test 1", storage)
                let other = try DNGFile.read(folder.path("a.dng"))
                #expect(other.bytes == frame.bytes, "\(storage)")
                #expect(other.format == format)
                #expect(other.width == 50 && other.height == 34)
                #expect(other.blackLevels == frame.blackLevels && other.whiteLevel == frame.whiteLevel)
                #expect(other.orientation == .clockwise && other.crop == frame.crop)
                #expect(other.make == "Acme" && other.model == "One")
                #expect(other.layout == frame.layout)
            }
        }
        #expect(folder.names == ["a.dng"])
    }

    @Test("keeps its colours")
    func colors() throws {
        var frame = RawFrame(
            try #require(BayerFormat(.srggb10)), width: 4, height: 4, bytes: .init(repeating: 0, count: 32))
        let matrix = try #require(Matrix3(numbers: [0.5, 0.25, -0.125, -1, 1.5, 0.25, 0.125, -0.25, 0.75]))
        var color = RawColor()
        color.neutral = [0.5, 1, 0.625]
        color.analogBalance = [1, 0.5, 1]
        color.baselineExposure = -0.5
        color.calibrations = [
            .init(
                illuminant: 17, colorMatrix: matrix, forwardMatrix: .identity,
                cameraCalibration: Matrix3(diagonal: [1, 1, 1.5])),
            .init(illuminant: 21, colorMatrix: matrix * matrix, forwardMatrix: matrix),
        ]
        frame.color = color
        try DNGWriter.write(frame, to: folder.path("a.dng"), software: "test 1")
        #expect(try DNGFile.read(folder.path("a.dng")).color == color)
        color.neutral = nil
        color.white = Chromaticity(x: 0.375, y: 0.25)
        color.calibrations.removeLast()
        frame.color = color
        try DNGWriter.write(frame, to: folder.path("a.dng"), software: "test 1")
        #expect(try DNGFile.read(folder.path("a.dng")).color == color)
        // A camera that nobody knows: no white, and a matrix under no known light.
        frame.color = RawColor()
        try DNGWriter.write(frame, to: folder.path("a.dng"), software: "test 1")
        let unknown = try DNGFile.read(folder.path("a.dng")).color
        #expect(unknown.neutral == nil && unknown.white == nil)
        #expect(unknown.calibrations.map(\.illuminant) == [0])
    }

    @Test("of packed samples is unpacked, in either byte order", arguments: [8, 9, 10, 11, 12, 13, 14, 15, 16])
    func packed(bits: Int) throws {
        for (width, height) in [(20, 14), (7, 5), (33, 3), (2, 2)] {
            let mosaic = TestMosaic(width: width, height: height, bits: bits)
            for isBigEndian in [false, true] {
                let frame = try read(mosaic.dng(isBigEndian: isBigEndian))
                #expect(frame.bytes == mosaic.bytes, "\(width)x\(height) \(isBigEndian)")
                #expect(frame.format.bits == [8, 10, 12, 14, 16].first { $0 >= bits })
                #expect(frame.whiteLevel == Double(1 << bits - 1))
                #expect(try read(mosaic.dng(isBigEndian: isBigEndian, rowsPerStrip: 2)).bytes == mosaic.bytes)
                var tiled = mosaic.dng(isBigEndian: isBigEndian)
                tiled.first.tags[278] = nil
                tiled.first.tags[322] = .shorts([16])
                tiled.first.tags[323] = .shorts([16])
                tiled.first.blocks = stride(from: 0, to: height, by: 16).flatMap { y in
                    stride(from: 0, to: width, by: 16).map {
                        mosaic.packed(x: $0, y: y, width: 16, height: 16, isBigEndian: isBigEndian)
                    }
                }
                #expect(try read(tiled).bytes == mosaic.bytes)
            }
        }
    }

    @Test("with 16 bits for each sample has the format that its white level needs")
    func container() throws {
        let mosaic = TestMosaic(bits: 16)
        var tiff = mosaic.dng()
        for (white, bits) in [(255, 10), (1000, 10), (1023, 10), (1024, 12), (16383, 14), (16384, 16), (65535, 16)] {
            tiff.first.tags[50717] = .longs([white])
            let frame = try read(tiff)
            #expect(frame.format.bits == bits && frame.whiteLevel == Double(white))
            #expect(frame.bytes == mosaic.bytes)
        }
    }

    @Test("may have its mosaic behind a preview")
    func subdirectory() throws {
        let mosaic = TestMosaic()
        var tiff = mosaic.dng()
        var raw = tiff.first
        for tag in [274, 50706, 50708, 50721, 50778] { raw.tags[tag] = nil }
        tiff.first.tags = tiff.first.tags.filter { [274, 50706, 50708, 50721, 50778].contains($0.key) }
        tiff.first.tags.merge([
            254: .longs([1]), 256: .shorts([2]), 257: .shorts([2]), 258: .shorts([8, 8, 8]), 259: .shorts([1]),
            262: .shorts([2]), 277: .shorts([3]), 278: .shorts([2]), 271: .text("Acme"), 272: .text("One"),
            50728: .rationals([(1, 2), (1, 1), (3, 4)]),
        ]) { $1 }
        tiff.first.tags[274] = .shorts([3])
        tiff.first.blocks = [[UInt8](repeating: 9, count: 12)]
        var smaller = raw
        smaller.tags[254] = .longs([1])
        tiff.first.subdirectories = [smaller, raw]
        let frame = try read(tiff)
        #expect(frame.bytes == mosaic.bytes)
        #expect(frame.make == "Acme" && frame.model == "One" && frame.orientation == .upsideDown)
        #expect(frame.color.neutral == [0.5, 1, 0.75])
        #expect(frame.color.calibrations.count == 1)
        // Without it there is only what nobody can develop, which is said.
        tiff.first.subdirectories.removeLast()
        let error = try error(tiff)
        #expect(error.reason.contains("a picture of 2x2, a smaller mosaic of 20x14"))
    }

    @Test("is cut to its active area, where mosaic and black levels begin")
    func activeArea() throws {
        let mosaic = TestMosaic()
        var tiff = mosaic.dng()
        tiff.first.tags[50829] = .longs([3, 5, 13, 18])
        tiff.first.tags[33422] = .bytes([1, 0, 2, 1])
        tiff.first.tags[50719] = .rationals([(1, 1), (2, 1)])
        tiff.first.tags[50720] = .rationals([(10, 1), (7, 1)])
        for rows in [nil, 4] {
            tiff.first.blocks = mosaic.dng(rowsPerStrip: rows).first.blocks
            tiff.first.tags[278] = .longs([rows ?? 14])
            let frame = try read(tiff)
            #expect(frame.width == 13 && frame.height == 10 && frame.format.order == .grbg)
            #expect(frame.bytes == cut(mosaic, x: 5, y: 3, width: 13, height: 10))
            #expect(frame.crop == RawFrame.Crop(x: 1, y: 2, width: 10, height: 7))
            let upright = frame.upright()
            #expect(upright.bytes == cut(mosaic, x: 6, y: 5, width: 10, height: 7))
            #expect(upright.format.order == .rggb)
        }
        // A crop that does not fit is no crop.
        tiff.first.tags[50720] = .rationals([(13, 1), (7, 1)])
        #expect(try read(tiff).crop == RawFrame.Crop(x: 0, y: 0, width: 13, height: 10))
    }

    private func cut(_ mosaic: TestMosaic, x: Int, y: Int, width: Int, height: Int) -> [UInt8] {
        (y..<y + height).flatMap { row in
            (x..<x + width).flatMap { column in
                let sample = mosaic.sample(column, row)
                return [UInt8(sample & 0xff), UInt8(sample >> 8)]
            }
        }
    }

    @Test("has one black level for each cell of its mosaic, whatever their pattern")
    func blackLevels() throws {
        var tiff = TestMosaic().dng()
        func levels(_ rows: Int, _ columns: Int, _ levels: TestTIFF.Value) throws -> [Double] {
            tiff.first.tags[50713] = .shorts([rows, columns])
            tiff.first.tags[50714] = levels
            return try read(tiff).blackLevels
        }
        #expect(try read(tiff).blackLevels == [0, 0, 0, 0])
        #expect(try levels(1, 1, .shorts([64])) == [64, 64, 64, 64])
        #expect(try levels(2, 2, .longs([1, 2, 3, 4])) == [1, 2, 3, 4])
        #expect(try levels(2, 2, .rationals([(1, 2), (2, 1), (3, 1), (17, 4)])) == [0.5, 2, 3, 4.25])
        #expect(try levels(2, 2, .shorts([64])) == [64, 64, 64, 64])
        #expect(try levels(1, 2, .shorts([10, 20])) == [10, 20, 10, 20])
        #expect(try levels(2, 1, .shorts([10, 20])) == [10, 10, 20, 20])
        #expect(try levels(3, 1, .shorts([10, 20, 60])) == [30, 30, 30, 30])
        #expect(try levels(4, 2, .shorts([10, 20, 30, 40, 20, 30, 50, 60])) == [15, 25, 40, 50])
        tiff.first.tags[50715] = .signedRationals((0..<20).map { ($0 % 2 == 0 ? 2 : -2, 1) })
        tiff.first.tags[50716] = .signedRationals((0..<14).map { ($0 % 2 == 0 ? -1 : 4, 1) })
        #expect(try levels(1, 1, .shorts([10])) == [11, 7, 16, 12])
    }

    @Test("whose samples stand for others gives those")
    func linearization() throws {
        let mosaic = TestMosaic(bits: 8)
        var tiff = mosaic.dng()
        tiff.first.tags[50712] = .shorts((0..<200).map { $0 * $0 / 10 })
        tiff.first.tags[50717] = .shorts([3900])
        let frame = try read(tiff)
        #expect(frame.format.bits == 12 && frame.whiteLevel == 3900)
        let expected = mosaic.bytes.flatMap { sample -> [UInt8] in
            let value = min(Int(sample), 199) * min(Int(sample), 199) / 10
            return [UInt8(value & 0xff), UInt8(value >> 8)]
        }
        #expect(frame.bytes == expected)
    }

    @Test("compressed as lossless JPEG is decoded", arguments: 1...7)
    func losslessJPEG(predictor: Int) throws {
        for (bits, components, restartRows) in [(8, 1, 0), (12, 2, 0), (14, 1, 3), (16, 2, 2), (16, 4, 0)] {
            let mosaic = TestMosaic(width: 48, height: 20, bits: bits)
            var tiff = mosaic.dng()
            tiff.first.tags[259] = .shorts([7])
            let samples = (0..<20).flatMap { y in (0..<48).map { mosaic.sample($0, y) } }
            tiff.first.blocks = [
                TestJPEG(
                    bits: bits, predictor: predictor, components: components, columns: 48 / components, rows: 20,
                    restartRows: restartRows
                ).encode(samples)
            ]
            #expect(try read(tiff).bytes == mosaic.bytes, "\(bits) bits, \(components) components")
            // Tiles that go beyond the edge; half of the rows with twice the columns.
            tiff.first.tags[278] = nil
            tiff.first.tags[322] = .shorts([32])
            tiff.first.tags[323] = .shorts([32])
            tiff.first.blocks = [0, 32].map { left in
                let samples = (0..<32).flatMap { y in
                    (left..<left + 32).map { $0 < 48 && y < 20 ? mosaic.sample($0, y) : 77 }
                }
                return TestJPEG(
                    bits: bits, predictor: predictor, components: components, columns: 64 / components, rows: 16,
                    restartRows: restartRows
                ).encode(samples)
            }
            #expect(try read(tiff).bytes == mosaic.bytes)
        }
    }

    @Test("compressed as lossless JPEG may have samples as far apart as can be")
    func farApart() throws {
        var tiff = TestMosaic(width: 16, height: 8, bits: 16).dng()
        tiff.first.tags[259] = .shorts([7])
        let samples = (0..<128).map { [0, 32768, 65535, 1, 32767, 65535, 0][$0 % 7] }
        for predictor in 1...7 {
            tiff.first.blocks = [
                TestJPEG(bits: 16, predictor: predictor, components: 1, columns: 16, rows: 8, restartRows: 0)
                    .encode(samples)
            ]
            #expect(try read(tiff).bytes == samples.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] })
        }
    }

    @Test("whose JPEG data are wrong is told what is wrong with them")
    func wrongJPEG() throws {
        let mosaic = TestMosaic(width: 16, height: 8, bits: 12)
        var tiff = mosaic.dng()
        tiff.first.tags[259] = .shorts([7])
        let good = TestJPEG(bits: 12, predictor: 1, components: 1, columns: 16, rows: 8, restartRows: 2)
        let jpeg = good.encode((0..<8).flatMap { y in (0..<16).map { mosaic.sample($0, y) } })
        func reason(_ change: (inout [UInt8]) -> Void) throws -> String {
            var jpeg = jpeg
            change(&jpeg)
            tiff.first.blocks = [jpeg]
            let reason = try error(tiff).reason
            #expect(reason.hasPrefix("strip 0 of 1: "))
            return reason
        }
        // Cut off, with byte counts that are right: only the last marker may be missing, and bits that fill a byte up.
        for count in 2..<jpeg.count - 3 {
            #expect(try reason { $0 = Array($0.prefix(count)) } != "", "\(count) of \(jpeg.count)")
        }
        // The table is from 2 on, SOF3 from 40, DRI from 53, SOS from 59, its data from 69 on.
        #expect(try reason { $0[41] = 0xc1 }.contains("not lossless (SOF1)"))
        #expect(try reason { $0[44] = 13 }.contains("13 bits, not 12"))
        #expect(try reason { $0[44] = 1 }.contains("components"))
        #expect(try reason { $0[46] = 9 }.contains("1 components of 16x9"))
        #expect(try reason { $0[51] = 0x21 }.contains("subsampled"))
        #expect(try reason { $0[6] = 4 }.contains("Huffman table makes no sense"))
        #expect(try reason { $0[6] = 1 }.contains("a Huffman table is missing"))
        #expect(try reason { $0[7] = 3 }.contains("Huffman table makes no sense"))
        #expect(try reason { $0[23] = 17 }.contains("Huffman table makes no sense"))
        #expect(try reason { $0[63] = 2 }.contains("several scans"))
        #expect(try reason { $0[66] = 8 }.contains("predictor 8"))
        #expect(try reason { $0[58] = 33 }.contains("row 2 of 8"))
        #expect(try reason { $0[58] = 16 }.contains("restart marker"))
        #expect(try reason { $0[40] = 0 }.contains("a marker of its JPEG data is missing"))
        // Codes that no symbol has.
        #expect(try reason { $0.replaceSubrange(69..<73, with: [0xff, 0, 0xff, 0]) }.contains("row 0"))
    }

    private func error(_ tiff: TestTIFF) throws -> CamdError {
        let path = try folder.file(tiff.file)
        let error = try #require(throws: CamdError.self) { _ = try DNGFile.read(path) }
        #expect(error.subject == path && error.kind == .badData, "\(error)")
        return error
    }

    @Test("of a kind that is not read is told what it is")
    func otherKinds() throws {
        func reason(_ change: (inout TestTIFF.Directory) -> Void) throws -> String {
            var tiff = TestMosaic().dng()
            change(&tiff.first)
            return try error(tiff).reason
        }
        #expect(try reason { $0.tags[33421] = .shorts([6, 6]) }.contains("X-Trans"))
        #expect(try reason { $0.tags[33421] = .shorts([4, 4]) }.contains("4x4 cells (a quad Bayer"))
        #expect(try reason { $0.tags[33421] = .shorts([2, 4]) }.contains("4x2 cells"))
        #expect(try reason { $0.tags[33422] = .bytes([0, 1, 3, 2]) }.contains("[0, 1, 3, 2]"))
        #expect(try reason { $0.tags[33422] = .bytes([0, 2, 1, 1]) }.contains("not Bayer's"))
        #expect(try reason { $0.tags[50710] = .bytes([2, 1, 0]) }.contains("colours [2, 1, 0]"))
        #expect(try reason { $0.tags[50711] = .shorts([2]) }.contains("staggered"))
        #expect(try reason { $0.tags[262] = .shorts([34892]) }.contains("a linear image (debayered already) of 20x14"))
        #expect(try reason { $0.tags[254] = .longs([1]) }.contains("a smaller mosaic"))
        #expect(try reason { $0.tags[259] = .shorts([34892]) }.contains("lossy JPEG (34892)"))
        #expect(try reason { $0.tags[259] = .shorts([52546]) }.contains("JPEG XL (52546)"))
        #expect(try reason { $0.tags[259] = .shorts([12345]) }.contains("12345"))
        #expect(try reason { $0.tags[339] = .shorts([3]) }.contains("floating-point"))
        #expect(try reason { $0.tags[258] = .shorts([32]) }.contains("BitsPerSample is 32"))
        #expect(try reason { $0.tags[258] = .shorts([4]) }.contains("BitsPerSample is 4"))
        #expect(try reason { $0.tags[50706] = .bytes([2, 0, 0, 0]) }.contains("DNG 2.0"))
        #expect(try reason { $0.tags[50707] = .bytes([2, 1, 0, 0]) }.contains("DNG 2.1"))
    }

    @Test("without a tag that it needs is told which one")
    func missingTags() throws {
        for (tag, name) in [
            (50706, "DNGVersion"), (33421, "CFARepeatPatternDim"), (33422, "CFAPattern"), (256, "size is zero"),
            (257, "zero number of strips"), (262, "kind that is not said"), (258, "BitsPerSample is 1"),
            (273, "StripOffsets"),
        ] {
            var tiff = TestMosaic().dng()
            tiff.first.tags[tag] = nil
            if tag == 273 { tiff.first.blocks = [] }
            let reason = try error(tiff).reason
            #expect(reason.contains(name), "\(tag): \(reason)")
        }
        // These may be missing.
        var tiff = TestMosaic().dng()
        for tag in [254, 259, 274, 277, 278, 50708, 50721, 50778] { tiff.first.tags[tag] = nil }
        let frame = try read(tiff)
        #expect(frame.bytes == TestMosaic().bytes)
        #expect(frame.color == RawColor() && frame.make == nil)
    }

    @Test("with numbers that make no sense is told which ones")
    func wrongNumbers() throws {
        func reason(_ tag: Int, _ value: TestTIFF.Value) throws -> String {
            var tiff = TestMosaic().dng()
            tiff.first.tags[tag] = value
            return try error(tiff).reason
        }
        #expect(try reason(50714, .shorts([4095])).contains("not below WhiteLevel 4095"))
        #expect(try reason(50714, .shorts([1, 2])).contains("BlackLevel has 2 levels, not 1x1"))
        #expect(try reason(50714, .doubles([.nan])).contains("BlackLevel"))
        #expect(try reason(50713, .shorts([17, 2])).contains("BlackLevelRepeatDim"))
        #expect(try reason(50717, .shorts([0])).contains("WhiteLevel"))
        #expect(try reason(50717, .shorts([1, 2])).contains("WhiteLevel"))
        #expect(try reason(50829, .longs([0, 0, 15, 20])).contains("ActiveArea"))
        #expect(try reason(50829, .longs([4, 0, 3, 20])).contains("ActiveArea"))
        #expect(try reason(50829, .longs([0, 0, 1, 20])).contains("ActiveArea"))
        #expect(try reason(50728, .rationals([(1, 1), (0, 1), (1, 1)])).contains("AsShotNeutral"))
        #expect(try reason(50728, .rationals([(1, 1), (1, 1)])).contains("AsShotNeutral"))
        #expect(try reason(50729, .rationals([(1, 0), (1, 1)])).contains("AsShotWhiteXY"))
        #expect(try reason(50721, .thousandths([1, 0, 0, 1, 0, 0, 0, 0, 1])).contains("ColorMatrix1 has no inverse"))
        #expect(try reason(50721, .doubles([.infinity, 0, 0, 0, 1, 0, 0, 0, 1])).contains("ColorMatrix1"))
        #expect(try reason(50964, .thousandths([1, 2])).contains("ForwardMatrix1 is not 9 numbers"))
        #expect(try reason(277, .shorts([3])).contains("3 samples"))
        // A compression that the bytes are not.
        #expect(try reason(259, .shorts([8])).contains("strip 0"))
        #expect(try reason(259, .shorts([7])).contains("strip 0 of 1: its JPEG data do not begin as such"))
    }

    @Test("of a size beyond the limits is refused before memory is taken for it")
    func hugeSizes() throws {
        func reason(_ width: Int, _ height: Int, _ more: [Int: TestTIFF.Value] = [:]) throws -> String {
            var tiff = TestMosaic().dng()
            tiff.first.tags[256] = .longs([width])
            tiff.first.tags[257] = .longs([height])
            tiff.first.tags[278] = nil
            tiff.first.tags.merge(more) { $1 }
            return try error(tiff).reason
        }
        #expect(try reason(16385, 14).contains("16385x14"))
        #expect(try reason(20, 16385).contains("20x16385"))
        #expect(try reason(1, 14).contains("1x14"))
        #expect(try reason(0, 14) != "")
        #expect(try reason(0xffff_ffff, 0xffff_ffff) != "")
        #expect(try reason(16384, 16384).contains("too small"))
        #expect(try reason(16384, 16384, [259: .shorts([8])]).contains("too small"))
        #expect(try reason(16384, 16384, [259: .shorts([7])]).contains("too small"))
        let large: [Int: TestTIFF.Value] = [
            259: .shorts([8]), 322: .longs([1 << 30]), 323: .longs([1 << 30]), 324: .longs([8]), 325: .longs([9]),
        ]
        #expect(try reason(20, 14, large) != "")
        let wide = large.merging([322: .longs([16384]), 323: .longs([16384])]) { $1 }
        #expect(try reason(20, 14, wide).contains("16384x16384 make no sense"))
        let small = large.merging([322: .longs([1]), 323: .longs([1])]) { $1 }
        #expect(try reason(20, 14, small) != "")
    }

    @Test("that is cut off anywhere is told so")
    func truncated() throws {
        var files: [[UInt8]] = []
        for compression in [COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE] {
            // libtiff puts the directory at the end, the other one at the beginning.
            let mosaic = TestMosaic(width: 64, height: 48, bits: 10)
            var frame = RawFrame(
                try #require(BayerFormat(.srggb10)), width: 64, height: 48, bytes: mosaic.bytes)
            frame.color.calibrations = [
                .init(illuminant: 17, colorMatrix: .identity, forwardMatrix: .identity)
            ]
            try DNGWriter.write(
                frame, to: folder.path("b.dng"), software: "test 1",
                .init(compression: compression, stripBytes: 1000))
            files.append(try bytes(of: folder.path("b.dng")))
        }
        files.append(TestMosaic().dng(rowsPerStrip: 3).file)
        files.append(compressed().file)
        for file in files {
            #expect(throws: Never.self) { _ = try DNGFile.read(try folder.file(file)) }
            for part in 0..<64 {
                let path = try folder.file(Array(file.prefix(file.count * part / 64)))
                let error = #expect(throws: CamdError.self, "\(part)") { _ = try DNGFile.read(path) }
                #expect(error?.subject == path && error?.kind == .badData && error?.reason != "")
            }
            let path = try folder.file(Array(file.dropLast()))
            #expect(throws: CamdError.self) { _ = try DNGFile.read(path) }
        }
    }

    /// Lossless JPEG in strips.
    private func compressed() -> TestTIFF {
        let mosaic = TestMosaic(width: 32, height: 12, bits: 12)
        var tiff = mosaic.dng()
        tiff.first.tags[259] = .shorts([7])
        tiff.first.tags[278] = .shorts([4])
        tiff.first.blocks = stride(from: 0, to: 12, by: 4).map { top in
            TestJPEG(bits: 12, predictor: 6, components: 2, columns: 16, rows: 4, restartRows: 0)
                .encode((top..<top + 4).flatMap { y in (0..<32).map { mosaic.sample($0, y) } })
        }
        return tiff
    }

    @Test("with wrong bytes in it is read or refused, and does no harm")
    func damaged() throws {
        var dice = Dice(state: 4711)
        let mosaic = TestMosaic(width: 40, height: 24, bits: 12)
        var rich = mosaic.dng(rowsPerStrip: 5)
        var raw = rich.first
        raw.tags[254] = .longs([0])
        raw.tags[50713] = .shorts([2, 2])
        raw.tags[50714] = .rationals([(1, 1), (2, 1), (3, 1), (4, 1)])
        raw.tags[50829] = .longs([2, 2, 22, 38])
        rich.first.tags[254] = .longs([1])
        rich.first.subdirectories = [raw, raw]
        rich.first.tags[50728] = .rationals([(1, 2), (1, 1), (3, 4)])
        rich.first.tags[271] = .text("Acme and a long name that lies elsewhere")
        try DNGWriter.write(
            RawFrame(try #require(BayerFormat(.sbggr16)), width: 40, height: 24, bytes: mosaic.bytes),
            to: folder.path("b.dng"), software: "test 1", .init(compression: COMPRESSION_LZW, tile: (16, 16)))
        let files = [rich.file, try bytes(of: folder.path("b.dng")), compressed().file]
        var refused = 0
        for round in 0..<300 {
            var file = files[round % files.count]
            for _ in 0..<Int.random(in: 1...4, using: &dice) {
                // Mostly where the directories are.
                let limit = Bool.random(using: &dice) ? file.count : min(file.count, 700)
                let index = Int.random(in: 0..<limit, using: &dice)
                file[Bool.random(using: &dice) ? index : file.count - 1 - index] = UInt8.random(
                    in: 0...255, using: &dice)
            }
            let path = try folder.file(file)
            do throws(CamdError) {
                let frame = try DNGFile.read(path)
                #expect(frame.bytes.count == frame.layout.bufferSizes[0])
                #expect(frame.blackLevels.allSatisfy { $0 >= 0 && $0 < frame.whiteLevel })
                let upright = frame.upright()
                #expect(upright.bytes.count == upright.layout.bufferSizes[0])
                _ = DNGColor.rendering(frame.color)
            } catch {
                refused += 1
                #expect(error.subject == path && error.reason != "")
                #expect(error.kind == .badData, "\(error)")
            }
        }
        // Not all damage shows, and not all of it hurts.
        #expect((50...250).contains(refused))
    }

    @Test("whose directories point at each other ends")
    func loops() throws {
        var tiff = TestMosaic().dng()
        tiff.first.tags[254] = .longs([1])
        tiff.first.blocks = [[]]
        // Every SubIFD is the first directory again; or nowhere.
        for offsets in [[8], [8, 8, 8], [Int](repeating: 8, count: 5000), [0, 1, 7, 0xffff_ffff, 9]] {
            tiff.first.tags[330] = .longs(offsets)
            #expect(try error(tiff).reason.contains("no raw mosaic"))
        }
        // A mosaic behind as many others as are looked into.
        for (count, isFound) in [(31, true), (32, false)] {
            var many = TestMosaic().dng()
            let mosaic = many.first
            many.first.tags[262] = .shorts([1])
            var other = many.first
            other.tags[50706] = nil
            many.first.subdirectories = Array(repeating: other, count: count) + [mosaic]
            if isFound {
                #expect(try read(many).bytes == TestMosaic().bytes)
            } else {
                #expect(try error(many).reason == "there is no raw mosaic in it, only a grey picture of 20x14")
            }
        }
        // The next directory is this one.
        var file = TestMosaic().dng().file
        let count = Int(file[8])
        file[8 + 2 + count * 12] = 8
        #expect(try DNGFile.read(try folder.file(file)).bytes == TestMosaic().bytes)
    }

    @Test("is a file, and no other thing")
    func otherThings() throws {
        func error(_ path: String) throws -> CamdError {
            let error = try #require(throws: CamdError.self) { _ = try DNGFile.read(path) }
            #expect(path == "" || error.subject == path)
            return error
        }
        #expect(try error(folder.path("none.dng")).kind == .noInput)
        #expect(try error(folder.path("none/a.dng")).errno == .noEntry)
        #expect(try error(folder.path).reason == "it is a folder, not a file")
        #expect(try error("/dev/null").reason == "it is a device, not a file")
        #expect(try error("").kind == .usage)
        #expect(try error("a\0b").kind == .usage)
        mkfifo(folder.path("pipe"), 0o600)
        #expect(try error(folder.path("pipe")).reason == "it is a pipe, not a file")
        #expect(try error(folder.file([])).reason == "it is empty")
        for bytes in [[0x49], [0x49, 0x49, 42, 0], Array("P6\n2 2\n255\nabcdefghijkl".utf8)] as [[UInt8]] {
            let error = try error(folder.file(bytes))
            #expect(error.kind == .badData && error.reason.contains("TIFF"), "\(error)")
        }
    }

    @Test("of a frame that a DNG cannot have, or in a place that nobody can write to, is told why")
    func unwritable() throws {
        let format = try #require(BayerFormat(.srggb8))
        let frame = RawFrame(format, width: 2, height: 2, bytes: [1, 2, 3, 4])
        let error = #expect(throws: CamdError.self) {
            try DNGWriter.write(frame, to: folder.path("none/a.dng"), software: "test 1")
        }
        #expect(error?.kind == .cannotCreate && error?.remedy?.contains("mkdir") == true)
        let flat = RawFrame(format, width: 2, height: 1, bytes: [1, 2])
        #expect(throws: CamdError.self) { try DNGWriter.write(flat, to: folder.path("a.dng"), software: "test 1") }
        #expect(folder.names == [])
    }
}
