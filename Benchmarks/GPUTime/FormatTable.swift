import CaptureCore

/// The times of all formats, those of one layout in a row.
struct FormatTable {
    private var rows: [(name: String, formats: [PixelFormat])] = []
    private var best: [PixelFormat: Double] = [:]

    /// Milliseconds of a frame; the least that was seen of a format counts.
    mutating func add(_ format: PixelFormat, _ time: Double) {
        guard let reading = PixelReading(format) else { return }
        let name = Self.name(reading)
        if let known = best[format] {
            best[format] = min(known, time)
            return
        }
        best[format] = time
        if let row = rows.firstIndex(where: { $0.name == name }) {
            rows[row].formats.append(format)
        } else {
            rows.append((name, [format]))
        }
    }

    /// As Markdown.
    func text(_ fixed: (Double) -> String) -> String {
        var text = "| to NV12, from | formats | ms |\n|---|---|---|\n"
        for row in rows {
            let times = row.formats.compactMap { best[$0] }.sorted()
            guard let least = times.first, let most = times.last else { continue }
            let span = times.count == 1 ? fixed(least) : "\(fixed(least)) to \(fixed(most))"
            text += "| \(row.name) | \(row.formats.map(\.description).joined(separator: " ")) | \(span) |\n"
        }
        return text + "\n\(best.count) formats"
    }

    private static func name(_ reading: PixelReading) -> String {
        switch reading {
        case .packed422: "YUV 4:2:2 packed"
        case .semiPlanar(let across, let down, _): "YUV \(subsampling(across, down)), two planes"
        case .planar(let across, let down, _): "YUV \(subsampling(across, down)), three planes"
        case .yuv(let bytes, _, _, _): "YUV 4:4:4, \(bytes) bytes"
        case .rgb(let bytes, _, _, _): "RGB, \(bytes) bytes"
        case .word(let word):
            "\(word.isRGB ? "RGB" : "YUV") in a word of \(8 * word.bytes) bits"
        case .grey(let depth): "grey, \(name(depth))"
        case .bayer(_, let depth): "Bayer, \(name(depth))"
        }
    }

    private static func subsampling(_ across: Int, _ down: Int) -> String {
        across == 1 ? "4:4:4" : down == 1 ? "4:2:2" : "4:2:0"
    }

    private static func name(_ depth: PixelReading.Depth) -> String {
        switch depth {
        case .bytes: "8 bits"
        case .words(let bits): "\(bits) bits in 16"
        case .bigEndianWords: "16 bits, big-endian"
        case .mipi10, .mipi12, .mipi14: "\(depth.bits) bits, MIPI-packed"
        }
    }
}
