/// Decodes lossless JPEG (ITU-T T.81, annex H: Huffman, SOF3), which DNG files are compressed with and libtiff does not
/// know. Nothing in the bytes is trusted.
struct LosslessJPEG {
    /// What is wrong with the bytes.
    struct Fault: Error {
        var reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// Of each row.
    private(set) var columns = 0
    private(set) var rows = 0
    private(set) var components = 0
    /// Bits of a sample.
    private(set) var precision = 0
    private var predictor = 0
    private var pointTransform = 0
    private var restartInterval = 0
    /// Of each component, in the scan's order.
    private var tables: [HuffmanTable] = []
    private var scanStart = 0
    private let bytes: ArraySlice<UInt8>

    /// Reads the headers.
    init(_ bytes: ArraySlice<UInt8>) throws(Fault) {
        self.bytes = bytes
        var cursor = bytes.startIndex
        func byte(_ index: Int) throws(Fault) -> Int {
            guard bytes.indices.contains(index) else { throw Fault("its JPEG data end in the header") }
            return Int(bytes[index])
        }
        func word(_ index: Int) throws(Fault) -> Int { try byte(index) << 8 | byte(index + 1) }
        guard try word(cursor) == 0xffd8 else { throw Fault("its JPEG data do not begin as such") }
        cursor += 2
        var defined: [HuffmanTable?] = [nil, nil, nil, nil]
        var identifiers: [Int] = []
        while true {
            guard try byte(cursor) == 0xff else { throw Fault("a marker of its JPEG data is missing") }
            let marker = try byte(cursor + 1)
            if marker == 0xff {
                cursor += 1
                continue
            }
            let length = try word(cursor + 2)
            let start = cursor + 4
            let end = cursor + 2 + length
            guard length >= 2, end <= bytes.endIndex else { throw Fault("its JPEG data end in the header") }
            switch marker {
            case 0xc3:
                precision = try byte(start)
                rows = try word(start + 1)
                columns = try word(start + 3)
                components = try byte(start + 5)
                guard (2...16).contains(precision), rows > 0, columns > 0, (1...4).contains(components),
                    length == 8 + 3 * components
                else { throw Fault("its JPEG data have \(components) components of \(columns)x\(rows)") }
                identifiers = try (0..<components).map { (index) throws(Fault) in
                    guard try byte(start + 7 + index * 3) == 0x11 else { throw Fault("its JPEG data are subsampled") }
                    return try byte(start + 6 + index * 3)
                }
            case 0xc0...0xc2, 0xc5...0xc7, 0xc9...0xcb, 0xcd...0xcf:
                throw Fault("its JPEG data are not lossless (SOF\(marker - 0xc0))")
            case 0xc4:
                var at = start
                while at < end {
                    let identifier = try byte(at)
                    let counts = try (1...16).map { (index) throws(Fault) in try byte(at + index) }
                    let total = counts.reduce(0, +)
                    guard identifier < 4, at + 17 + total <= end else { throw Fault("a Huffman table makes no sense") }
                    defined[identifier] = try HuffmanTable(counts, Array(bytes[at + 17..<at + 17 + total]))
                    at += 17 + total
                }
            case 0xdd: restartInterval = try word(start)
            case 0xda:
                guard components > 0, try byte(start) == components, length == 6 + 2 * components else {
                    throw Fault("its JPEG data have several scans")
                }
                for index in 0..<components {
                    guard try byte(start + 1 + index * 2) == identifiers[index],
                        let table = defined[min(3, try byte(start + 2 + index * 2) >> 4)]
                    else { throw Fault("a Huffman table is missing") }
                    tables.append(table)
                }
                predictor = try byte(start + 1 + components * 2)
                pointTransform = try byte(start + 3 + components * 2) & 15
                guard (1...7).contains(predictor), pointTransform < precision else {
                    throw Fault("predictor \(predictor) is not known")
                }
                scanStart = end
                return
            case 0xd8, 0xd9, 0x01, 0xd0...0xd7: throw Fault("its JPEG data have no scan")
            default: break
            }
            cursor = end
        }
    }

    /// All samples: rows of `columns` times `components`. To be asked for only when the size is known to be sane.
    func samples() throws(Fault) -> [UInt16] {
        let rowSamples = columns * components
        var samples = [UInt16](repeating: 0, count: rowSamples * rows)
        var bits = BitReader(bytes, from: scanStart)
        let initial = 1 << (precision - pointTransform - 1)
        var untilRestart = restartInterval
        // The row that is predicted as if none were above it.
        var firstRow = 0
        for row in 0..<rows {
            var index = row * rowSamples
            for column in 0..<columns {
                var isFirst = row == firstRow && column == 0
                if restartInterval > 0, untilRestart == 0 {
                    // Only whole rows can stand between two of them (H.1.2.2).
                    guard column == 0, bits.restart() else {
                        throw Fault("a restart marker of its JPEG data is missing")
                    }
                    untilRestart = restartInterval
                    firstRow = row
                    isFirst = true
                }
                untilRestart -= 1
                for component in 0..<components {
                    guard let difference = tables[component].difference(&bits) else {
                        throw Fault("its JPEG data end at row \(row) of \(rows), or make no sense there")
                    }
                    let prediction: Int
                    if isFirst {
                        prediction = initial
                    } else if row == firstRow {
                        prediction = Int(samples[index - components])
                    } else if column == 0 {
                        prediction = Int(samples[index - rowSamples])
                    } else {
                        let left = Int(samples[index - components])
                        let above = Int(samples[index - rowSamples])
                        let corner = Int(samples[index - rowSamples - components])
                        prediction =
                            switch predictor {
                            case 1: left
                            case 2: above
                            case 3: corner
                            case 4: left + above - corner
                            case 5: left + (above - corner) >> 1
                            case 6: above + (left - corner) >> 1
                            default: (left + above) >> 1
                            }
                    }
                    samples[index] = UInt16(truncatingIfNeeded: prediction + difference)
                    index += 1
                }
            }
        }
        if pointTransform > 0 { for index in samples.indices { samples[index] <<= UInt16(pointTransform) } }
        return samples
    }
}

/// A table of Huffman codes for the lengths of differences.
struct HuffmanTable {
    /// For each value of the next `Self.quickBits` bits: the code's length in the high byte, its symbol in the low one; 0
    /// where the code is longer.
    private var quick = [UInt16](repeating: 0, count: 1 << Self.quickBits)
    private static let quickBits = 9
    /// Of the codes of each length: one past the last one, and where their symbols begin, minus the first code.
    private var ends = [Int](repeating: -1, count: 17)
    private var offsets = [Int](repeating: 0, count: 17)
    private let symbols: [UInt8]

    /// From how many codes there are of 1 to 16 bits, and what they stand for: 0 to 16.
    init(_ counts: [Int], _ symbols: [UInt8]) throws(LosslessJPEG.Fault) {
        self.symbols = symbols
        var code = 0
        var index = 0
        for length in 1...16 {
            offsets[length] = index - code
            for _ in 0..<counts[length - 1] {
                guard code < 1 << length, symbols[index] <= 16 else {
                    throw LosslessJPEG.Fault("a Huffman table makes no sense")
                }
                if length <= Self.quickBits {
                    let entry = UInt16(length) << 8 | UInt16(symbols[index])
                    let first = code << (Self.quickBits - length)
                    for value in first..<first + 1 << (Self.quickBits - length) { quick[value] = entry }
                }
                code += 1
                index += 1
            }
            ends[length] = code
            code <<= 1
        }
    }

    /// Reads one difference; nil where the bytes end or hold no code.
    func difference(_ bits: inout BitReader) -> Int? {
        let next = bits.peek()
        let entry = quick[next >> (16 - Self.quickBits)]
        var length = Int(entry >> 8)
        var size = Int(entry & 0xff)
        if length == 0 {
            length = Self.quickBits + 1
            while length <= 16, next >> (16 - length) >= ends[length] { length += 1 }
            guard length <= 16 else { return nil }
            let index = next >> (16 - length) + offsets[length]
            guard symbols.indices.contains(index) else { return nil }
            size = Int(symbols[index])
        }
        guard bits.skip(length) else { return nil }
        // 16 bits would be one value only, which needs none.
        if size == 16 { return 32768 }
        if size == 0 { return 0 }
        let value = bits.peek() >> (16 - size)
        guard bits.skip(size) else { return nil }
        return value < 1 << (size - 1) ? value - (1 << size) + 1 : value
    }
}

/// Bits of JPEG's entropy-coded data, the highest of a byte first, without the zero bytes that are stuffed in.
struct BitReader {
    private let bytes: ArraySlice<UInt8>
    private var next: Int
    private var window: UInt64 = 0
    private var count = 0
    /// Of `count`: bits that are not there, behind the end.
    private var missing = 0

    init(_ bytes: ArraySlice<UInt8>, from start: Int) {
        self.bytes = bytes
        next = start
    }

    /// The next 16 bits; zeros behind the end.
    mutating func peek() -> Int {
        while count < 16 {
            var byte: UInt8 = 0
            if next < bytes.endIndex, bytes[next] != 0xff {
                byte = bytes[next]
                next += 1
            } else if next + 1 < bytes.endIndex, bytes[next + 1] == 0 {
                byte = 0xff
                next += 2
            } else {
                missing += 8
            }
            window = window << 8 | UInt64(byte)
            count += 8
        }
        return Int(truncatingIfNeeded: window >> UInt64(count - 16)) & 0xffff
    }

    /// Takes bits that were peeked at; false where there are not so many.
    mutating func skip(_ bits: Int) -> Bool {
        count -= bits
        return count >= missing
    }

    /// Goes on behind a restart marker, which has to be the next thing.
    mutating func restart() -> Bool {
        guard count - missing < 8, next + 1 < bytes.endIndex, bytes[next] == 0xff,
            (0xd0...0xd7).contains(bytes[next + 1])
        else { return false }
        next += 2
        (count, missing) = (0, 0)
        return true
    }
}
