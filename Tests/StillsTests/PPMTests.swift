import CaptureCore
import Glibc
import LinuxSystem
import Testing

@testable import Stills

@Suite("A PPM")
struct PPMTests {
    private func frame(_ format: PixelFormat, width: Int, height: Int, stride: Int) throws -> FrameLease {
        let layout = FrameLayout(
            format: format, width: width, height: height,
            planes: [PlaneLayout(buffer: 0, offset: 64, stride: stride, rowBytes: width * 4, rows: height)],
            bufferSizes: [64 + stride * height], color: .sRGB)
        let buffer = try DMABuf(plainMemory: 4096 + stride * height, origin: "test")
        try buffer.withMutableBytes(.write) { (bytes) throws(CamdError) in
            bytes.withUnsafeMutableBytes { bytes in
                for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index * 7 + index >> 8) }
            }
        }
        let pool = FramePool(layout: layout, buffers: [[buffer]])
        return pool.lease(pool.takeReturned().trailingZeroBitCount, .none)
    }

    @Test(
        "has the frame's colours, and nothing of what lies between its rows",
        arguments: [
            (5, 3, 64), (1, 1, 4), (700, 700, 2816),
        ])
    func written(width: Int, height: Int, stride: Int) throws {
        let folder = try TemporaryFolder()
        let count = try PPMFile.write(
            frame(.rgba32, width: width, height: height, stride: stride), to: folder.path("a.ppm"))
        let file = try bytes(of: folder.path("a.ppm"))
        #expect(file.count == count)
        var expected = Array("P6\n\(width) \(height)\n255\n".utf8)
        for y in 0..<height {
            for x in 0..<width * 4 where x % 4 != 3 {
                let index = 64 + y * stride + x
                expected.append(UInt8(truncatingIfNeeded: index * 7 + index >> 8))
            }
        }
        #expect(file == expected)
        #expect(folder.names == ["a.ppm"])
    }

    @Test("is what other programs read")
    func read() throws {
        let folder = try TemporaryFolder()
        try PPMFile.write(frame(.rgba32, width: 16, height: 8, stride: 64), to: folder.path("a.ppm"))
        let spoken = try run(
            "ffmpeg", "-v", "error", "-i", folder.path("a.ppm"), "-f", "rawvideo", "-pix_fmt", "rgb24",
            folder.path("raw"))
        #expect(spoken.errors == "")
        #expect(try bytes(of: folder.path("raw")) == Array(bytes(of: folder.path("a.ppm")).suffix(16 * 8 * 3)))
    }

    @Test("that cannot be is told why, and leaves nothing behind")
    func badInput() throws {
        let folder = try TemporaryFolder()
        func error(_ lease: consuming FrameLease, _ name: String = "a.ppm") throws -> CamdError {
            do throws(CamdError) {
                try PPMFile.write(lease, to: folder.path(name))
            } catch {
                #expect(error.subject == folder.path(name))
                return error
            }
            try #require(Bool(false), "it was written")
            throw CamdError(.software, subject: "", reason: "")
        }
        #expect(try error(frame(.yuyv, width: 4, height: 4, stride: 16)).kind == .usage)
        #expect(try error(frame(.rgba32, width: 4, height: 4, stride: 15)).kind == .badData)
        #expect(try error(frame(.rgba32, width: 4, height: 4, stride: 16), "none/a.ppm").errno == .noEntry)
        #expect(folder.names == [])
    }
}
