import CaptureCore
import LinuxSystem

/// Writes pictures as PPM (P6): a line of text, then R, G and B of each pixel, one byte each. What every program reads,
/// and exactly what the GPU made.
public enum PPMFile {
    /// Writes an RGBA frame without its A: whole or not at all (see `WholeFile`).
    /// - Returns: bytes of the file.
    /// - Throws: `.usage` for another format, `.cannotCreate` or `.inputOutput` for the file.
    @discardableResult
    public static func write(_ lease: borrowing FrameLease, to path: String) throws(CamdError) -> Int {
        let layout = lease.layout
        guard layout.format == .rgba32, let plane = layout.planes.first, layout.width > 0, layout.height > 0 else {
            throw CamdError(
                .usage, subject: path, reason: "a PPM is made of \(PixelFormat.rgba32) frames, not of \(layout.format)")
        }
        guard plane.stride >= layout.width * 4, lease.buffers.indices.contains(plane.buffer), plane.offset >= 0,
            plane.offset + (layout.height - 1) * plane.stride + layout.width * 4 <= lease.buffers[plane.buffer].length
        else {
            throw CamdError(.badData, subject: path, reason: "the frame does not fit into its buffer (\(plane))")
        }
        let head = Array("P6\n\(layout.width) \(layout.height)\n255\n".utf8)
        let buffer = lease.buffers[plane.buffer]
        try WholeFile.write(path) { (descriptor) throws(CamdError) in
            let fd = descriptor.rawValue
            try WholeFile.writeAll(fd, head.span.bytes, path)
            // A megabyte at a time: a picture may be large.
            let rowsAtOnce = max(1, (1 << 20) / (layout.width * 3))
            var rows = [UInt8](repeating: 0, count: min(rowsAtOnce, layout.height) * layout.width * 3)
            for top in stride(from: 0, to: layout.height, by: rowsAtOnce) {
                let count = min(rowsAtOnce, layout.height - top)
                try buffer.withBytes { (bytes) throws(CamdError) in
                    bytes.withUnsafeBytes { bytes in
                        var to = 0
                        for row in top..<top + count {
                            let from = plane.offset + row * plane.stride
                            for pixel in stride(from: from, to: from + layout.width * 4, by: 4) {
                                rows[to] = bytes[pixel]
                                rows[to + 1] = bytes[pixel + 1]
                                rows[to + 2] = bytes[pixel + 2]
                                to += 3
                            }
                        }
                    }
                }
                try WholeFile.writeAll(fd, rows.span.extracting(0..<count * layout.width * 3).bytes, path)
            }
        }
        return head.count + layout.width * layout.height * 3
    }
}
