import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

/// The GPU's passes on this machine's own EGL (in software, by upload and read-back), against arithmetic written down
/// here from the standards.
@Suite(.serialized) struct GPUStageTests {
    private final class Sink: VideoSink {
        let frames = Ring<FrameLease>(capacity: 8)
        func offer(_ frame: consuming FrameLease) { _ = frames.push(frame) }
    }

    /// One picture's planes, without padding.
    struct Picture {
        var planes: [[UInt8]]
        var widths: [Int]

        func at(_ plane: Int, _ x: Int, _ y: Int) -> Int { Int(planes[plane][y * widths[plane] + x]) }
    }

    private static func read(_ frame: borrowing FrameLease) throws(CamdError) -> Picture {
        var picture = Picture(planes: [], widths: [])
        for plane in frame.layout.planes {
            let rows = try frame.buffers[plane.buffer].withBytes { (bytes) throws(CamdError) in
                bytes.withUnsafeBytes { bytes in
                    (0..<plane.rows).flatMap { row in
                        Array(
                            bytes[
                                plane.offset + row * plane.stride..<plane.offset + row * plane.stride + plane.rowBytes])
                    }
                }
            }
            picture.planes.append(rows)
            picture.widths.append(plane.rowBytes)
        }
        return picture
    }

    /// Sends one frame, whose bytes `fill` gives by plane, column (in bytes) and row, through the GPU.
    private static func render(
        _ format: PixelFormat, _ width: Int, _ height: Int, stride: Int = 0, color: Colorimetry, video: Colorimetry,
        fill: (_ plane: Int, _ x: Int, _ y: Int) -> UInt8
    ) throws -> (video: Picture, still: Picture) {
        let layout = try #require(FrameLayout(format, width: width, height: height, strides: [stride], color: color))
        let pool = FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: 2))
        guard let frame = pool.acquire() else { throw CamdError(.software, subject: "test", reason: "no slot") }
        for (index, plane) in layout.planes.enumerated() {
            try frame.buffers[0].withMutableBytes(.write) { (bytes) throws(CamdError) in
                bytes.withUnsafeMutableBytes { bytes in
                    for y in 0..<plane.rows {
                        for x in 0..<plane.rowBytes { bytes[plane.offset + y * plane.stride + x] = fill(index, x, y) }
                    }
                }
            }
        }
        let gpu = try GPUStage(
            source: pool, writes: DriverWrites(.clean), plan: PicturePlan(videoColor: video),
            choice: HeapChoice([], need: .anything),
            ended: { _ in })
        defer { gpu.stop() }
        #expect(gpu.report.gpuPath == "upload")
        #expect(gpu.report.outputPath == "readback")
        let sink = Sink()
        try gpu.setVideoSink(sink)
        let ticket = try StillTicket()
        try gpu.requestStill(ticket)
        gpu.offer(frame)
        let still = try read(try ticket.wait(limitMilliseconds: 5000))
        let deadline = Deadline(afterMilliseconds: 5000)
        while !deadline.hasPassed {
            if let picture = sink.frames.pop() {
                #expect(gpu.counts.bytesCopied > 0, "an upload is a copy and is counted")
                return (try read(picture), still)
            }
            usleep(1000)
        }
        throw CamdError(.software, subject: "test", reason: "no video picture came")
    }

    private static let camera = Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: .bt601, range: .limited)

    private static func noise(_ plane: Int, _ x: Int, _ y: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (x &* 73 &+ y &* 151 &+ plane &* 29 &+ (x &* y) &* 7) >> 1)
    }

    @Test func `YUYV becomes NV12 byte for byte, chroma averaged over two rows`() throws {
        let (video, _) = try Self.render(
            .yuyv, 32, 16, stride: 80, color: Self.camera, video: Self.camera, fill: Self.noise)
        for y in 0..<16 {
            for x in 0..<32 { #expect(video.at(0, x, y) == Int(Self.noise(0, 2 * x, y))) }
        }
        for y in 0..<8 {
            for x in 0..<16 {
                for (plane, byte) in [(0, 1), (1, 3)] {
                    let expected =
                        Double(
                            Int(Self.noise(0, 4 * x + byte, 2 * y)) + Int(Self.noise(0, 4 * x + byte, 2 * y + 1))) / 2
                    #expect(abs(Double(video.at(1, 2 * x + plane, y)) - expected) <= 1)
                }
            }
        }
    }

    @Test func `NV12 becomes NV12 unchanged`() throws {
        let (video, _) = try Self.render(.nv12, 64, 18, color: Self.camera, video: Self.camera, fill: Self.noise)
        for y in 0..<18 { for x in 0..<64 { #expect(video.at(0, x, y) == Int(Self.noise(0, x, y))) } }
        for y in 0..<9 { for x in 0..<64 { #expect(video.at(1, x, y) == Int(Self.noise(1, x, y))) } }
    }

    @Test func `a photo of limited range spreads to the full range that JPEG means`() throws {
        let (_, still) = try Self.render(.nv12, 32, 16, color: Self.camera, video: Self.camera) { plane, x, _ in
            plane == 0 ? UInt8(16 + x * 219 / 31) : x % 2 == 0 ? 90 : 240
        }
        for x in 0..<32 {
            let luma = Double(16 + x * 219 / 31)
            #expect(abs(Double(still.at(0, x, 8)) - (luma - 16) * 255 / 219) <= 1)
        }
        #expect(abs(Double(still.at(1, 5, 3)) - (128 - 38 * 255.0 / 224)) <= 1)
        #expect(abs(Double(still.at(2, 5, 3)) - (128 + 112 * 255.0 / 224)) <= 1)
    }

    /// Whole pictures, as `Developer` makes them of the same frame.
    private static func developed(
        _ layout: FrameLayout, _ bytes: [UInt8], _ look: Look, _ kind: PictureKind
    ) throws -> Picture {
        try read(try Developer().develop(layout, [bytes], look: look, kind: kind).lease)
    }

    @Test func `photos of raw frames have a look and a quality of their own, and videos keep theirs`() throws {
        let layout = try FrameLayout.bare(.srggb8, width: 48, height: 32)
        let bytes = (0..<48 * 32).map { Self.noise(0, $0 % 48, $0 / 48) }
        let pool = FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: 2))
        guard let frame = pool.acquire() else { throw CamdError(.software, subject: "test", reason: "no slot") }
        try frame.buffers[0].withMutableBytes(.write) { (span) throws(CamdError) in
            span.withUnsafeMutableBytes { (to) in to.copyBytes(from: bytes) }
        }
        var plan = PicturePlan(videoColor: .hdVideo)
        plan.look = Look(balance: [1.25, 1, 1.5])
        plan.stillLook = Look(quality: .still, curve: .sRGB)
        let gpu = try GPUStage(
            source: pool, writes: DriverWrites(.clean), plan: plan, choice: HeapChoice([], need: .anything),
            ended: { Issue.record($0) })
        defer { gpu.stop() }
        let sink = Sink()
        try gpu.setVideoSink(sink)
        let ticket = try StillTicket()
        try gpu.requestStill(ticket)
        gpu.offer(frame)
        let still = try Self.read(try ticket.wait(limitMilliseconds: 5000))
        #expect(still.planes == (try Self.developed(layout, bytes, plan.stillLook, .i420(.jfif))).planes)
        #expect(still.planes != (try Self.developed(layout, bytes, Look(curve: .sRGB), .i420(.jfif))).planes)
        let deadline = Deadline(afterMilliseconds: 5000)
        while sink.frames.count == 0, !deadline.hasPassed { usleep(1000) }
        guard let picture = sink.frames.pop() else { throw CamdError(.software, subject: "test", reason: "no video") }
        let video = try Self.read(picture)
        #expect(video.planes == (try Self.developed(layout, bytes, plan.look, .nv12(.hdVideo))).planes)
    }

    @Test func `a stage that makes no videos still makes photos`() throws {
        let layout = try FrameLayout.bare(.nv12, width: 32, height: 16)
        let pool = FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: 2))
        guard let frame = pool.acquire() else { throw CamdError(.software, subject: "test", reason: "no slot") }
        try frame.buffers[0].withMutableBytes(.write) { (span) throws(CamdError) in
            span.withUnsafeMutableBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: 128) }
        }
        var plan = PicturePlan(videoColor: layout.color)
        plan.hasVideo = false
        let gpu = try GPUStage(
            source: pool, writes: DriverWrites(.clean), plan: plan, choice: HeapChoice([], need: .anything),
            ended: { Issue.record($0) })
        defer { gpu.stop() }
        #expect(gpu.videoLayout == nil)
        #expect(gpu.report.videoSlots == 0)
        let ticket = try StillTicket()
        try gpu.requestStill(ticket)
        gpu.offer(frame)
        let still = try Self.read(try ticket.wait(limitMilliseconds: 5000))
        #expect(still.at(0, 5, 5) == Int(((128.0 - 16) * 255 / 219).rounded()))
    }
}
