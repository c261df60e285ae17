import CaptureCore
import FoundationEssentials
import Glibc
import LinuxSystem

/// Frames and the pictures that have to come of them, as Tests/Golden/make-formats.py computed them.
public struct Golden: Decodable, Sendable {
    public struct Plane: Decodable, Sendable {
        var buffer: Int
        var offset: Int
        var stride: Int
        var rowBytes: Int
        var rows: Int
    }
    struct Color: Decodable, Sendable {
        var matrix: String
        var range: String
    }
    struct Place: Decodable, Sendable {
        var offset: Int
        var length: Int
    }
    struct Output: Decodable, Sendable {
        var kind: String
        var matrix: String
        var range: String
        var offset: Int
        var length: Int
    }
    public struct Case: Decodable, Sendable, CustomStringConvertible {
        public var name: String
        public var fourcc: String
        var width: Int
        var height: Int
        var colorimetry: Color
        var planes: [Plane]
        var bufferSizes: [Int]
        var inputs: [Place]
        var outputs: [Output]

        public var description: String { name }
    }

    public var cases: [Case]

    /// What differs more than it may.
    public struct Difference: Sendable, CustomStringConvertible {
        public var description: String
    }

    /// `folder`: Tests/Golden.
    public static func load(_ folder: String) throws -> (golden: Golden, bytes: [UInt8]) {
        let text = try read(folder + "/formats.json")
        return (try JSONDecoder().decode(Golden.self, from: Data(text)), try read(folder + "/formats.bin"))
    }

    public static func read(_ path: String) throws -> [UInt8] {
        let file = try FileDescriptor.open(path, O_RDONLY)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file.rawValue, &chunk, chunk.count)
            if count <= 0 { return bytes }
            bytes.append(contentsOf: chunk[0..<count])
        }
    }

    static func color(_ matrix: String, _ range: String) -> Colorimetry {
        let matrices: [String: Colorimetry.Matrix] = ["bt601": .bt601, "bt709": .bt709, "bt2020": .bt2020]
        return Colorimetry(
            primaries: .bt709, transfer: .sRGB, matrix: matrices[matrix] ?? .rgb,
            range: range == "full" ? .full : .limited)
    }
}

extension Golden.Case {
    var layout: FrameLayout? {
        guard let format = PixelFormat(fourcc) else { return nil }
        return FrameLayout(
            format: format, width: width, height: height,
            planes: planes.map {
                PlaneLayout(
                    buffer: $0.buffer, offset: $0.offset, stride: $0.stride, rowBytes: $0.rowBytes, rows: $0.rows)
            }, bufferSizes: bufferSizes, color: Golden.color(colorimetry.matrix, colorimetry.range))
    }

    /// Makes the outputs of the case and returns what is farther than `tolerance` from the reference. `kinds`: of these
    /// outputs only the first of each kind; nil is all. `paths` has to be where frames and pictures lay, if it is given.
    public func differences(
        _ developer: Developer, _ bytes: [UInt8], tolerance: Int = 2, kinds: [String]? = nil,
        paths: (gpu: String, output: String)? = nil
    ) throws -> [String] {
        guard let layout else { return ["\(fourcc) is no format"] }
        var found: [String] = []
        let input = inputs.map { Array(bytes[$0.offset..<$0.offset + $0.length]) }
        let wished = kinds.map { kinds in kinds.compactMap { kind in outputs.first { $0.kind == kind } } } ?? outputs
        for output in wished {
            let color = Golden.color(output.matrix, output.range)
            let kind: PictureKind =
                output.kind == "nv12" ? .nv12(color) : output.kind == "i420" ? .i420(color) : .rgba
            let picture = try developer.develop(layout, input, look: .neutral, kind: kind)
            if let paths, picture.paths != paths { found.append("\(name) went by \(picture.paths)") }
            let made = try picture.lease.tight()
            let wanted = Array(bytes[output.offset..<output.offset + output.length])
            guard made.count == wanted.count else {
                found.append("\(name) to \(output.kind): \(made.count) bytes, not \(wanted.count)")
                continue
            }
            let worst = zip(made, wanted).enumerated().max {
                abs(Int($0.element.0) - Int($0.element.1)) < abs(Int($1.element.0) - Int($1.element.1))
            }
            guard let worst, abs(Int(worst.element.0) - Int(worst.element.1)) > tolerance else { continue }
            let count = zip(made, wanted).count { abs(Int($0) - Int($1)) > tolerance }
            found.append(
                "\(name) to \(output.kind) \(output.matrix) \(output.range): byte \(worst.offset) is \(worst.element.0), not "
                    + "\(worst.element.1); \(count) of \(made.count) are off")
        }
        return found
    }
}

extension FrameLease {
    /// The planes' rows back to back, without padding.
    public func tight() throws(CamdError) -> [UInt8] {
        var result: [UInt8] = []
        for plane in layout.planes {
            result += try buffers[plane.buffer].withBytes { (bytes) throws(CamdError) in
                bytes.withUnsafeBytes { bytes in
                    (0..<plane.rows).flatMap { row in
                        let start = plane.offset + row * plane.stride
                        return Array(bytes[start..<start + plane.rowBytes])
                    }
                }
            }
        }
        return result
    }
}
