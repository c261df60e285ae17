import CaptureCore
import FoundationEssentials
import Glibc
import GoldenSupport
import LinuxSystem

/// Develops the photographs that Tests/Golden/make-photos.py mosaiced, in both qualities, and prints how near they come to
/// the truth, beside what colour-demosaicing reaches: the PSNR of 8-bit RGB, without a border of 8 pixels.
///
///     Tests/Golden/make-photos.py DIR && .build/release/debayer-quality DIR
///
/// It leaves DIR/NAME.video.ppm and DIR/NAME.still.ppm, which Tests/Golden/psnr.py reads, too.
@main
struct DebayerQuality {
    struct Photos: Decodable {
        struct Photo: Decodable {
            var name: String
            var width: Int
            var height: Int
            var fourcc: String
            var malvar: Double
            var menon: Double
        }
        var photos: [Photo]
    }

    static let border = 8

    static func main() throws {
        guard let folder = CommandLine.arguments.dropFirst().first else {
            throw CamdError(.usage, subject: "debayer-quality", reason: "it needs the folder of the photographs")
        }
        let text = try Golden.read(folder + "/photos.json")
        let photos = try JSONDecoder().decode(Photos.self, from: Data(text)).photos
        let developer = try Developer()
        print("| photograph | video | Malvar | difference | still | Menon | difference |")
        print("|---|---|---|---|---|---|---|")
        var sums = [Double](repeating: 0, count: 4)
        for photo in photos {
            let truth = try pixels(of: folder + "/\(photo.name).ppm", photo)
            var values: [Double] = []
            for (quality, other) in [(Look.Quality.video, photo.malvar), (.still, photo.menon)] {
                let picture = try develop(folder + "/\(photo.name).raw", photo, quality, developer)
                try write(picture, to: folder + "/\(photo.name).\(quality.rawValue).ppm", photo)
                values += [psnr(picture, truth, photo), other]
            }
            printRow(photo.name, values)
            for index in 0..<4 { sums[index] += values[index] }
        }
        printRow("mean", sums.map { $0 / Double(photos.count) })
    }

    static func develop(
        _ path: String, _ photo: Photos.Photo, _ quality: Look.Quality, _ developer: Developer
    ) throws -> [UInt8] {
        let raw = try Golden.read(path)
        guard let format = PixelFormat(photo.fourcc),
            let layout = FrameLayout(format, width: photo.width, height: photo.height, color: .sRGB)
        else { throw CamdError(.badData, subject: path, reason: "\(photo.fourcc) is no format of camd") }
        let picture = try developer.develop(layout, [raw], look: Look(quality: quality), kind: .rgba)
        let rgba = try picture.lease.tight()
        return (0..<rgba.count / 4).flatMap { rgba[4 * $0..<4 * $0 + 3] }
    }

    /// Three bytes a pixel, behind the head of a binary PPM as make-photos.py writes it.
    static func pixels(of path: String, _ photo: Photos.Photo) throws -> [UInt8] {
        let bytes = try Golden.read(path)
        let head = Array("P6\n\(photo.width) \(photo.height)\n255\n".utf8)
        guard bytes.starts(with: head), bytes.count == head.count + photo.width * photo.height * 3 else {
            throw CamdError(.badData, subject: path, reason: "it is no PPM of \(photo.width)x\(photo.height)")
        }
        return Array(bytes[head.count...])
    }

    static func write(_ pixels: [UInt8], to path: String, _ photo: Photos.Photo) throws {
        let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        let bytes = Array("P6\n\(photo.width) \(photo.height)\n255\n".utf8) + pixels
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(file.rawValue, $0.baseAddress, $0.count) }
            guard count > 0 else { throw CamdError(.software, subject: path, reason: "it cannot be written") }
            done += count
        }
    }

    static func psnr(_ picture: [UInt8], _ truth: [UInt8], _ photo: Photos.Photo) -> Double {
        var sum = 0.0
        for y in border..<photo.height - border {
            let row = 3 * (y * photo.width + border)..<3 * (y * photo.width + photo.width - border)
            for index in row {
                let difference = Double(picture[index]) - Double(truth[index])
                sum += difference * difference
            }
        }
        let mean = sum / Double(3 * (photo.width - 2 * border) * (photo.height - 2 * border))
        return 10 * log10(255 * 255 / max(mean, 1e-9))
    }

    static func printRow(_ name: String, _ values: [Double]) {
        let row = [values[0], values[1], values[0] - values[1], values[2], values[3], values[2] - values[3]]
        print("| \(name) | \(row.map(fixed).joined(separator: " | ")) |")
    }

    static func fixed(_ value: Double) -> String {
        let number = Int((abs(value) * 1000).rounded())
        let digits = String(number % 1000)
        let sign = value < 0 && number > 0 ? "-" : ""
        return "\(sign)\(number / 1000).\(String(repeating: "0", count: 3 - digits.count))\(digits)"
    }
}
