import CFFmpeg
import CaptureCore
import LinuxSystem
import Testing

@testable import Recording

@Suite("An encoder")
struct EncoderTests {
    /// An encoder of libavcodec's whose packets are references to the frames it was given: shows what arrives there.
    private static let mirror = EncoderSettings(name: "wrapped_avframe")

    private func first(_ packet: borrowing EncodedPacket) -> UnsafeMutablePointer<UInt8>? {
        UnsafeRawPointer(packet.raw.pointee.data).assumingMemoryBound(to: AVFrame.self).pointee.data.0
    }

    @Test("is given the frame where it lies: no copy on the way")
    func inPlace() throws {
        let studio = try Studio()
        let choice = try EncoderChoice(Self.mirror.name, format: .nv12)
        let rate = AVRational(num: 30, den: 1)
        let context = try EncoderContext.open(
            Self.mirror, choice, layout: studio.layout, frameRate: rate, globalHeader: false)
        let input = try FrameInput(
            FrameGeometry(studio.layout, choice.planes), format: choice.pixelFormat, color: .hdVideo)
        let packet = try EncodedPacket()
        let lease = try studio.frame(0, nanoseconds: 0)
        var base: UnsafeRawPointer?
        try lease.buffers[0].withBytes { (bytes) throws(CamdError) in
            base = bytes.withUnsafeBytes { $0.baseAddress }
        }
        try input.inPlace(lease) { (frame) throws(CamdError) in
            frame.pointee.pts = 0
            #expect(UnsafeRawPointer(frame.pointee.data.0) == base)
            #expect(frame.pointee.data.1 == frame.pointee.data.0! + studio.layout.planes[1].offset)
            #expect(avcodec_send_frame(context.raw, frame) == 0)
        }
        #expect(avcodec_receive_packet(context.raw, packet.raw) == 0)
        #expect(UnsafeRawPointer(first(packet)) == base)
        #expect(input.isHeld)
        av_packet_unref(packet.raw)
        #expect(!input.isHeld)
        #expect(input.bytesCopied == 0)
    }

    @Test("that keeps frames is found out before the first one, and gets copies, which are counted")
    func keeper() throws {
        // Its threads each have a frame, and go on with it after the call.
        let studio = try Studio(.yuv420)
        let encoder = try VideoEncoder(
            EncoderSettings(name: "ffvhuff", options: ["thread_type": "frame"], threads: 2), layout: studio.layout,
            nominalFrameRate: 30, globalHeader: false)
        #expect(encoder.copies)
        for index in 0..<3 {
            let lease = try studio.frame(index, nanoseconds: 0)
            try encoder.encode(lease, timestampMicroseconds: Int64(index)) { _ throws(CamdError) in }
        }
        #expect(studio.allBack())
        #expect(encoder.bytesCopied == 3 * 160 * 112 * 3 / 2)
    }

    @Test("makes a key frame of the next frame when it is told to")
    func forcedKey() throws {
        let studio = try Studio()
        let encoder = try VideoEncoder(
            EncoderSettings(options: ["g": "100"]), layout: studio.layout, nominalFrameRate: 30, globalHeader: false)
        var keys: [Bool] = []
        for index in 0..<8 {
            if index == 5 { #expect(encoder.forceKeyFrame()) }
            let lease = try studio.frame(index, nanoseconds: 0)
            try encoder.encode(lease, timestampMicroseconds: Int64(index) * 33_333) { (packet) throws(CamdError) in
                keys.append(packet.isKeyFrame)
            }
        }
        try encoder.finish { (packet) throws(CamdError) in keys.append(packet.isKeyFrame) }
        #expect(keys == [true, false, false, false, false, true, false, false])
    }

    @Test("is tried with frames that are nobody's")
    func trial() throws {
        let studio = try Studio(.yuv420)
        let encoder = try VideoEncoder(
            EncoderSettings(name: "ffv1"), layout: studio.layout, nominalFrameRate: 30, globalHeader: false)
        // FFV1 of FFmpeg 5.1 keeps the last frame, that of 7.1 does not.
        if avcodec_version() >> 16 < 60 { #expect(encoder.copies) }
    }

    @Test("that keeps a frame against expectation holds its lease until it lets go")
    func lateKeeper() throws {
        let studio = try Studio()
        let encoder = try VideoEncoder(
            Self.mirror, layout: studio.layout, nominalFrameRate: 30, globalHeader: false, hasTrial: false)
        #expect(!encoder.copies)
        var packets = Ring<EncodedPacket>(capacity: 4)
        for index in 0..<2 {
            let lease = try studio.frame(index, nanoseconds: 0)
            try encoder.encode(lease, timestampMicroseconds: Int64(index)) { (packet) throws(CamdError) in
                _ = packets.push(packet)
            }
        }
        #expect(encoder.copies)
        #expect(encoder.bytesCopied == 160 * 112 * 3 / 2)
        #expect(studio.pool.freeCount == 3)
        packets = Ring(capacity: 4)
        try encoder.encode(try studio.frame(2, nanoseconds: 0), timestampMicroseconds: 2) { _ throws(CamdError) in }
        #expect(studio.allBack())
    }

    @Test(
        "of any name makes a file that plays, and reads frames in place if it can",
        arguments: ["libx264", "mjpeg", "ffv1", "mpeg4", "libvpx"])
    func others(name: String) throws {
        guard avcodec_find_encoder_by_name(name) != nil else { return }
        let folder = try TemporaryFolder()
        let color = name == "mjpeg" ? Colorimetry.jfif : .hdVideo
        let studio = try Studio(.yuv420, color: color)
        let path = folder.path("a.mkv")
        let recorder = try Recorder(
            path: path, layout: studio.layout, nominalFrameRate: 30, encoder: EncoderSettings(name: name),
            slotCount: 4)
        for index in 0..<30 {
            recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * 33_366_700))
        }
        let summary = try recorder.finish(limitMilliseconds: 20_000)
        #expect(summary.frames == 30)
        let probe = try Probe(path)
        #expect(probe.complaints == "")
        #expect(probe.seconds.count == 30)
        let format = name == "mjpeg" ? "yuvj420p" : "yuv420p"
        let decoded = try decode(path, as: format)
        let size = 160 * 112 * 3 / 2
        try #require(decoded.count == 30 * size)
        #expect(difference(decoded[(20 * size)..<(21 * size)], studio.picture(20)[...]).mean < 4)
        // FFV1 of FFmpeg 5.1 keeps the last frame, that of 7.1 does not.
        #expect(summary.bytesCopied == 0 || name == "ffv1" && summary.bytesCopied == UInt64(30 * size))
    }

    @Test("reads planes that lie in buffers of their own")
    func separateBuffers() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(.nv12M, separate: true)
        let path = folder.path("a.mkv")
        let recorder = try Recorder(
            path: path, layout: studio.layout, nominalFrameRate: 30, encoder: EncoderSettings(options: ["crf": "10"]),
            slotCount: 4)
        for index in 0..<5 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * 33_366_700)) }
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.frames == 5)
        #expect(summary.bytesCopied == 0)
        let decoded = try decode(path, as: "nv12")
        #expect(difference(decoded[0..<160 * 112 * 3 / 2], studio.picture(0)[...]).most <= 3)
    }

    @Test("has no more threads than it may, and one key frame a second")
    func settings() throws {
        let studio = try Studio()
        let choice = try EncoderChoice("libx264", format: .nv12)
        func open(_ settings: EncoderSettings, _ rate: AVRational) throws -> EncoderContext {
            try EncoderContext.open(settings, choice, layout: studio.layout, frameRate: rate, globalHeader: true)
        }
        let usual = try open(EncoderSettings(), AVRational(num: 30000, den: 1001))
        #expect((1...2).contains(usual.raw.pointee.thread_count))
        #expect(usual.raw.pointee.gop_size == 30)
        #expect(usual.raw.pointee.max_b_frames == 0)
        #expect(usual.raw.pointee.time_base.den == 1_000_000)
        #expect(usual.raw.pointee.extradata_size > 0)
        var settings = EncoderSettings(options: ["g": "7", "flags": "+bitexact"], threads: 1)
        let chosen = try open(settings, AVRational(num: 30, den: 1))
        #expect(chosen.raw.pointee.thread_count == 1)
        #expect(chosen.raw.pointee.gop_size == 7)
        #expect(chosen.raw.pointee.extradata_size > 0)
        // A rate that the user gives is not overruled by our quality.
        settings.options = ["b": "300k"]
        var quality = 0.0
        let rated = try open(settings, AVRational(num: 30, den: 1))
        av_opt_get_double(rated.raw, "crf", AV_OPT_SEARCH_CHILDREN, &quality)
        #expect(quality == -1)
        #expect(rated.raw.pointee.bit_rate == 300_000)
    }
}
