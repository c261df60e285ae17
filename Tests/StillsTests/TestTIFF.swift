import Glibc
import LinuxSystem

@testable import Stills

/// Makes TIFF files byte by byte, right ones and wrong ones: a second witness of the format besides libtiff.
struct TestTIFF {
    enum Value {
        case bytes([UInt8])
        case text(String)
        case shorts([Int])
        case longs([Int])
        case rationals([(Int, Int)])
        case signedRationals([(Int, Int)])
        case doubles([Double])

        /// Thousandths.
        static func thousandths(_ numbers: [Double]) -> Value {
            .signedRationals(numbers.map { (Int(($0 * 1000).rounded()), 1000) })
        }

        var type: Int {
            switch self {
            case .bytes: 1
            case .text: 2
            case .shorts: 3
            case .longs: 4
            case .rationals: 5
            case .signedRationals: 10
            case .doubles: 12
            }
        }

        var count: Int {
            switch self {
            case .bytes(let list): list.count
            case .text(let text): text.utf8.count + 1
            case .shorts(let list), .longs(let list): list.count
            case .rationals(let list), .signedRationals(let list): list.count
            case .doubles(let list): list.count
            }
        }
    }

    struct Directory {
        var tags: [Int: Value] = [:]
        /// Strips or tiles.
        var blocks: [[UInt8]] = []
        var subdirectories: [Directory] = []
    }

    var first = Directory()
    var isBigEndian = false

    /// The directories come first, then the pixels: a file that is cut off lacks pixels.
    var file: [UInt8] {
        var out: [UInt8] = isBigEndian ? [0x4d, 0x4d, 0, 42] : [0x49, 0x49, 42, 0]
        append(8, 4, &out)
        var blocks: [(position: Int, [UInt8])] = []
        _ = append(first, &out, &blocks)
        for (position, block) in blocks {
            patch(out.count, at: position, &out)
            out += block
        }
        return out
    }

    private func encoded(_ number: Int, _ size: Int) -> [UInt8] {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        return isBigEndian ? bytes.reversed() : bytes
    }

    private func append(_ number: Int, _ size: Int, _ out: inout [UInt8]) { out += encoded(number, size) }

    private func patch(_ number: Int, at position: Int, _ out: inout [UInt8]) {
        out.replaceSubrange(position..<position + 4, with: encoded(number, 4))
    }

    private func payload(_ value: Value) -> [UInt8] {
        switch value {
        case .bytes(let list): list
        case .text(let text): Array(text.utf8) + [0]
        case .shorts(let list): list.flatMap { encoded($0, 2) }
        case .longs(let list): list.flatMap { encoded($0, 4) }
        case .rationals(let list), .signedRationals(let list): list.flatMap { encoded($0.0, 4) + encoded($0.1, 4) }
        case .doubles(let list): list.flatMap { encoded(Int(bitPattern: UInt(truncatingIfNeeded: $0.bitPattern)), 8) }
        }
    }

    private func append(
        _ directory: Directory, _ out: inout [UInt8], _ blocks: inout [(position: Int, [UInt8])]
    ) -> Int {
        var tags = directory.tags
        let offsets = tags[322] == nil ? 273 : 324
        if !directory.blocks.isEmpty {
            let zeros = [Int](repeating: 0, count: directory.blocks.count)
            if tags[offsets] == nil { tags[offsets] = .longs(zeros) }
            if tags[offsets == 273 ? 279 : 325] == nil {
                tags[offsets == 273 ? 279 : 325] = .longs(directory.blocks.map(\.count))
            }
        }
        if !directory.subdirectories.isEmpty { tags[330] = .longs(directory.subdirectories.map { _ in 0 }) }
        let start = out.count
        append(tags.count, 2, &out)
        out += [UInt8](repeating: 0, count: tags.count * 12 + 4)
        for (index, tag) in tags.keys.sorted().enumerated() {
            guard let value = tags[tag] else { continue }
            let entry = start + 2 + index * 12
            var head = encoded(tag, 2) + encoded(value.type, 2) + encoded(value.count, 4)
            let payload = payload(value)
            var position = entry + 8
            if payload.count <= 4 {
                head += payload
            } else {
                position = out.count
                head += encoded(position, 4)
                out += payload
            }
            out.replaceSubrange(entry..<entry + head.count, with: head)
            if tag == offsets, directory.tags[offsets] == nil {
                for (number, block) in directory.blocks.enumerated() { blocks.append((position + number * 4, block)) }
            }
            if tag == 330 {
                for (number, sub) in directory.subdirectories.enumerated() {
                    let offset = append(sub, &out, &blocks)
                    patch(offset, at: position + number * 4, &out)
                }
            }
        }
        return start
    }
}

/// A mosaic whose samples tell where they are from.
struct TestMosaic {
    var width = 20
    var height = 14
    var bits = 12

    /// Goes through all bits, and no two neighbours are alike.
    func sample(_ x: Int, _ y: Int) -> Int { (x * 37 + y * 101 + x * y * 7 + 5) & (1 << bits - 1) }

    /// As V4L2 has it.
    var bytes: [UInt8] { bytes(bits > 8 ? 2 : 1) }

    func bytes(_ size: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                for byte in 0..<size { bytes.append(UInt8(truncatingIfNeeded: sample(x, y) >> (byte * 8))) }
            }
        }
        return bytes
    }

    /// A part of it as TIFF stores it: 8 and 16 bits as numbers, others packed, rows filled up to whole bytes. Beyond the
    /// edges there are zeros.
    func packed(x left: Int = 0, y top: Int = 0, width: Int? = nil, height: Int? = nil, isBigEndian: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        for y in top..<top + (height ?? self.height) {
            var window = 0
            var count = 0
            for x in left..<left + (width ?? self.width) {
                let sample = x < self.width && y < self.height ? sample(x, y) : 0
                if bits == 16 {
                    let pair = [UInt8(truncatingIfNeeded: sample), UInt8(truncatingIfNeeded: sample >> 8)]
                    bytes += isBigEndian ? pair.reversed() : pair
                    continue
                }
                window = window << bits | sample
                count += bits
                while count >= 8 {
                    bytes.append(UInt8(truncatingIfNeeded: window >> (count - 8)))
                    count -= 8
                }
            }
            if count > 0 { bytes.append(UInt8(truncatingIfNeeded: window << (8 - count))) }
        }
        return bytes
    }

    /// A whole DNG with all tags that are needed, and one strip.
    func dng(isBigEndian: Bool = false, rowsPerStrip: Int? = nil) -> TestTIFF {
        var tiff = TestTIFF(isBigEndian: isBigEndian)
        let rows = rowsPerStrip ?? height
        tiff.first.tags = [
            254: .longs([0]), 256: .longs([width]), 257: .longs([height]), 258: .shorts([bits]), 259: .shorts([1]),
            262: .shorts([32803]), 274: .shorts([1]), 277: .shorts([1]), 278: .longs([rows]), 33421: .shorts([2, 2]),
            33422: .bytes([0, 1, 1, 2]), 50706: .bytes([1, 4, 0, 0]), 50708: .text("Test Camera"),
            50721: .thousandths([3.24, -1.537, -0.499, -0.969, 1.876, 0.042, 0.056, -0.204, 1.057]),
            50778: .shorts([21]),
        ]
        tiff.first.blocks = stride(from: 0, to: height, by: rows).map {
            packed(y: $0, height: min(rows, height - $0), isBigEndian: isBigEndian)
        }
        return tiff
    }
}

extension TemporaryFolder {
    /// Writes a file; returns its path.
    func file(_ bytes: [UInt8], _ name: String = "a.dng") throws -> String {
        let fd = try FileDescriptor.open(path(name), O_WRONLY | O_CREAT | O_TRUNC)
        try WholeFile.writeAll(fd.rawValue, bytes.span.bytes, path(name))
        return path(name)
    }
}
