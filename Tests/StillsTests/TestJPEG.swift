/// Encodes lossless JPEG, for tests: one Huffman table whose 17 codes all have 5 bits.
struct TestJPEG {
    var bits: Int
    var predictor: Int
    var components: Int
    var columns: Int
    var rows: Int
    /// Rows between restart markers; 0 is none.
    var restartRows: Int

    /// Rows of `columns * components` samples.
    func encode(_ samples: [Int]) -> [UInt8] {
        var out: [UInt8] = [0xff, 0xd8, 0xff, 0xc4, 0, 19 + 17, 0]
        out += (1...16).map { $0 == 5 ? 17 : 0 }
        out += (0...16).map { UInt8($0) }
        out += [0xff, 0xc3, 0, UInt8(8 + 3 * components), UInt8(bits)]
        out += [UInt8(rows >> 8), UInt8(rows & 0xff), UInt8(columns >> 8), UInt8(columns & 0xff), UInt8(components)]
        for component in 0..<components { out += [UInt8(component + 1), 0x11, 0] }
        if restartRows > 0 {
            let interval = restartRows * columns
            out += [0xff, 0xdd, 0, 4, UInt8(interval >> 8), UInt8(interval & 0xff)]
        }
        out += [0xff, 0xda, 0, UInt8(6 + 2 * components), UInt8(components)]
        for component in 0..<components { out += [UInt8(component + 1), 0] }
        out += [UInt8(predictor), 0, 0]
        var window = 0
        var count = 0
        func put(_ value: Int, _ length: Int) {
            window = window << length | value
            count += length
            while count >= 8 {
                let byte = UInt8(truncatingIfNeeded: window >> (count - 8))
                out.append(byte)
                if byte == 0xff { out.append(0) }
                count -= 8
            }
            window &= 1 << count - 1
        }
        func flush() { if count > 0 { put(1 << (8 - count) - 1, 8 - count) } }
        let stride = columns * components
        var firstRow = 0
        for row in 0..<rows {
            if restartRows > 0, row > 0, row % restartRows == 0 {
                flush()
                out += [0xff, UInt8(0xd0 + (row / restartRows - 1) % 8)]
                firstRow = row
            }
            for index in row * stride..<(row + 1) * stride {
                let isFirstColumn = index < row * stride + components
                var prediction: Int
                if row == firstRow {
                    prediction = isFirstColumn ? 1 << (bits - 1) : samples[index - components]
                } else if isFirstColumn {
                    prediction = samples[index - stride]
                } else {
                    let (a, b, c) = (
                        samples[index - components], samples[index - stride], samples[index - stride - components]
                    )
                    prediction = [a, b, c, a + b - c, a + (b - c) >> 1, b + (a - c) >> 1, (a + b) >> 1][predictor - 1]
                }
                // Modulo 2^16, from -32767 to 32768.
                prediction = samples[index] - prediction
                if prediction > 32768 { prediction -= 65536 }
                if prediction < -32767 { prediction += 65536 }
                var length = 0
                while abs(prediction) >= 1 << length { length += 1 }
                put(length, 5)
                if length < 16 { put(prediction < 0 ? prediction + 1 << length - 1 : prediction, length) }
            }
        }
        flush()
        return out + [0xff, 0xd9]
    }
}
