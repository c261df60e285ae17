import CaptureCore
import LinuxSystem
import Stills
import Testing

@Suite("A JPEG")
struct JPEGTests {
    /// Compresses a frame, and decodes the file to packed planes.
    private func roundTrip(_ studio: Studio, quality: Int = 95) throws -> (planes: [UInt8], copied: Int, count: Int) {
        let folder = try TemporaryFolder()
        let lease = try studio.frame(3, nanoseconds: 0)
        var encoder = try JPEGEncoder()
        let image = try encoder.encode(lease: lease, quality: quality)
        try image.withBytes { (bytes) throws(CamdError) in
            try WholeFile.write(folder.path("a.jpg"), bytes)
        }
        #expect(try bytes(of: folder.path("a.jpg")).count == image.count)
        let spoken = try run(
            "ffmpeg", "-v", "error", "-i", folder.path("a.jpg"), "-f", "rawvideo", "-pix_fmt", "yuvj420p",
            folder.path("raw"))
        #expect(spoken.errors == "")
        return (try bytes(of: folder.path("raw")), image.bytesCopied, image.count)
    }

    @Test("has the frame's own numbers in it", arguments: [(160, 112), (1280, 720), (648, 486), (2, 2)])
    func evenSizes(width: Int, height: Int) throws {
        let studio = try Studio(.yuv420, width: width, height: height, color: .jfif)
        let (decoded, copied, _) = try roundTrip(studio)
        let picture = studio.picture(3)
        try #require(decoded.count == picture.count)
        let apart = difference(decoded[...], picture[...])
        #expect(apart.most <= 4)
        #expect(apart.mean < 0.8)
        #expect(copied == 0)
    }

    @Test("of an odd size has its edges right", arguments: [(161, 112), (160, 113), (321, 241), (1, 1), (17, 3)])
    func oddSizes(width: Int, height: Int) throws {
        let studio = try Studio(.yuv420, width: width, height: height, color: .jfif)
        let (decoded, copied, _) = try roundTrip(studio)
        let picture = studio.picture(3)
        try #require(decoded.count == picture.count)
        #expect(difference(decoded[...], picture[...]).most <= 4)
        // At less quality a wrong edge smears into the picture. (In the large one its own steps do.)
        let coarse = try roundTrip(studio, quality: 30).planes
        if width < 200 { #expect(difference(coarse[..<(width * height)], picture[...]).most <= 4) }
        // Only the luma, in rows and columns that are filled up to an even number.
        #expect(copied == (width + width % 2) * (height + height % 2))
    }

    @Test("is made of planes in buffers of their own too")
    func separateBuffers() throws {
        let studio = try Studio(.yuv420M, separate: true, color: .jfif)
        let (decoded, copied, _) = try roundTrip(studio)
        #expect(difference(decoded[...], studio.picture(3)[...]).most <= 4)
        #expect(copied == 0)
    }

    @Test("is smaller at less quality")
    func quality() throws {
        let studio = try Studio(.yuv420, color: .jfif)
        let sizes = try [1, 50, 100].map { try roundTrip(studio, quality: $0).count }
        #expect(sizes == sizes.sorted() && Set(sizes).count == 3)
    }

    @Test("gives its frame back, a thousand times")
    func leases() throws {
        let studio = try Studio(.yuv420, width: 16, height: 16, slots: 1)
        var encoder = try JPEGEncoder()
        for _ in 0..<1000 {
            let lease = try studio.frame(0, nanoseconds: 0)
            #expect(try encoder.encode(lease: lease, quality: 80).count > 100)
        }
        #expect(studio.allBack())
    }

    @Test("that cannot be is told why")
    func badInput() throws {
        var encoder = try JPEGEncoder()
        func error(_ layout: FrameLayout, quality: Int = 80) throws -> CamdError {
            let pool = FramePool(layout: layout, buffers: [[try DMABuf(plainMemory: 1 << 20, origin: "test")]])
            let lease = pool.lease(pool.takeReturned().trailingZeroBitCount, .none)
            do throws(CamdError) {
                _ = try encoder.encode(lease: lease, quality: quality)
            } catch {
                return error
            }
            try #require(Bool(false), "it was compressed")
            throw CamdError(.software, subject: "", reason: "")
        }
        let good = try Studio(.yuv420).layout
        #expect(try error(good, quality: 0).reason.contains("1 to 100"))
        #expect(try error(good, quality: 101).kind == .usage)
        #expect(try error(Studio(.nv12).layout).reason.contains("YU12"))
        var large = good
        large.width = 65_501
        let tooLarge = try error(large)
        #expect(tooLarge.reason.contains("65500"))
        #expect(tooLarge.subject.contains("65501x112"))
        var layouts: [FrameLayout] = []
        func change(_ body: (inout FrameLayout) -> Void) {
            var layout = good
            body(&layout)
            layouts.append(layout)
        }
        change { $0.planes[2].offset += 1 << 20 }
        change { $0.planes[1].buffer = 1 }
        change { $0.planes[0].stride = 159 }
        change { $0.planes[2].stride = .max }
        change { $0.planes[0].offset = -1 }
        change { $0.planes.removeLast() }
        change { $0.bufferSizes = [] }
        for layout in layouts { #expect(try error(layout).kind == .badData) }
        change { $0.bufferSizes = [2 << 20] }
        #expect(try error(layouts.removeLast()).reason.contains("smaller than the layout"))
    }
}
