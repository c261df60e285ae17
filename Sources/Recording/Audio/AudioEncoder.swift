import CFFmpeg
import LinuxSystem

/// What sound is compressed as.
enum SoundCodec: Sendable, Hashable, CaseIterable {
    case opus, aac

    /// Opus where it is at home; MP4 and MPEG-TS are played everywhere with AAC only.
    init(_ container: Container) { self = container == .matroska ? .opus : .aac }

    /// libavcodec's encoders, the best first, and what they are given.
    fileprivate var encoders: [(name: String, format: AVSampleFormat)] {
        switch self {
        case .opus: [("libopus", AV_SAMPLE_FMT_FLT), ("opus", AV_SAMPLE_FMT_FLTP)]
        case .aac: [("aac", AV_SAMPLE_FMT_FLTP)]
        }
    }
}

/// Compresses sound of 48 kHz with one of libavcodec's encoders. Packets have the time on CLOCK_MONOTONIC, in nanoseconds,
/// that they are to have in a container: when their first sample was heard, with what the encoder puts before the first one
/// taken into account. For one thread at a time.
final class AudioEncoder {
    let channels: Int
    let codec: SoundCodec
    /// What a container has to know before the first packet.
    let stream: EncodedStream
    private let context: UnsafeMutablePointer<AVCodecContext>
    private let frame: UnsafeMutablePointer<AVFrame>
    private let received: EncodedPacket
    private let isPlanar: Bool
    private let frameSamples: Int
    /// Samples that lie in `frame`.
    private var filled = 0
    /// Samples of each channel that the encoder has taken.
    private var samples: Int64 = 0
    /// CLOCK_MONOTONIC of the first one.
    private var startNanoseconds: UInt64?
    /// What is added to times of Opus, in samples. Its players take Matroska's CodecDelay off each time; libavformat adds it
    /// from 60 (FFmpeg 6.0) on, before that its user has to.
    let delaySamples: Int64
    /// Packets that were made.
    private(set) var packets: UInt64 = 0

    private static let nanosecond = AVRational(num: 1, den: 1_000_000_000)
    private static let sample = AVRational(num: 1, den: CInt(SoundTimeline.rate))

    /// Opens the encoder (avcodec_open2(3)).
    /// - Throws: `.unavailable` where this libavcodec has none, or for a bit rate that it does not take.
    init(_ codec: SoundCodec, channels: Int, bitRate: Int?, globalHeader: Bool) throws(CamdError) {
        guard (1...2).contains(channels) else {
            throw CamdError(.usage, subject: "sound", reason: "\(channels) channels are not 1 or 2")
        }
        guard (6000...512_000).contains(bitRate ?? 64_000) else {
            throw CamdError(.usage, subject: "sound", reason: "a bit rate of \(bitRate ?? 0) is out of 6000 to 512000")
        }
        let found = codec.encoders.lazy.compactMap { entry in
            avcodec_find_encoder_by_name(entry.name).map { (entry, $0) }
        }.first
        guard let ((name, format), encoder) = found else {
            throw CamdError(
                .unavailable, subject: "encoder \(codec)", call: "avcodec_find_encoder_by_name",
                reason: "libavcodec here has no encoder for it",
                remedy: "Install an FFmpeg that is built with libopus.")
        }
        let subject = "encoder \(name)"
        guard let context = avcodec_alloc_context3(encoder) else {
            throw LibAV.noMemory("avcodec_alloc_context3", subject: subject)
        }
        var frame = av_frame_alloc()
        do throws(CamdError) {
            context.pointee.sample_rate = CInt(SoundTimeline.rate)
            context.pointee.sample_fmt = format
            context.pointee.bit_rate = Int64(bitRate ?? 64_000 * channels)
            context.pointee.time_base = Self.sample
            context.pointee.thread_count = 1
            av_channel_layout_default(&context.pointee.ch_layout, CInt(channels))
            // FFmpeg's own Opus encoder is called experimental.
            context.pointee.strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL
            if globalHeader { context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER }
            try LibAV.call("avcodec_open2", subject: subject, kind: .unavailable) {
                avcodec_open2(context, encoder, nil)
            }
            frameSamples = context.pointee.frame_size > 0 ? Int(context.pointee.frame_size) : 960
            guard let frame else { throw LibAV.noMemory("av_frame_alloc", subject: subject) }
            frame.pointee.nb_samples = CInt(frameSamples)
            frame.pointee.format = format.rawValue
            frame.pointee.sample_rate = CInt(SoundTimeline.rate)
            av_channel_layout_default(&frame.pointee.ch_layout, CInt(channels))
            try LibAV.call("av_frame_get_buffer", subject: subject) { av_frame_get_buffer(frame, 0) }
            self.frame = frame
            stream = try EncodedStream(context, encoderName: name, timeBase: Self.nanosecond)
            // Its packets of nothing but what comes before the first sample are not handed on, so that MP4, whose fragments
            // have no edit list, begins with the sound.
            if codec == .aac { stream.parameters.pointee.initial_padding = 0 }
            delaySamples =
                codec == .opus && avformat_version() >> 16 < 60
                ? Int64(stream.parameters.pointee.initial_padding) : 0
            received = try EncodedPacket()
        } catch {
            av_frame_free(&frame)
            var owned: UnsafeMutablePointer<AVCodecContext>? = context
            avcodec_free_context(&owned)
            throw error
        }
        self.context = context
        self.channels = channels
        self.codec = codec
        isPlanar = av_sample_fmt_is_planar(format) != 0
    }

    deinit {
        var ownedFrame: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&ownedFrame)
        var owned: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&owned)
    }

    /// Samples for each channel in a packet.
    var packetSamples: Int { frameSamples }

    /// Compresses interleaved samples that follow those before; gives each packet that is ready to `emit`.
    /// - Parameter startNanoseconds: CLOCK_MONOTONIC of the very first sample. Counts at the first call only.
    func encode(
        _ interleaved: UnsafeBufferPointer<Float>, startNanoseconds: UInt64,
        _ emit: (consuming EncodedPacket) throws(CamdError) -> Void
    ) throws(CamdError) {
        if self.startNanoseconds == nil { self.startNanoseconds = startNanoseconds }
        let count = interleaved.count / channels
        var taken = 0
        while taken < count {
            if filled == 0 {
                // The encoder may still look at the one before.
                try LibAV.call("av_frame_make_writable", subject: subject) { av_frame_make_writable(frame) }
            }
            let part = min(count - taken, frameSamples - filled)
            store(UnsafeBufferPointer(rebasing: interleaved[(taken * channels)..<((taken + part) * channels)]))
            taken += part
            filled += part
            if filled == frameSamples { try send(emit) }
        }
    }

    /// Compresses the samples that do not fill a packet, and gives all that the encoder still has. No more may follow.
    func finish(_ emit: (consuming EncodedPacket) throws(CamdError) -> Void) throws(CamdError) {
        if filled > 0 { try send(emit) }
        try LibAV.call("avcodec_send_frame", subject: subject) { avcodec_send_frame(context, nil) }
        try drain(emit)
    }

    private func store(_ part: UnsafeBufferPointer<Float>) {
        let planes = frame.pointee.extended_data!
        if !isPlanar {
            let target = UnsafeMutableRawPointer(planes[0]!).assumingMemoryBound(to: Float.self) + filled * channels
            target.update(from: part.baseAddress!, count: part.count)
            return
        }
        for channel in 0..<channels {
            let target = UnsafeMutableRawPointer(planes[channel]!).assumingMemoryBound(to: Float.self) + filled
            for index in 0..<(part.count / channels) { target[index] = part[index * channels + channel] }
        }
    }

    private func send(_ emit: (consuming EncodedPacket) throws(CamdError) -> Void) throws(CamdError) {
        frame.pointee.nb_samples = CInt(filled)
        frame.pointee.pts = samples
        samples += Int64(filled)
        filled = 0
        try LibAV.call("avcodec_send_frame", subject: subject) { avcodec_send_frame(context, frame) }
        frame.pointee.nb_samples = CInt(frameSamples)
        try drain(emit)
    }

    /// avcodec_receive_packet(3) until there is none.
    private func drain(_ emit: (consuming EncodedPacket) throws(CamdError) -> Void) throws(CamdError) {
        while true {
            LibAV.listen()
            let result = avcodec_receive_packet(context, received.raw)
            if result == CFFMPEG_ERROR_AGAIN || result == CFFMPEG_ERROR_EOF { return }
            guard result >= 0 else { throw LibAV.error(result, call: "avcodec_receive_packet", subject: subject) }
            let packet = try EncodedPacket()
            av_packet_move_ref(packet.raw, received.raw)
            let first = packet.raw.pointee.pts
            let length = packet.raw.pointee.duration > 0 ? packet.raw.pointee.duration : Int64(frameSamples)
            if codec == .aac, first + length <= 0 { continue }
            let time = Int64(startNanoseconds ?? 0) + SoundTimeline.nanoseconds(of: first + delaySamples)
            packet.raw.pointee.pts = time
            packet.raw.pointee.dts = time
            packet.raw.pointee.duration = SoundTimeline.nanoseconds(of: length)
            packets += 1
            try emit(packet)
        }
    }

    private var subject: String { "encoder \(stream.encoderName)" }
}
