import CFFmpeg
import CaptureCore
import LinuxSystem
import Testing

@testable import Recording

@Suite("A device that encodes")
struct DeviceTests {
    private static let hardware = EncoderDescription(
        node: "/dev/video9", name: "codec", driver: "hw", formats: [.nv12],
        codecs: [PixelFormat("JPEG")!, PixelFormat("HEVC")!, PixelFormat("H264")!])
    private static let test = EncoderDescription(
        node: "/dev/video3", name: "vicodec", driver: "vicodec", formats: [.nv12], codecs: [PixelFormat("FWHT")!])

    @Test("is asked for by v4l2, its node, or its codec")
    func names() throws {
        #expect(try V4L2Wish("libx264") == nil)
        #expect(try V4L2Wish("v4l2x") == nil)
        #expect(try V4L2Wish("h264_v4l2m2m") == nil)
        let any = try #require(try V4L2Wish("v4l2"))
        #expect(any.node == nil && any.codec == nil && any.text == "v4l2")
        #expect(try V4L2Wish("v4l2:/dev/video2")?.node == "/dev/video2")
        #expect(try V4L2Wish("v4l2:hevc")?.codec == "hevc")
        #expect(try V4L2Wish("v4l2:hevc")?.text == "v4l2:hevc")
    }

    @Test(
        "of a name that makes no sense is refused with those that do", arguments: ["v4l2:", "v4l2:video2", "v4l2:H264"])
    func wrongNames(name: String) throws {
        let error = #expect(throws: CamdError.self) { try V4L2Wish(name) }
        #expect(error?.kind == .usage)
        #expect(error?.remedy?.contains("v4l2:h264") == true)
    }

    @Test("is the one that makes what is asked for, H.264 before all else")
    func choices() throws {
        let all = [Self.test, Self.hardware]
        let any = try #require(try V4L2Wish("v4l2")).choices(of: all)
        #expect(any.map(\.codec.name) == ["h264", "hevc", "mjpeg", "fwht"])
        #expect(any[0].device == Self.hardware)
        let fwht = try #require(try V4L2Wish("v4l2:fwht")).choices(of: all)
        #expect(fwht.map(\.device) == [Self.test])
        let vp9 = try #require(try V4L2Wish("v4l2:vp9"))
        let error = #expect(throws: CamdError.self) { try vp9.choices(of: all) }
        #expect(error?.kind == .unavailable)
        #expect(error?.remedy?.contains("/dev/video9 (codec): JPEG HEVC H264") == true)
        let none = #expect(throws: CamdError.self) { try vp9.choices(of: []) }
        #expect(none?.reason.contains("no V4L2 encoder") == true)
    }

    /// What an encoder with its parameter sets in the stream makes, as devices do.
    private func stream(
        _ name: String, frames: Int
    ) throws -> (layout: FrameLayout, packets: [(bytes: [UInt8], isKey: Bool)]) {
        let studio = try Studio()
        let options =
            name == "libx264"
            ? ["g": "4"] : ["preset": "ultrafast", "x265-params": "keyint=4:min-keyint=4:log-level=none"]
        let encoder = try VideoEncoder(
            EncoderSettings(name: name, options: options), layout: studio.layout, nominalFrameRate: 30,
            globalHeader: false)
        var packets: [(bytes: [UInt8], isKey: Bool)] = []
        func keep(_ packet: borrowing EncodedPacket) {
            packets.append(
                (Array(UnsafeBufferPointer(start: packet.raw.pointee.data, count: packet.size)), packet.isKeyFrame))
        }
        for index in 0..<frames {
            let lease = try studio.frame(index, nanoseconds: 0)
            try encoder.encode(lease, timestampMicroseconds: Int64(index) * 33_333) { (packet) throws(CamdError) in
                keep(packet)
            }
        }
        try encoder.finish { (packet) throws(CamdError) in keep(packet) }
        return (studio.layout, packets)
    }

    @Test(
        "tells its parameter sets with the first packet, and key frames by what is in them",
        arguments: ["libx264", "libx265"])
    func bitstream(name: String) throws {
        // libx265 is read as NV12 nowhere.
        guard avcodec_find_encoder_by_name(name) != nil, (try? EncoderChoice(name, format: .nv12)) != nil else {
            return
        }
        let codec = name == "libx264" ? AV_CODEC_ID_H264 : AV_CODEC_ID_HEVC
        let (_, packets) = try stream(name, frames: 9)
        let sets = try ParameterSets.find(codec, in: packets[0].bytes)
        #expect(sets.count > 10 && sets.count < packets[0].bytes.count)
        #expect(sets.starts(with: [0, 0, 0, 1]) || sets.starts(with: [0, 0, 1]))
        #expect(packets.map(\.isKey).filter { $0 }.count == 3)
        for packet in packets {
            #expect(packet.bytes.withUnsafeBytes { KeyFrames.isOne(codec, $0.bytes) } == packet.isKey)
        }
        let error = #expect(throws: CamdError.self) { try ParameterSets.find(codec, in: packets[1].bytes) }
        #expect(error?.reason.contains("no parameter sets") == true)
        #expect(throws: CamdError.self) { try ParameterSets.find(codec, in: []) }
        #expect(throws: CamdError.self) { try ParameterSets.find(codec, in: [UInt8](repeating: 255, count: 1000)) }
    }

    @Test("makes files that play, though libavcodec never saw it", arguments: ["mkv", "mp4", "ts"])
    func container(ending: String) throws {
        let folder = try TemporaryFolder()
        let (layout, packets) = try stream("libx264", frames: 9)
        let codec = try #require(V4L2Wish.codecs.first { $0.name == "h264" })
        let stream = try EncodedStream(
            codec, layout: layout, frameRate: AVRational(num: 30, den: 1), encoderName: "v4l2:h264 (/dev/video9)",
            parameterSets: try ParameterSets.find(codec.libav, in: packets[0].bytes))
        let path = folder.path("a.\(ending)")
        let muxer = try Muxer(try OutputFile(path), try Container(path: path), stream, startNanoseconds: 0)
        for (index, bytes) in packets.enumerated() {
            let packet = try EncodedPacket()
            #expect(av_new_packet(packet.raw, CInt(bytes.bytes.count)) == 0)
            packet.raw.pointee.data.update(from: bytes.bytes, count: bytes.bytes.count)
            packet.raw.pointee.pts = Int64(index) * 33_333
            packet.raw.pointee.dts = packet.raw.pointee.pts
            packet.raw.pointee.duration = 33_333
            if bytes.isKey { packet.raw.pointee.flags |= AV_PKT_FLAG_KEY }
            try muxer.write(packet)
        }
        try muxer.finish()
        let probe = try Probe(path)
        #expect(probe.complaints == "")
        #expect(probe.seconds.count == 9)
        #expect(probe.keyFrames.enumerated().allSatisfy { $0.element == ($0.offset % 4 == 0) })
        #expect(probe.stream["color_space"] == "bt709")
        #expect(probe.stream["width"] == "160")
    }

    @Test("that makes what only Matroska can name is told so for another container")
    func onlyMatroska() throws {
        let folder = try TemporaryFolder()
        let codec = try #require(V4L2Wish.codecs.last)
        let stream = try EncodedStream(
            codec, layout: try Studio().layout, frameRate: AVRational(num: 30, den: 1), encoderName: "v4l2:fwht",
            parameterSets: [])
        #expect(Container.allCases.filter { $0.holds(stream) } == [.matroska])
        let path = folder.path("a.mp4")
        let error = #expect(throws: CamdError.self) {
            _ = try Muxer(try OutputFile(path), .mp4, stream, startNanoseconds: 0)
        }
        #expect(error?.remedy?.contains("Name it .mkv,") == true)
    }

    @Test("of the kernel's test codec marks key frames in the header alone")
    func fwht() {
        var header = [UInt8](repeating: 0, count: 44)
        func isKey(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { KeyFrames.isOne(AV_CODEC_ID_NONE, $0.bytes) } }
        #expect(!isKey(header))
        header[22] = 4
        #expect(isKey(header))
        #expect(!isKey(Array(header[..<23])))
        #expect(!isKey([]))
    }
}

@Suite("What pictures an encoder takes")
struct PictureChoiceTests {
    @Test(
        "is NV12 where it can be, else I420; full range for JPEG",
        arguments: [
            ("libx264", false, false), ("mjpeg", true, true), ("ffv1", true, false), ("libsvtav1", true, false),
        ])
    func kinds(name: String, isPlanar: Bool, isJPEG: Bool) throws {
        guard avcodec_find_encoder_by_name(name) != nil else { return }
        let picture = try EncoderList.picture(for: name, width: 640, height: 480)
        #expect(picture.shape.kind == (isPlanar ? .i420 : .nv12))
        #expect(picture.isJPEG == isJPEG)
        let color = picture.color(.hdVideo)
        #expect((color.matrix, color.range) == (isJPEG ? (.bt601, .full) : (.bt709, .limited)))
    }

    @Test("is told with an error where there is none")
    func none() throws {
        #expect(throws: CamdError.self) { try EncoderList.picture(for: "nothing", width: 64, height: 64) }
        #expect(throws: CamdError.self) { try EncoderList.picture(for: "libmp3lame", width: 64, height: 64) }
    }

    @Test("goes by colours, too: a JPEG's numbers have one meaning")
    func colors() throws {
        let studio = try Studio(.yuv420, color: .hdVideo)
        #expect(!EncoderList.hasVideo("mjpeg", taking: studio.layout))
        #expect(EncoderList.hasVideo("mjpeg", taking: try Studio(.yuv420, color: .jfif).layout))
        #expect(EncoderList.hasVideo("ffv1", taking: studio.layout))
        #expect(!EncoderList.hasVideo("ffv1", taking: try Studio(.nv12).layout))
    }

    @Test("has U and V in libavcodec's order")
    func order() throws {
        var layout = try Studio(.yuv420).layout
        layout.format = .yvu420
        let choice = try EncoderChoice("ffv1", format: .yvu420)
        let geometry = try FrameGeometry(layout, choice.planes, order: choice.order)
        #expect(geometry.planes.map(\.offset) == [0, 2, 1].map { layout.planes[$0].offset })
    }
}
