import CTIFF
import CaptureCore
import LinuxSystem

/// What the directory of a raw image says of it, checked.
struct DNGMosaic {
    let width: Int
    let height: Int
    /// Of a sample in the file: 8 to 16.
    let bits: Int
    let compression: Int
    /// The part of the image that sees light.
    let active: RawFrame.Crop
    let format: BayerFormat
    let blackLevels: [Double]
    let whiteLevel: Double
    /// Within the active part.
    let crop: RawFrame.Crop
    /// What the samples stand for, where they are not linear.
    let table: [UInt16]?

    init(_ directory: DNGDirectory, fileSize: Int) throws(CamdError) {
        width = directory.number(TIFFTAG_IMAGEWIDTH, absent: 0)
        height = directory.number(TIFFTAG_IMAGELENGTH, absent: 0)
        bits = directory.number(TIFFTAG_BITSPERSAMPLE, absent: 1)
        compression = directory.number(TIFFTAG_COMPRESSION, absent: 1)
        try Self.check(directory, width, height, bits, compression, fileSize)
        active = try Self.active(directory, width, height)
        let order = try Self.order(directory)
        table = try Self.table(directory)
        let most = table.map { Double($0.max() ?? 0) } ?? Double(1 << bits - 1)
        let white = try directory.numbers(TIFFTAG_WHITELEVEL, "WhiteLevel", count: 1)?[0] ?? most
        whiteLevel = min(white, table == nil ? most : 65_535)
        // Samples of 9 to 16 bits may lie in 16, and then only the white level tells.
        let needed = table == nil && bits < 16 ? bits : max(9, Self.bits(of: whiteLevel))
        guard let format = BayerFormat(order, atLeastBits: needed) else {
            throw directory.bad("samples of \(bits) bits are not known")
        }
        self.format = format
        blackLevels = try Self.blackLevels(directory, active)
        guard let black = blackLevels.max(), whiteLevel >= 1, black < whiteLevel else {
            throw directory.bad("BlackLevel \(blackLevels) is not below WhiteLevel \(whiteLevel)")
        }
        crop = Self.crop(directory, active)
    }

    private static func bits(of number: Double) -> Int { (1...16).first { Double(1 << $0 - 1) >= number } ?? 16 }

    private static func check(
        _ directory: DNGDirectory, _ width: Int, _ height: Int, _ bits: Int, _ compression: Int, _ fileSize: Int
    ) throws(CamdError) {
        let sides = 2...DNGFile.mostPixels
        guard sides.contains(width), sides.contains(height) else {
            throw directory.bad(
                "it is \(width)x\(height), and a raw image has 2 to \(DNGFile.mostPixels) pixels each way")
        }
        let samples = directory.number(TIFFTAG_SAMPLESPERPIXEL, absent: 1)
        guard samples == 1 else { throw directory.bad("its mosaic has \(samples) samples for each pixel, not one") }
        guard (8...16).contains(bits) else {
            throw directory.bad("BitsPerSample is \(bits), and 8 to 16 are known")
        }
        let kind = ctiff_sample_number(directory.file, UInt32(TIFFTAG_SAMPLEFORMAT), SAMPLEFORMAT_UINT)
        guard kind == SAMPLEFORMAT_UINT || kind == SAMPLEFORMAT_VOID else {
            throw directory.bad("its samples are \(kind == SAMPLEFORMAT_IEEEFP ? "floating-point" : "signed") numbers")
        }
        // How many bytes one byte can stand for at most.
        let ratio: Int
        switch CInt(compression) {
        case COMPRESSION_NONE: ratio = 1
        case COMPRESSION_JPEG: ratio = 16
        case COMPRESSION_PACKBITS: ratio = 128
        case COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE: ratio = 4096
        default:
            throw directory.bad(
                "its compression, \(name(compression)), is not known",
                remedy: "Convert it to an uncompressed or losslessly compressed DNG.")
        }
        let needed = (width * bits + 7) / 8 * height
        guard needed / ratio <= fileSize else {
            throw directory.bad(
                "it is too small for an image of \(width)x\(height) with \(bits) bits: \(fileSize) bytes",
                remedy: "The file is damaged or was not written to its end; copy it anew.")
        }
    }

    static func name(_ compression: Int) -> String {
        switch compression {
        case 6: "old JPEG (6)"
        case 34_892: "lossy JPEG (34892)"
        case 34_713: "Nikon's NEF (34713)"
        case 50_002, 52_546: "JPEG XL (\(compression))"
        default: "number \(compression)"
        }
    }

    private static func active(
        _ directory: DNGDirectory, _ width: Int, _ height: Int
    ) throws(CamdError) -> RawFrame.Crop {
        guard let area = try directory.numbers(TIFFTAG_ACTIVEAREA, "ActiveArea", count: 4)?.map({ Int($0) }) else {
            return RawFrame.Crop(x: 0, y: 0, width: width, height: height)
        }
        let (top, left, bottom, right) = (area[0], area[1], area[2], area[3])
        guard top + 2 <= bottom, left + 2 <= right, bottom <= height, right <= width else {
            throw directory.bad("ActiveArea \(area) is no part of \(width)x\(height)")
        }
        return RawFrame.Crop(x: left, y: top, width: right - left, height: bottom - top)
    }

    /// The order of the colours, from the first pixel of the active area on.
    private static func order(_ directory: DNGDirectory) throws(CamdError) -> BayerOrder {
        guard let size = try directory.numbers(TIFFTAG_CFAREPEATPATTERNDIM, "CFARepeatPatternDim", count: 2) else {
            throw directory.bad("CFARepeatPatternDim is missing")
        }
        guard size == [2, 2] else {
            let name = size == [6, 6] ? " (Fuji's X-Trans)" : size == [4, 4] ? " (a quad Bayer sensor's)" : ""
            throw directory.bad(
                "its mosaic of \(Int(size[1]))x\(Int(size[0])) cells\(name) is not known, only Bayer's of 2x2")
        }
        let layout = directory.number(TIFFTAG_CFALAYOUT, absent: 1)
        guard layout == 1 else { throw directory.bad("its mosaic's cells are staggered (CFALayout \(layout))") }
        guard let cells = try directory.numbers(TIFFTAG_CFAPATTERN, "CFAPattern", count: 4) else {
            throw directory.bad("CFAPattern is missing")
        }
        // 0, 1 and 2 stand for red, green and blue whatever their order in CFAPlaneColor.
        let planes = try directory.numbers(TIFFTAG_CFAPLANECOLOR, "CFAPlaneColor", count: 3) ?? [0, 1, 2]
        guard let order = BayerOrder(cells: cells.map { Int($0) }), planes == [0, 1, 2] else {
            throw directory.bad(
                "its mosaic \(cells.map { Int($0) }) of colours \(planes.map { Int($0) }) is not Bayer's")
        }
        return order
    }

    private static func table(_ directory: DNGDirectory) throws(CamdError) -> [UInt16]? {
        guard let numbers = directory.numbers(TIFFTAG_LINEARIZATIONTABLE, most: 65_536) else { return nil }
        return numbers.map { UInt16(min(max($0, 0), 65_535)) }
    }

    /// Folded into the four cells of the mosaic, with what rows and columns differ by on average.
    private static func blackLevels(_ directory: DNGDirectory, _ active: RawFrame.Crop) throws(CamdError) -> [Double] {
        let size = try directory.numbers(TIFFTAG_BLACKLEVELREPEATDIM, "BlackLevelRepeatDim", count: 2) ?? [1, 1]
        let (rows, columns) = (Int(size[0]), Int(size[1]))
        guard (1...16).contains(rows), (1...16).contains(columns) else {
            throw directory.bad("BlackLevelRepeatDim \(rows)x\(columns) makes no sense")
        }
        var levels = directory.numbers(TIFFTAG_BLACKLEVEL, most: 257) ?? [0]
        // One level for all, whatever the pattern's size.
        if levels.count == 1 { levels = Array(repeating: levels[0], count: rows * columns) }
        guard levels.count == rows * columns, levels.allSatisfy({ $0.isFinite && abs($0) <= 65_535 }) else {
            throw directory.bad("BlackLevel has \(levels.count) levels, not \(rows)x\(columns)")
        }
        let deltaColumns = directory.numbers(TIFFTAG_BLACKLEVELDELTAH, most: DNGFile.mostPixels) ?? []
        let deltaRows = directory.numbers(TIFFTAG_BLACKLEVELDELTAV, most: DNGFile.mostPixels) ?? []
        func mean(_ values: [Double], _ parity: Int) -> Double {
            let own = stride(from: parity, to: values.count, by: 2).map { values[$0] }.filter(\.isFinite)
            return own.isEmpty ? 0 : own.reduce(0, +) / Double(own.count)
        }
        return [(0, 0), (0, 1), (1, 0), (1, 1)].map { (y, x) in
            var sum = 0.0
            for row in stride(from: y, to: 2 * rows, by: 2) {
                for column in stride(from: x, to: 2 * columns, by: 2) {
                    sum += levels[row % rows * columns + column % columns]
                }
            }
            return max(0, sum / Double(rows * columns) + mean(deltaRows, y) + mean(deltaColumns, x))
        }
    }

    /// DefaultCrop, rounded to whole pixels; all of it where that makes no sense.
    private static func crop(_ directory: DNGDirectory, _ active: RawFrame.Crop) -> RawFrame.Crop {
        let whole = RawFrame.Crop(x: 0, y: 0, width: active.width, height: active.height)
        let origin = directory.numbers(TIFFTAG_DEFAULTCROPORIGIN) ?? [0, 0]
        guard let size = directory.numbers(TIFFTAG_DEFAULTCROPSIZE), origin.count == 2, size.count == 2,
            (origin + size).allSatisfy({ (0...Double(DNGFile.mostPixels)).contains($0) })
        else { return whole }
        let crop = RawFrame.Crop(
            x: Int(origin[0].rounded()), y: Int(origin[1].rounded()), width: Int(size[0].rounded()),
            height: Int(size[1].rounded()))
        guard crop.width >= 2, crop.height >= 2, crop.x + crop.width <= active.width,
            crop.y + crop.height <= active.height
        else { return whole }
        return crop
    }
}
