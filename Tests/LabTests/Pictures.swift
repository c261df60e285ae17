import FoundationEssentials
import Glibc
import LinuxSystem
import Testing

/// Files as programs that are not ours see them: ffprobe, ffmpeg, Pillow.
enum Pictures {
    typealias Color = (r: Int, g: Int, b: Int)

    /// vivid's eight bars of its first test pattern, 75 %, from left to right.
    static let bars: [Color] = [
        (191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0),
    ]

    struct Video: Decodable {
        struct Stream: Decodable {
            var width: Int
            var height: Int
            var range: String?
            var matrix: String?
            var packets: String

            enum CodingKeys: String, CodingKey {
                case width, height
                case range = "color_range"
                case matrix = "color_space"
                case packets = "nb_read_packets"
            }
        }
        struct Packet: Decodable {
            var time: String
            enum CodingKeys: String, CodingKey { case time = "pts_time" }
        }
        var streams: [Stream]
        var packets: [Packet]
    }

    /// What ffprobe reads of a file; it may not say a word.
    static func probe(_ file: String) throws -> (frames: Int, stream: Video.Stream, seconds: [Double]) {
        let result = try run([
            "ffprobe", "-v", "error", "-count_packets", "-show_entries",
            "stream=codec_name,width,height,color_range,color_space,nb_read_packets:packet=pts_time", "-of", "json",
            file,
        ])
        #expect(result.errors == "", "ffprobe complains")
        let video = try decode(Video.self, result)
        let stream = try #require(video.streams.first)
        return (try #require(Int(stream.packets)), stream, video.packets.compactMap { Double($0.time) })
    }

    /// The middle of each bar of frame `number`, from the planes that ffmpeg decodes and the tags that the file has.
    static func barsOfVideo(_ file: String, frame number: Int) throws -> [Color] {
        let stream = try probe(file).stream
        let result = try run([
            "ffmpeg", "-v", "error", "-i", file, "-vf", "select=eq(n\\,\(number))", "-vframes", "1", "-f", "rawvideo",
            "-pix_fmt", stream.range == "pc" ? "yuvj420p" : "yuv420p", "-",
        ])
        try #require(
            result.output.count == stream.width * stream.height * 3 / 2, "no frame \(number): \(result.errors)")
        #expect(result.errors == "")
        let isFull = try #require(stream.range, "the file is tagged with a range") == "pc"
        return try bars(
            result.output, width: stream.width, height: stream.height, matrix: stream.matrix, isFull: isFull)
    }

    /// The same of a frame of YUV420P in memory. `matrix`: as FFmpeg calls it.
    static func bars(
        _ frame: [UInt8], width: Int, height: Int, matrix: String?, isFull: Bool
    ) throws -> [Color] {
        let weights = try #require(
            ["bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt470bg": (0.299, 0.114)][
                matrix ?? "untagged"], "the file is tagged with a matrix: \(matrix ?? "none")")
        return (0..<8).map { bar in
            let x = bar * width / 8 + width / 16
            let y = height * 5 / 8
            let chroma = width * height + y / 2 * (width / 2) + x / 2
            var luma = Double(frame[y * width + x])
            var u = Double(frame[chroma]) - 128
            var v = Double(frame[chroma + width * height / 4]) - 128
            if !isFull {
                luma = (luma - 16) * 255 / 219
                u *= 255.0 / 224
                v *= 255.0 / 224
            }
            let (red, blue) = weights
            let r = luma + 2 * (1 - red) * v
            let b = luma + 2 * (1 - blue) * u
            return clamp(r, (luma - red * r - blue * b) / (1 - red - blue), b)
        }
    }

    /// The middle of each bar of a JPEG, as Pillow decodes it.
    static func barsOfPhoto(_ file: String) throws -> (width: Int, height: Int, bars: [Color]) {
        let script = """
            import sys
            from PIL import Image
            i = Image.open(sys.argv[1]).convert("RGB")
            i.load()
            w, h = i.size
            print(w, h)
            for b in range(8): print(*i.getpixel((b * w // 8 + w // 16, h * 5 // 8)))
            """
        let result = try run(["/usr/bin/python3", "-c", script, file])
        try #require(result.status == 0, "Pillow: \(result.errors)")
        let lines = result.text.split(separator: "\n").map { $0.split(separator: " ").compactMap { Int($0) } }
        return (lines[0][0], lines[0][1], lines.dropFirst().map { ($0[0], $0[1], $0[2]) })
    }

    /// The largest difference in any channel of any bar.
    static func worst(_ seen: [Color], _ wanted: [Color] = bars) -> Int {
        zip(seen, wanted).map { max(abs($0.r - $1.r), abs($0.g - $1.g), abs($0.b - $1.b)) }.max() ?? 255
    }

    private static func clamp(_ r: Double, _ g: Double, _ b: Double) -> Color {
        func one(_ value: Double) -> Int { min(255, max(0, Int(value.rounded()))) }
        return (one(r), one(g), one(b))
    }
}
