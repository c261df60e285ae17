import CFFmpeg
import CaptureCore
import LinuxSystem
import SoundSupport
import Testing

@testable import Recording

@Suite("Sound in files") struct SoundFileTests {
    /// A click of two milliseconds at half past each second.
    private static func click(_ seconds: Double) -> Float {
        let phase = seconds.truncatingRemainder(dividingBy: 1)
        return phase >= 0.5 && phase < 0.502 ? 0.9 : 0
    }

    struct Kind: Sendable, CustomTestStringConvertible {
        var container: Container
        var options: [String: String]
        var codec: String
        var testDescription: String { container.rawValue }
    }

    static let kinds = [
        Kind(container: .matroska, options: ["cluster_time_limit": "1000"], codec: "opus"),
        Kind(
            container: .mp4,
            options: [
                "movflags": "+empty_moov+frag_keyframe+default_base_moof+frag_discont", "frag_duration": "1000000",
            ], codec: "aac"),
        Kind(container: .mpegTS, options: [:], codec: "aac"),
    ]

    /// Packets of a card's sound that begins at a time.
    private func packets(
        _ encoder: AudioEncoder, startNanoseconds: UInt64, seconds: Double
    ) throws -> [UnsafeMutablePointer<AVPacket>] {
        var card = SimulatedCard(rate: 48_000, drift: 0, startNanoseconds: startNanoseconds, sound: Self.click)
        card.jitter = 0
        let timeline = try SoundTimeline(channels: encoder.channels)
        var packets: [UnsafeMutablePointer<AVPacket>] = []
        while card.seconds < seconds {
            try card.period { block, bytes in
                try timeline.take(block, bytes) { (samples) throws(CamdError) in
                    try encoder.encode(samples, startNanoseconds: timeline.startNanoseconds!) {
                        packets.append(av_packet_clone($0.raw))
                    }
                }
            }
        }
        try encoder.finish { packets.append(av_packet_clone($0.raw)) }
        return packets
    }

    private static func free(_ packets: ArraySlice<UnsafeMutablePointer<AVPacket>>) {
        for packet in packets {
            var owned: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&owned)
        }
    }

    private func listen(_ path: String) throws -> Heard {
        let folder = try TemporaryFolder()
        let raw = folder.path("raw")
        let probe = try run(
            "ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "frame=pts_time", "-of",
            "default=nw=1:nk=1", path)
        let spoken = try run(
            "ffmpeg", "-v", "error", "-y", "-i", path, "-map", "0:a", "-ac", "1", "-ar", "48000", "-f", "f32le", raw)
        #expect(spoken.errors.isEmpty && probe.errors.isEmpty, "\(spoken.errors) \(probe.errors)")
        let first = try #require(probe.lines.first.flatMap { Double($0) })
        return Heard(startSeconds: first, floats: try bytes(of: raw))
    }

    @Test(
        "A click is where the picture of its moment is, whenever the microphone began", arguments: kinds, [-60, 0, 13])
    func withPicture(kind: Kind, lateMilliseconds: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a." + kind.container.rawValue)
        let origin: UInt64 = 7_000_000_000_000
        let studio = try Studio(width: 64, height: 48)
        let video = try VideoEncoder(
            EncoderSettings(), layout: studio.layout, nominalFrameRate: 25,
            globalHeader: kind.container.hasGlobalHeader)
        let sound = try AudioEncoder(
            SoundCodec(kind.container), channels: 2, bitRate: nil, globalHeader: kind.container.hasGlobalHeader)
        #expect(String(cString: avcodec_get_name(sound.stream.parameters.pointee.codec_id)) == kind.codec)
        let file = try SoundFile(
            path, muxer: kind.container.muxerName, options: kind.options,
            streams: [
                (video.stream.parameters, AVRational(num: 1, den: 1_000_000)),
                (sound.stream.parameters, sound.stream.timeBase),
            ],
            originNanoseconds: origin)
        let start = UInt64(Int64(origin) + Int64(lateMilliseconds) * 1_000_000)
        var waiting = try packets(sound, startNanoseconds: start, seconds: 5)[...]
        defer { Self.free(waiting) }
        for index in 0..<125 {
            let microseconds = Int64(index) * 40_000
            let frame = try studio.frame(index, nanoseconds: 0)
            try video.encode(frame, timestampMicroseconds: microseconds) { packet in
                packet.raw.pointee.pts += Int64(origin / 1000)
                packet.raw.pointee.dts += Int64(origin / 1000)
                do { try file.write(packet.raw, stream: 0) } catch { Issue.record(error) }
            }
            let now = Int64(origin) + (microseconds + 40_000) * 1000
            while let packet = waiting.first, packet.pointee.pts < now {
                try file.write(packet, stream: 1)
                Self.free([packet])
                waiting.removeFirst()
            }
            if index % 20 == 19 { try file.flush() }
        }
        try video.finish { packet in
            packet.raw.pointee.pts += Int64(origin / 1000)
            packet.raw.pointee.dts += Int64(origin / 1000)
            do { try file.write(packet.raw, stream: 0) } catch { Issue.record(error) }
        }
        try file.finish()
        let probe = try Probe(path)
        #expect(probe.complaints.isEmpty, "\(probe.complaints)")
        let picture = try #require(probe.seconds.first)
        let heard = try listen(path).clicks()
        let expected = (0..<5).map { 0.5 + Double($0) + Double(lateMilliseconds) / 1000 }.filter { $0 < 4.95 }
        #expect(heard.count == expected.count)
        for (one, other) in zip(heard, expected) {
            // Matroska counts in milliseconds.
            #expect(abs(one - picture - other) < 0.002, "\(kind.container) \(one - picture - other)")
        }
    }

    @Test("Packets follow each other with no gap, and hold all that was heard", arguments: SoundCodec.allCases)
    func packetTimes(codec: SoundCodec) throws {
        let encoder = try AudioEncoder(codec, channels: 1, bitRate: 48_000, globalHeader: true)
        let start: UInt64 = 1_234_567_890_123
        let packets = try packets(encoder, startNanoseconds: start, seconds: 3)
        defer { Self.free(packets[...]) }
        #expect(UInt64(packets.count) == encoder.packets)
        let before = Int64(encoder.stream.parameters.pointee.initial_padding) - encoder.delaySamples
        let padding = Double(before) / 48_000
        #expect(abs(Double(packets[0].pointee.pts - Int64(start)) / 1e9 + padding) < 1e-6)
        for (one, next) in zip(packets, packets.dropFirst()) {
            #expect(abs(next.pointee.pts - one.pointee.pts - one.pointee.duration) <= 1)
        }
        let end = packets[packets.count - 1].pointee
        #expect(Double(end.pts + end.duration - Int64(start)) / 1e9 > 2.999)
    }

    @Test("Channels and bit rates that there are not are refused")
    func refused() throws {
        for (channels, rate) in [(3, nil), (0, nil), (2, 100), (2, 1_000_000)] as [(Int, Int?)] {
            let error = #expect(throws: CamdError.self) {
                try AudioEncoder(.aac, channels: channels, bitRate: rate, globalHeader: true)
            }
            #expect(error?.kind == .usage)
        }
    }

    @Test("A device that is none is refused with those that there are, and a name that runs a program is not opened")
    func refusedDevices() throws {
        for name in ["", "file:FILE=/tmp/x", "{ type file }", "hw:CARD=x,DEV=`id`", "hw:\n", "null"] {
            let error = #expect(throws: CamdError.self) { try Microphone(name) }
            #expect(error?.kind == .usage, "\(name)")
            let away = #expect(throws: CamdError.self) { try Microphone(name, mayBeAway: true) }
            #expect(away?.kind == .usage, "\(name)")
        }
        let error = #expect(throws: CamdError.self) { try Microphone("hw:CARD=NoSuchCard,DEV=0") }
        #expect(error?.kind == .noInput)
        #expect(error?.remedy != nil)
    }

    @Test("Every sample format is read as the same number")
    func sampleFormats() {
        // Half of full scale, negative.
        let examples: [(SampleFormat, [UInt8])] = [
            (.s16, [0x00, 0xc0]), (.s32, [0, 0, 0, 0xc0]), (.s24, [0, 0, 0xc0, 0x00]), (.s24Packed, [0, 0, 0xc0]),
            (.float32, [0, 0, 0, 0xbf]), (.u8, [64]),
        ]
        #expect(examples.count == SampleFormat.allCases.count)
        for (format, bytes) in examples {
            #expect(bytes.count == format.bytes)
            bytes.withUnsafeBytes { #expect(format.value($0, 0) == -0.5) }
        }
        [UInt8]([0, 0, 0xc0, 0x7f]).withUnsafeBytes { #expect(SampleFormat.float32.value($0, 0) == 0) }
    }

    @Test("A full ring gives no slot, and keeps what is in it")
    func ring() {
        let ring = SoundRing(slots: 2)
        let format = SoundFormat(sample: .u8, channels: 1, rate: 8000)
        for value in [UInt8(1), 2] {
            ring.freeSlot?.storeBytes(of: value, as: UInt8.self)
            #expect(
                ring.push(
                    SoundBlock(frames: 1, format: format, isContinuous: true, stampNanoseconds: 0, stampOffset: 1)))
        }
        #expect(ring.freeSlot == nil)
        var got: [UInt8] = []
        while ring.pop({ _, bytes in got.append(bytes[0]) }) {}
        #expect(got == [1, 2])
        #expect(ring.freeSlot != nil)
    }
}
