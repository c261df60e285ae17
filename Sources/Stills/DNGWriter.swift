import CTIFF
import CaptureCore
import LinuxSystem

/// Writes raw frames as DNG files, bit for bit what the sensor gave.
public enum DNGWriter {
    /// How the samples are stored.
    struct Storage {
        /// One of TIFF's numbers that libtiff can write.
        var compression = COMPRESSION_NONE
        /// Sides of a tile, multiples of 16; nil for strips.
        var tile: (width: Int, height: Int)?
        /// About so many bytes in a strip.
        var stripBytes = 1 << 20
        var isBigEndian = false
    }

    /// Writes an uncompressed DNG 1.4 that a reader of DNG 1.1 understands: whole or not at all (see `WholeFile`).
    /// Samples of more than 8 bits are stored in 16.
    /// - Parameters:
    ///   - frame: without make and model the camera is said to be unknown; without a calibration its numbers are said
    ///     to be linear sRGB, under an unknown light.
    ///   - software: name and version of who writes it.
    /// - Throws: `.usage` for a frame that a DNG cannot have, `.cannotCreate` or `.inputOutput` for the file.
    public static func write(_ frame: RawFrame, to path: String, software: String) throws(CamdError) {
        try write(frame, to: path, software: software, Storage())
    }

    static func write(
        _ frame: RawFrame, to path: String, software: String, _ storage: Storage
    ) throws(CamdError) {
        let sides = 2...DNGFile.mostPixels
        guard sides.contains(frame.width), sides.contains(frame.height) else {
            throw CamdError(
                .usage, subject: path,
                reason: "a DNG has 2 to \(DNGFile.mostPixels) pixels each way, not \(frame.width)x\(frame.height)")
        }
        try WholeFile.write(path) { (descriptor) throws(CamdError) in
            let tiff = try TIFFHandle(
                try descriptor.duplicate(), path, storage.isBigEndian ? .writeBigEndian : .writeLittleEndian,
                mostMemory: 1 << 30)
            var tags = DNGTags(file: tiff.file)
            tags.describe(frame, software: software, storage)
            guard tags.isGood else { throw tiff.writeError("TIFFSetField", "a tag cannot be set") }
            try samples(frame, tiff, storage)
            tiff.forget()
            guard TIFFWriteDirectory(tiff.file) == 1, TIFFFlush(tiff.file) == 1 else {
                throw tiff.writeError("TIFFWriteDirectory", "it cannot be written")
            }
        }
    }

    private static func samples(
        _ frame: RawFrame, _ tiff: borrowing TIFFHandle, _ storage: Storage
    ) throws(CamdError) {
        let file = tiff.file
        let size = frame.format.bytesPerPixel
        let stride = frame.width * size
        if let tile = storage.tile {
            var block = [UInt8](repeating: 0, count: tile.width * tile.height * size)
            var index: UInt32 = 0
            for top in Swift.stride(from: 0, to: frame.height, by: tile.height) {
                for left in Swift.stride(from: 0, to: frame.width, by: tile.width) {
                    // What lies beyond the edge repeats the tile before, which nobody looks at.
                    let columns = min(tile.width, frame.width - left) * size
                    for row in 0..<min(tile.height, frame.height - top) {
                        let from = (top + row) * stride + left * size
                        block.replaceSubrange(
                            row * tile.width * size..<row * tile.width * size + columns,
                            with: frame.bytes[from..<from + columns])
                    }
                    try write(&block, tiff, storage) { TIFFWriteEncodedTile(file, index, $0, $1) }
                    index += 1
                }
            }
            return
        }
        let rows = DNGTags.rowsPerStrip(frame, storage)
        for (index, top) in Swift.stride(from: 0, to: frame.height, by: rows).enumerated() {
            let range = top * stride..<min(frame.height, top + rows) * stride
            if storage.isBigEndian {
                var block = Array(frame.bytes[range])
                try write(&block, tiff, storage) { TIFFWriteEncodedStrip(file, UInt32(index), $0, $1) }
                continue
            }
            // libtiff changes the bytes only where it has to swap them.
            let written = frame.bytes.withUnsafeBytes { bytes in
                TIFFWriteEncodedStrip(
                    file, UInt32(index), UnsafeMutableRawPointer(mutating: bytes.baseAddress! + range.lowerBound),
                    tmsize_t(range.count))
            }
            guard written == range.count else { throw tiff.writeError("TIFFWriteEncodedStrip", "strip \(index)") }
        }
    }

    private static func write(
        _ block: inout [UInt8], _ tiff: borrowing TIFFHandle, _ storage: Storage,
        _ call: (UnsafeMutableRawPointer?, tmsize_t) -> tmsize_t
    ) throws(CamdError) {
        let count = block.count
        let written = block.withUnsafeMutableBytes { call($0.baseAddress, tmsize_t(count)) }
        guard written == count else { throw tiff.writeError("TIFFWriteEncodedTile", "its samples cannot be written") }
    }
}

/// Sets the tags of a file that is written (TIFFSetField).
struct DNGTags {
    /// Borrowed from a `TIFFHandle` that outlives this value.
    let file: OpaquePointer
    private(set) var isGood = true

    init(file: OpaquePointer) { self.file = file }

    static func rowsPerStrip(_ frame: RawFrame, _ storage: DNGWriter.Storage) -> Int {
        min(frame.height, max(1, storage.stripBytes / (frame.width * frame.format.bytesPerPixel)))
    }

    mutating func describe(_ frame: RawFrame, software: String, _ storage: DNGWriter.Storage) {
        set(TIFFTAG_SUBFILETYPE, 0)
        set(TIFFTAG_IMAGEWIDTH, frame.width)
        set(TIFFTAG_IMAGELENGTH, frame.height)
        set(TIFFTAG_BITSPERSAMPLE, frame.format.bytesPerPixel * 8)
        set(TIFFTAG_SAMPLESPERPIXEL, 1)
        set(TIFFTAG_COMPRESSION, Int(storage.compression))
        set(TIFFTAG_PHOTOMETRIC, Int(PHOTOMETRIC_CFA))
        set(TIFFTAG_PLANARCONFIG, Int(PLANARCONFIG_CONTIG))
        set(TIFFTAG_ORIENTATION, frame.orientation.rawValue)
        if let tile = storage.tile {
            set(TIFFTAG_TILEWIDTH, tile.width)
            set(TIFFTAG_TILELENGTH, tile.height)
        } else {
            set(TIFFTAG_ROWSPERSTRIP, Self.rowsPerStrip(frame, storage))
        }
        if let make = frame.make { set(TIFFTAG_MAKE, make) }
        if let model = frame.model { set(TIFFTAG_MODEL, model) }
        set(TIFFTAG_SOFTWARE, software)
        set(TIFFTAG_DNGVERSION, [1, 4, 0, 0])
        set(TIFFTAG_DNGBACKWARDVERSION, [1, 1, 0, 0])
        let name = [frame.make, frame.model].compactMap { $0 }.joined(separator: " ")
        set(TIFFTAG_UNIQUECAMERAMODEL, name.isEmpty ? "unknown camera" : name)
        set(TIFFTAG_CFAREPEATPATTERNDIM, [2, 2])
        set(TIFFTAG_CFAPATTERN, frame.format.order.cells.map { Double($0) })
        set(TIFFTAG_CFAPLANECOLOR, [0, 1, 2])
        set(TIFFTAG_CFALAYOUT, 1)
        set(TIFFTAG_BLACKLEVELREPEATDIM, [2, 2])
        set(TIFFTAG_BLACKLEVEL, frame.blackLevels)
        set(TIFFTAG_WHITELEVEL, [frame.whiteLevel])
        set(TIFFTAG_DEFAULTSCALE, [1, 1])
        set(TIFFTAG_DEFAULTCROPORIGIN, [Double(frame.crop.x), Double(frame.crop.y)])
        set(TIFFTAG_DEFAULTCROPSIZE, [Double(frame.crop.width), Double(frame.crop.height)])
        set(TIFFTAG_ACTIVEAREA, [0, 0, Double(frame.height), Double(frame.width)])
        describe(frame.color)
    }

    private mutating func describe(_ color: RawColor) {
        if let neutral = color.neutral {
            set(TIFFTAG_ASSHOTNEUTRAL, neutral)
        } else if let white = color.white {
            set(TIFFTAG_ASSHOTWHITEXY, [white.x, white.y])
        }
        if color.analogBalance != [1, 1, 1] { set(TIFFTAG_ANALOGBALANCE, color.analogBalance) }
        set(TIFFTAG_BASELINEEXPOSURE, [color.baselineExposure])
        var calibrations = color.calibrations
        // Readers want a matrix.
        if calibrations.isEmpty { calibrations = [.init(illuminant: 0, colorMatrix: DNGColor.linearSRGB)] }
        if ctiff_know_dng_tags(file) != 0 { isGood = false }
        let tags: [(CInt, CInt, CInt, CInt)] = [
            (TIFFTAG_CALIBRATIONILLUMINANT1, TIFFTAG_COLORMATRIX1, TIFFTAG_CAMERACALIBRATION1, 50_964),
            (TIFFTAG_CALIBRATIONILLUMINANT2, TIFFTAG_COLORMATRIX2, TIFFTAG_CAMERACALIBRATION2, 50_965),
        ]
        for (calibration, tags) in zip(calibrations, tags) {
            set(tags.0, calibration.illuminant)
            set(tags.1, calibration.colorMatrix.numbers)
            if calibration.cameraCalibration != .identity { set(tags.2, calibration.cameraCalibration.numbers) }
            if let forward = calibration.forwardMatrix { set(tags.3, forward.numbers) }
        }
    }

    private mutating func set(_ tag: CInt, _ number: Int) {
        isGood = isGood && number >= 0 && ctiff_set_number(file, UInt32(tag), UInt32(truncatingIfNeeded: number)) == 1
    }

    private mutating func set(_ tag: CInt, _ numbers: [Double]) {
        isGood = isGood && ctiff_set_numbers(file, UInt32(tag), numbers, CInt(numbers.count)) == 1
    }

    private mutating func set(_ tag: CInt, _ text: String) {
        isGood = isGood && ctiff_set_text(file, UInt32(tag), text) == 1
    }
}
