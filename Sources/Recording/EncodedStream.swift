import CFFmpeg
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

    /// The parameters of an open encoder (avcodec_parameters_from_context(3)).
    init(_ context: UnsafeMutablePointer<AVCodecContext>, encoderName: String) throws(CamdError) {
        let subject = "encoder \(encoderName)"
        guard let parameters = avcodec_parameters_alloc() else {
            throw LibAV.noMemory("avcodec_parameters_alloc", subject: subject)
        }
        self.parameters = parameters
        timeBase = context.pointee.time_base
        frameRate = context.pointee.framerate
        self.encoderName = encoderName
        try LibAV.call("avcodec_parameters_from_context", subject: subject) {
            avcodec_parameters_from_context(parameters, context)
        }
    }

    deinit {
        var owned: UnsafeMutablePointer<AVCodecParameters>? = parameters
        avcodec_parameters_free(&owned)
    }
}

/// One packet of compressed video; owns its memory (av_packet_free(3)).
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
