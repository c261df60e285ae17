import CTIFF
import CaptureCore
import LinuxSystem

extension DNGMosaic {
    /// Strips are blocks as wide as the image.
    private struct Blocks {
        var isTiled: Bool
        var width: Int
        var height: Int
        var count: Int
    }

    /// Reads all samples into V4L2's layout (TIFFReadEncodedStrip, TIFFReadEncodedTile; TIFFReadRawStrip and
    /// TIFFReadRawTile for lossless JPEG).
    func read(_ tiff: borrowing TIFFHandle) throws(CamdError) -> RawFrame {
        let blocks = try blocks(tiff)
        let across = (width + blocks.width - 1) / blocks.width
        var sink = SampleSink(self)
        let isJPEG = compression == Int(COMPRESSION_JPEG)
        // Made once: no block is larger than the first one.
        var buffer = [UInt8](repeating: 0, count: isJPEG ? 0 : bytes(blocks, blocks.height))
        for index in 0..<blocks.count {
            let (left, top) = (index % across * blocks.width, index / across * blocks.height)
            let rows = blocks.isTiled ? blocks.height : min(blocks.height, height - top)
            tiff.forget()
            if isJPEG {
                let samples = try decodeJPEG(tiff, blocks, index, rows)
                samples.withUnsafeBytes { put($0, 16, blocks, left, top, rows, &sink) }
            } else {
                try decode(tiff, blocks, index, bytes(blocks, rows), &buffer)
                buffer.withUnsafeBytes { put($0, bits, blocks, left, top, rows, &sink) }
            }
        }
        var frame = RawFrame(
            format, width: active.width, height: active.height, bytes: sink.bytes, blackLevels: blackLevels,
            whiteLevel: whiteLevel)
        frame.crop = crop
        return frame
    }

    private func bytes(_ blocks: Blocks, _ rows: Int) -> Int { (blocks.width * bits + 7) / 8 * rows }

    private func blocks(_ tiff: borrowing TIFFHandle) throws(CamdError) -> Blocks {
        let directory = DNGDirectory(file: tiff.file, path: tiff.path)
        let isTiled = TIFFIsTiled(tiff.file) != 0
        var blocks = Blocks(isTiled: isTiled, width: width, height: height, count: 1)
        if isTiled {
            blocks.width = directory.number(TIFFTAG_TILEWIDTH, absent: 0)
            blocks.height = directory.number(TIFFTAG_TILELENGTH, absent: 0)
        } else {
            blocks.height = min(height, directory.number(TIFFTAG_ROWSPERSTRIP, absent: height))
        }
        // A tile may go beyond the image's edges, not far beyond.
        guard blocks.width > 0, blocks.height > 0, blocks.width <= max(4096, width + 15),
            blocks.height <= max(4096, height + 15)
        else {
            throw directory.bad("its \(isTiled ? "tiles" : "strips") of \(blocks.width)x\(blocks.height) make no sense")
        }
        blocks.count = (width + blocks.width - 1) / blocks.width * ((height + blocks.height - 1) / blocks.height)
        let count = isTiled ? TIFFNumberOfTiles(tiff.file) : TIFFNumberOfStrips(tiff.file)
        let size = isTiled ? TIFFTileSize64(tiff.file) : TIFFVStripSize64(tiff.file, UInt32(blocks.height))
        guard blocks.count <= DNGFile.mostBlocks, blocks.count == count, bytes(blocks, blocks.height) == size else {
            throw directory.bad(
                "its \(count) \(isTiled ? "tiles" : "strips") of \(blocks.width)x\(blocks.height) make no sense")
        }
        return blocks
    }

    private func decode(
        _ tiff: borrowing TIFFHandle, _ blocks: Blocks, _ index: Int, _ count: Int, _ buffer: inout [UInt8]
    ) throws(CamdError) {
        let file = tiff.file
        let got = buffer.withUnsafeMutableBytes { buffer in
            blocks.isTiled
                ? TIFFReadEncodedTile(file, UInt32(index), buffer.baseAddress, tmsize_t(count))
                : TIFFReadEncodedStrip(file, UInt32(index), buffer.baseAddress, tmsize_t(count))
        }
        guard got == count else { throw failure(tiff, blocks, index) }
    }

    private func decodeJPEG(
        _ tiff: borrowing TIFFHandle, _ blocks: Blocks, _ index: Int, _ rows: Int
    ) throws(CamdError) -> [UInt16] {
        let (file, path) = (tiff.file, tiff.path)
        let size = Int(TIFFGetStrileByteCount(file, UInt32(index)))
        // A sample is at most two bytes, a code of 16 bits and one of its bits; and there are headers.
        guard size > 0, size <= 8 * blocks.width * blocks.height + 65_536 else {
            throw failure(tiff, blocks, index, "it is said to have \(size) bytes")
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let got =
                blocks.isTiled
                ? TIFFReadRawTile(file, UInt32(index), buffer.baseAddress, tmsize_t(size))
                : TIFFReadRawStrip(file, UInt32(index), buffer.baseAddress, tmsize_t(size))
            count = max(0, min(size, Int(got)))
        }
        guard bytes.count == size else { throw failure(tiff, blocks, index) }
        do throws(LosslessJPEG.Fault) {
            let image = try LosslessJPEG(bytes[...])
            // Two components of half the width, or rows of double the width: the order is the same.
            guard image.columns * image.components * image.rows == blocks.width * rows else {
                throw LosslessJPEG.Fault(
                    "its JPEG data have \(image.components) components of \(image.columns)x\(image.rows)")
            }
            guard image.precision <= bits else {
                throw LosslessJPEG.Fault("its JPEG data have \(image.precision) bits, not \(bits)")
            }
            return try image.samples()
        } catch {
            throw CamdError(
                .badData, subject: path, reason: "\(name(blocks, index)): \(error.reason)",
                remedy: "The file is damaged or was not written to its end; copy it anew.")
        }
    }

    private func name(_ blocks: Blocks, _ index: Int) -> String {
        "\(blocks.isTiled ? "tile" : "strip") \(index) of \(blocks.count)"
    }

    private func failure(
        _ tiff: borrowing TIFFHandle, _ blocks: Blocks, _ index: Int, _ reason: String = "it cannot be read"
    ) -> CamdError {
        let what = compression == Int(COMPRESSION_JPEG) ? "Raw" : "Encoded"
        return tiff.readError(
            "TIFFRead\(what)\(blocks.isTiled ? "Tile" : "Strip")", "\(name(blocks, index)): \(reason)")
    }

    private func put(
        _ bytes: UnsafeRawBufferPointer, _ bits: Int, _ blocks: Blocks, _ left: Int, _ top: Int, _ rows: Int,
        _ sink: inout SampleSink
    ) {
        let rowBytes = (blocks.width * bits + 7) / 8
        for row in 0..<rows {
            sink.put(
                UnsafeRawBufferPointer(rebasing: bytes[row * rowBytes..<(row + 1) * rowBytes]), bits: bits, x: left,
                y: top + row, count: blocks.width)
        }
    }
}

/// Takes rows of samples as a file has them, and lays those of the active area out as V4L2 does.
private struct SampleSink {
    private(set) var bytes: [UInt8]
    private let active: RawFrame.Crop
    private let bytesPerPixel: Int
    private let table: [UInt16]?

    init(_ mosaic: DNGMosaic) {
        active = mosaic.active
        bytesPerPixel = mosaic.format.bytesPerPixel
        table = mosaic.table
        bytes = [UInt8](repeating: 0, count: active.width * active.height * bytesPerPixel)
    }

    /// `row` holds `count` samples: bytes, 16-bit numbers of this machine, or bits one after the other, the highest of a
    /// byte first. The first one is at `x`, `y` of the image.
    mutating func put(_ row: UnsafeRawBufferPointer, bits: Int, x: Int, y: Int, count: Int) {
        let first = max(x, active.x)
        let end = min(x + count, active.x + active.width)
        guard (active.y..<active.y + active.height).contains(y), first < end else { return }
        var to = ((y - active.y) * active.width + first - active.x) * bytesPerPixel
        for index in first - x..<end - x {
            switch bits {
            case 8: store(UInt16(row[index]), &to)
            case 16: store(row.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self), &to)
            default:
                let bit = index * bits
                let byte = bit >> 3
                var window = UInt32(row[byte]) << 16
                if byte + 1 < row.count { window |= UInt32(row[byte + 1]) << 8 }
                if byte + 2 < row.count { window |= UInt32(row[byte + 2]) }
                let sample = window >> UInt32(24 - bit & 7 - bits) & (1 << UInt32(bits) - 1)
                store(UInt16(truncatingIfNeeded: sample), &to)
            }
        }
    }

    private mutating func store(_ sample: UInt16, _ to: inout Int) {
        var sample = sample
        if let table { sample = table[min(Int(sample), table.count - 1)] }
        bytes[to] = UInt8(truncatingIfNeeded: sample)
        if bytesPerPixel == 2 { bytes[to + 1] = UInt8(truncatingIfNeeded: sample >> 8) }
        to += bytesPerPixel
    }
}
