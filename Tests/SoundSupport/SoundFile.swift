import CFFmpeg
import LinuxSystem

/// A container with several streams, written through libavformat with nothing of the program's muxer: what packets of
/// sound have to be worth beside those of a picture.
public final class SoundFile {
    private let context: UnsafeMutablePointer<AVFormatContext>
    private let timeBases: [AVRational]
    private let originNanoseconds: UInt64
    private let fragments: Bool
    private static let nanosecond = AVRational(num: 1, den: 1_000_000_000)

    /// - Parameters:
    ///   - streams: parameters and the packets' time base of each.
    ///   - originNanoseconds: what is time 0 in the file. Packets that begin before it are left out.
    public init(
        _ path: String, muxer: String, options: [String: String] = [:],
        streams: [(parameters: UnsafeMutablePointer<AVCodecParameters>, timeBase: AVRational)],
        originNanoseconds: UInt64
    ) throws {
        var context: UnsafeMutablePointer<AVFormatContext>?
        try Self.check(avformat_alloc_output_context2(&context, nil, muxer, path), "avformat_alloc_output_context2")
        self.context = context!
        timeBases = streams.map(\.timeBase)
        self.originNanoseconds = originNanoseconds
        for stream in streams {
            let output = avformat_new_stream(context, nil)!
            try Self.check(avcodec_parameters_copy(output.pointee.codecpar, stream.parameters), "parameters")
            output.pointee.codecpar.pointee.codec_tag = 0
            output.pointee.time_base = AVRational(num: 1, den: muxer == "matroska" ? 1000 : 90_000)
            if stream.parameters.pointee.codec_type == AVMEDIA_TYPE_AUDIO {
                output.pointee.time_base = AVRational(num: 1, den: stream.parameters.pointee.sample_rate)
            }
        }
        for (name, value) in options { av_opt_set(self.context.pointee.priv_data, name, value, 0) }
        // What begins later than time 0 stays there.
        fragments = muxer == "mp4"
        if fragments { self.context.pointee.avoid_negative_ts = 0 }
        try Self.check(avio_open(&self.context.pointee.pb, path, AVIO_FLAG_WRITE), "avio_open")
        try Self.check(avformat_write_header(context, nil), "avformat_write_header")
    }

    deinit {
        avio_closep(&context.pointee.pb)
        avformat_free_context(context)
    }

    /// Takes a packet whose times are CLOCK_MONOTONIC's, in its stream's time base. The packet is changed.
    public func write(_ packet: UnsafeMutablePointer<AVPacket>, stream: Int) throws {
        let output = context.pointee.streams[stream]!
        av_packet_rescale_ts(packet, timeBases[stream], Self.nanosecond)
        guard packet.pointee.pts >= Int64(originNanoseconds) else { return }
        packet.pointee.pts -= Int64(originNanoseconds)
        packet.pointee.dts -= Int64(originNanoseconds)
        av_packet_rescale_ts(packet, Self.nanosecond, output.pointee.time_base)
        packet.pointee.stream_index = CInt(stream)
        try Self.check(av_interleaved_write_frame(context, packet), "av_interleaved_write_frame")
    }

    /// Ends a cluster or a fragment, as one does who wants it on the disk (av_write_frame(3) of nothing).
    public func flush() throws {
        try Self.check(av_interleaved_write_frame(context, nil), "av_interleaved_write_frame")
        try Self.check(av_write_frame(context, nil), "av_write_frame")
        // The next fragment begins when its first packet says, and not where the last one's duration ends.
        if fragments { av_opt_set(context.pointee.priv_data, "movflags", "+frag_discont", 0) }
    }

    public func finish() throws { try Self.check(av_write_trailer(context), "av_write_trailer") }

    private static func check(_ result: CInt, _ call: String) throws {
        guard result < 0 else { return }
        throw CamdError(.software, subject: "test file", call: call, reason: "libav's error \(result)")
    }
}
