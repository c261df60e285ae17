import CFFmpeg
import Glibc
import LinuxSystem

/// Writes packets of one video stream into a container (libavformat), through a file that we opened. For one thread at
/// a time.
///
/// After an error the file is cut back to where its last whole cluster or fragment ends, so that it plays up to there.
final class Muxer {
    let container: Container
    let file: OutputFile
    private let stream: EncodedStream
    private let context: UnsafeMutablePointer<AVFormatContext>
    /// Of the file's stream, as the muxer set it; valid as long as the context.
    private let output: UnsafeMutablePointer<AVStream>
    private var io: UnsafeMutablePointer<AVIOContext>?
    private var lastTime = Int64.min
    /// What is 0 in the file, in the stream's time base.
    private let origin: Int64

    /// How far something has come.
    struct Mark: Equatable {
        /// Packets.
        var frames: UInt64 = 0
        /// Where the time of the last of them ends, in microseconds from the recording's (not the file's) first.
        var microseconds: Int64
        /// Of the file.
        var bytes = 0
    }

    /// What the muxer took; its `bytes` mean nothing.
    private(set) var taken: Mark
    /// All up to the end of the last whole cluster or fragment: what is left of the file when the process is killed, or
    /// after an error.
    private(set) var whole: Mark
    /// What is on the disk, whatever happens to the machine.
    private(set) var synced: Mark
    /// Of the packet before the last one.
    private var before: Mark

    private static let bufferBytes = 128 << 10
    private static let microsecond = AVRational(num: 1, den: 1_000_000)

    /// Writes the header (avformat_write_header(3)). The file is removed again if that fails.
    /// - Parameters:
    ///   - startNanoseconds: CLOCK_REALTIME of the first frame, for `creation_time`.
    ///   - origin: the time of the first frame, in the stream's time base: 0 in the file.
    init(
        _ file: OutputFile, _ container: Container, _ stream: EncodedStream, startNanoseconds: UInt64,
        origin: Int64 = 0
    ) throws(CamdError) {
        self.file = file
        self.container = container
        self.stream = stream
        self.origin = origin
        let start = Mark(microseconds: av_rescale_q(origin, stream.timeBase, Self.microsecond))
        (taken, before, whole, synced) = (start, start, start, start)
        var context: UnsafeMutablePointer<AVFormatContext>?
        do throws(CamdError) {
            try LibAV.call("avformat_alloc_output_context2", subject: file.path, kind: .unavailable) {
                avformat_alloc_output_context2(&context, nil, container.muxerName, nil)
            }
            guard let context, let output = avformat_new_stream(context, nil) else {
                throw LibAV.noMemory("avformat_new_stream", subject: file.path)
            }
            self.context = context
            self.output = output
        } catch {
            avformat_free_context(context)
            file.discard()
            throw error
        }
        do throws(CamdError) {
            try writeHeader(startNanoseconds)
        } catch {
            file.discard()
            throw error
        }
    }

    deinit {
        avformat_free_context(context)
        if io != nil {
            av_freep(&io!.pointee.buffer)
            avio_context_free(&io)
        }
    }

    private func writeHeader(_ startNanoseconds: UInt64) throws(CamdError) {
        guard container.holds(stream) else {
            let others = Container.allCases.filter { $0.holds(stream) }.map { ".\($0.rawValue)" }
            throw CamdError(
                .usage, subject: file.path,
                reason: "a .\(container.rawValue) file cannot hold what encoder \(stream.encoderName) makes",
                remedy: others.isEmpty
                    ? "Choose another encoder."
                    : "Name it \(others.joined(separator: " or ")), or choose another encoder.")
        }
        try LibAV.call("avcodec_parameters_copy", subject: file.path) {
            avcodec_parameters_copy(output.pointee.codecpar, stream.parameters)
        }
        // The tag belongs to the container; the encoder's would be another's.
        output.pointee.codecpar.pointee.codec_tag = stream.fourcc ?? 0
        output.pointee.time_base = AVRational(num: 1, den: container.ticks)
        output.pointee.avg_frame_rate = stream.frameRate
        output.pointee.sample_aspect_ratio = stream.parameters.pointee.sample_aspect_ratio
        av_dict_set(&context.pointee.metadata, "creation_time", WallClock.text(startNanoseconds), 0)
        for (name, value) in container.options {
            try LibAV.call("av_opt_set", subject: file.path) { av_opt_set(context.pointee.priv_data, name, value, 0) }
        }
        try openIO()
        // What is whole goes to the file at once, so that it is lost with the machine only.
        context.pointee.flags |= AVFMT_FLAG_FLUSH_PACKETS | AVFMT_FLAG_CUSTOM_IO
        let result = libav { avformat_write_header(context, nil) }
        try check(result, "avformat_write_header")
        avio_flush(io)
        try check(io!.pointee.error, "avformat_write_header")
        whole.bytes = file.length
    }

    /// Our own output (avio_alloc_context(3)): writes go to the file that `file` owns.
    private func openIO() throws(CamdError) {
        let buffer = av_malloc(Self.bufferBytes)?.assumingMemoryBound(to: UInt8.self)
        io = avio_alloc_context(
            buffer, CInt(Self.bufferBytes), 1, Unmanaged.passUnretained(file).toOpaque(), nil,
            { opaque, bytes, count in
                guard let opaque, let bytes, count > 0 else { return 0 }
                return Unmanaged<OutputFile>.fromOpaque(opaque).takeUnretainedValue()
                    .write(UnsafeRawPointer(bytes), Int(count))
            },
            { opaque, offset, whence in
                guard let opaque else { return -1 }
                return Int64(Unmanaged<OutputFile>.fromOpaque(opaque).takeUnretainedValue().seek(Int(offset), whence))
            })
        guard io != nil else {
            av_free(buffer)
            throw LibAV.noMemory("avio_alloc_context", subject: file.path)
        }
        context.pointee.pb = io
    }

    /// Writes one packet (av_write_frame(3)).
    func write(_ packet: consuming EncodedPacket) throws(CamdError) {
        let raw = packet.raw
        let end = av_rescale_q(raw.pointee.pts + raw.pointee.duration, stream.timeBase, Self.microsecond)
        raw.pointee.pts -= origin
        raw.pointee.dts -= origin
        av_packet_rescale_ts(raw, stream.timeBase, output.pointee.time_base)
        raw.pointee.stream_index = 0
        // Two frames closer than a tick of the container: muxers refuse times that do not rise.
        if raw.pointee.dts <= lastTime {
            raw.pointee.dts = lastTime + 1
            raw.pointee.pts = max(raw.pointee.pts, raw.pointee.dts)
        }
        lastTime = raw.pointee.dts
        let result = libav { av_write_frame(context, raw) }
        try check(result, "av_write_frame")
        before = taken
        taken.frames += 1
        taken.microseconds = max(taken.microseconds, end)
        guard file.length > whole.bytes else { return }
        whole = container.writesAtOnce ? taken : before
        whole.bytes = file.length
    }

    /// Ends the cluster or fragment (av_write_frame(3) of no packet) and writes it, so that all that was taken is in the
    /// file. It plays up to there then.
    func flush() throws(CamdError) {
        guard taken.frames > whole.frames else { return }
        let result = libav { av_write_frame(context, nil) }
        try check(result, "av_write_frame")
        avio_flush(io)
        try check(io!.pointee.error, "av_write_frame")
        whole = taken
        whole.bytes = file.length
        guard let (name, value) = container.optionAfterFlush else { return }
        try LibAV.call("av_opt_set", subject: file.path) { av_opt_set(context.pointee.priv_data, name, value, 0) }
    }

    /// Brings what is whole to the disk (fdatasync(2)).
    func sync() throws(CamdError) {
        guard synced != whole else { return }
        _ = file.sync()
        try check(0, "fdatasync")
        synced = whole
    }

    /// Writes what is still in memory and the index (av_write_trailer(3)), syncs and closes the file.
    func finish() throws(CamdError) {
        // The last cluster first: where there is no space left for the index, the file does well without.
        let flushed = libav { av_write_frame(context, nil) }
        try check(flushed, "av_write_frame")
        avio_flush(io)
        try check(io!.pointee.error, "av_write_frame")
        whole = taken
        whole.bytes = file.length
        let result = libav { av_write_trailer(context) }
        try check(result, "av_write_trailer")
        avio_flush(io)
        try check(io!.pointee.error, "av_write_trailer")
        try file.close(isWhole: true)
        synced = whole
    }

    /// Closes the file as it stands.
    func abandon() {
        file.cut(to: whole.bytes)
        do throws(CamdError) {
            try file.close(isWhole: false)
            synced = whole
        } catch {
            // What was told already counts: an earlier error.
        }
    }

    private func libav(_ body: () -> CInt) -> CInt {
        LibAV.listen()
        return body()
    }

    private func check(_ result: CInt, _ call: String) throws(CamdError) {
        guard result < 0 || file.failure != nil else { return }
        let error = file.failure ?? LibAV.error(result, call: call, subject: file.path, kind: .inputOutput)
        abandon()
        throw error
    }
}
