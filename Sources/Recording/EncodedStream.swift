import CFFmpeg
import CaptureCore
import LinuxSystem

/// What a container has to know of a stream of packets before the first one: codec, size, colours, time base. It is
/// apart from the encoder, so that one encoder can feed several files, and a camera that compresses by itself none.
final class EncodedStream: @unchecked Sendable {
    /// Owned. Not written to once it is made.
    let parameters: UnsafeMutablePointer<AVCodecParameters>
    let timeBase: AVRational
    let frameRate: AVRational
    /// `libx264`: for messages.
    let encoderName: String
    /// Of a codec that libavcodec does not know: containers that name codecs so can hold it.
    let fourcc: UInt32?

    /// The parameters of an open encoder (avcodec_parameters_from_context(3)).
    /// - Parameter timeBase: of the packets, where it is not the encoder's.
    init(
        _ context: UnsafeMutablePointer<AVCodecContext>, encoderName: String, timeBase: AVRational? = nil
    ) throws(CamdError) {
        let subject = "encoder \(encoderName)"
        guard let parameters = avcodec_parameters_alloc() else {
            throw LibAV.noMemory("avcodec_parameters_alloc", subject: subject)
        }
        self.parameters = parameters
        self.timeBase = timeBase ?? context.pointee.time_base
        frameRate = context.pointee.framerate
        self.encoderName = encoderName
        fourcc = nil
        try LibAV.call("avcodec_parameters_from_context", subject: subject) {
            avcodec_parameters_from_context(parameters, context)
        }
    }

    /// What a device makes of frames of this layout. `parameterSets`: as they are in its bitstream. Times are microseconds.
    init(
        _ codec: V4L2Wish.Codec, layout: FrameLayout, frameRate: AVRational, encoderName: String,
        parameterSets: [UInt8]
    ) throws(CamdError) {
        guard let parameters = avcodec_parameters_alloc() else {
            throw LibAV.noMemory("avcodec_parameters_alloc", subject: "encoder \(encoderName)")
        }
        self.parameters = parameters
        timeBase = AVRational(num: 1, den: 1_000_000)
        self.frameRate = frameRate
        self.encoderName = encoderName
        fourcc = codec.libav == AV_CODEC_ID_NONE ? codec.format.rawValue : nil
        parameters.pointee.codec_type = AVMEDIA_TYPE_VIDEO
        parameters.pointee.codec_id = codec.libav
        parameters.pointee.width = CInt(clamping: layout.width)
        parameters.pointee.height = CInt(clamping: layout.height)
        parameters.pointee.sample_aspect_ratio = AVRational(num: 1, den: 1)
        let tags = ColorTags(layout.color)
        parameters.pointee.color_primaries = tags.primaries
        parameters.pointee.color_trc = tags.transfer
        parameters.pointee.color_space = tags.matrix
        parameters.pointee.color_range = tags.range
        guard !parameterSets.isEmpty else { return }
        // Decoders read a little further than they may.
        let padding = Int(AV_INPUT_BUFFER_PADDING_SIZE)
        guard let memory = av_mallocz(parameterSets.count + padding) else {
            throw LibAV.noMemory("av_mallocz", subject: "encoder \(encoderName)")
        }
        parameterSets.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        parameters.pointee.extradata = memory.assumingMemoryBound(to: UInt8.self)
        parameters.pointee.extradata_size = CInt(clamping: parameterSets.count)
    }

    deinit {
        var owned: UnsafeMutablePointer<AVCodecParameters>? = parameters
        avcodec_parameters_free(&owned)
    }
}

/// One packet of compressed video or sound; owns its memory (av_packet_free(3)).
struct EncodedPacket: ~Copyable, @unchecked Sendable {
    let raw: UnsafeMutablePointer<AVPacket>
    /// CLOCK_REALTIME nanoseconds of its frame, where a new file is to begin with it.
    var startsFileAt: UInt64?

    init() throws(CamdError) {
        guard let raw = av_packet_alloc() else { throw LibAV.noMemory("av_packet_alloc", subject: "encoder") }
        self.raw = raw
    }

    deinit {
        var owned: UnsafeMutablePointer<AVPacket>? = raw
        av_packet_free(&owned)
    }

    /// Bytes.
    var size: Int { Int(raw.pointee.size) }
    var isKeyFrame: Bool { raw.pointee.flags & AV_PKT_FLAG_KEY != 0 }
    /// In the stream's time base.
    var timestamp: Int64 { raw.pointee.pts }
    /// The same in microseconds from the recording's first frame.
    func microseconds(_ stream: EncodedStream) -> Int64 {
        av_rescale_q(timestamp, stream.timeBase, AVRational(num: 1, den: 1_000_000))
    }
}
