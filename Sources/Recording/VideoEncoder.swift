import CFFmpeg
import CaptureCore
import LinuxSystem

/// Compresses frames with one of libavcodec's encoders, reading each where it lies. For one thread at a time.
final class VideoEncoder {
    let settings: EncoderSettings
    let layout: FrameLayout
    /// What a container has to know before the first packet.
    let stream: EncodedStream
    // Declared before the input, so that it ends before what it may still hold.
    private let context: EncoderContext
    private let input: FrameInput
    /// What packets are received into, before they go into one of their own.
    private let received: EncodedPacket
    /// What packets get that come without a duration, in the encoder's time base.
    private let frameTicks: Int64

    private static let microseconds = AVRational(num: 1, den: 1_000_000)
    /// Encoders that are known to take a copy of their own inside the call, so that no trial has to tell:
    /// x264_encoder_encode copies the picture first thing.
    private static let knownToLetGo: Set = ["libx264", "libx264rgb"]

    /// Opens the encoder (avcodec_open2(3)).
    /// - Parameters:
    ///   - nominalFrameRate: frames for each second, 0.01 to 1000. It sets how far apart key frames are and what the
    ///     rate control expects; the times of frames are their own.
    ///   - globalHeader: the container stores the parameter sets once, at its start.
    /// - Throws: `.unavailable` for an encoder that is not there or takes no such frames, `.usage` for an option that
    ///   it does not have or a value that it does not take.
    init(
        _ settings: EncoderSettings, layout: FrameLayout, nominalFrameRate: Double, globalHeader: Bool,
        hasTrial: Bool = true
    ) throws(CamdError) {
        guard nominalFrameRate >= 0.01, nominalFrameRate <= 1000 else {
            throw CamdError(
                .usage, subject: "encoder \(settings.name)",
                reason: "a rate of \(nominalFrameRate) frames a second is out of 0.01 to 1000")
        }
        let rate = av_d2q(nominalFrameRate, 100_000)
        let choice = try EncoderChoice(settings.name, format: layout.format)
        let geometry = try FrameGeometry(layout, choice.planes)
        context = try EncoderContext.open(
            settings, choice, layout: layout, frameRate: rate, globalHeader: globalHeader)
        stream = try EncodedStream(context.raw, encoderName: settings.name)
        input = try FrameInput(geometry, format: choice.pixelFormat, color: layout.color)
        received = try EncodedPacket()
        frameTicks = max(1, av_rescale_q(1, AVRational(num: rate.den, den: rate.num), context.raw.pointee.time_base))
        self.settings = settings
        self.layout = layout
        if context.raw.pointee.active_thread_type & FF_THREAD_FRAME != 0 {
            // Such threads go on after the call; a trial would depend on how fast they are.
            copies = true
        } else if hasTrial, !Self.knownToLetGo.contains(settings.name) {
            let trial = try EncoderContext.open(
                settings, choice, layout: layout, frameRate: rate, globalHeader: globalHeader)
            let input = try FrameInput(geometry, format: choice.pixelFormat, color: layout.color)
            copies = try Self.keepsFrames(trial, input)
        }
    }

    /// Whether frames are copied for this encoder, because it keeps them after the call.
    private(set) var copies = false
    /// Bytes that were copied since the beginning.
    var bytesCopied: UInt64 { input.bytesCopied }

    /// Compresses one frame; gives each packet that is ready to `emit`, mostly one.
    /// - Parameters:
    ///   - timestampMicroseconds: since the first frame; it has to rise.
    ///   - asKeyFrame: asks for a key frame (AVFrame.pict_type), which not all encoders listen to.
    func encode(
        _ lease: borrowing FrameLease, timestampMicroseconds: Int64, asKeyFrame: Bool = false,
        _ emit: (consuming EncodedPacket) throws(CamdError) -> Void
    ) throws(CamdError) {
        input.letGo()
        let time = av_rescale_q(timestampMicroseconds, Self.microseconds, context.raw.pointee.time_base)
        if copies {
            try input.copied(lease) { (frame) throws(CamdError) in try send(frame, time, asKeyFrame, emit) }
            return
        }
        do throws(CamdError) {
            try input.inPlace(lease) { (frame) throws(CamdError) in try send(frame, time, asKeyFrame, emit) }
        } catch {
            if input.isHeld { try? input.keep(lease.share()) }
            throw error
        }
        // Not expected after the trial. This frame's memory stays as it is until the encoder is through with it.
        if input.isHeld {
            copies = true
            try input.keep(lease.share())
        }
    }

    /// Gives what the encoder still has to `emit`. No frame may follow.
    func finish(_ emit: (consuming EncodedPacket) throws(CamdError) -> Void) throws(CamdError) {
        try LibAV.call("avcodec_send_frame", subject: subject, kind: .software) {
            avcodec_send_frame(context.raw, nil)
        }
        try drain(emit)
    }

    private func send(
        _ frame: UnsafeMutablePointer<AVFrame>, _ time: Int64, _ asKeyFrame: Bool,
        _ emit: (consuming EncodedPacket) throws(CamdError) -> Void
    ) throws(CamdError) {
        frame.pointee.pts = time
        frame.pointee.pict_type = asKeyFrame ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
        try LibAV.call("avcodec_send_frame", subject: subject) { avcodec_send_frame(context.raw, frame) }
        try drain(emit)
    }

    /// avcodec_receive_packet(3) until there is none.
    private func drain(_ emit: (consuming EncodedPacket) throws(CamdError) -> Void) throws(CamdError) {
        while true {
            LibAV.listen()
            let result = avcodec_receive_packet(context.raw, received.raw)
            if result == CFFMPEG_ERROR_AGAIN || result == CFFMPEG_ERROR_EOF { return }
            guard result >= 0 else { throw LibAV.error(result, call: "avcodec_receive_packet", subject: subject) }
            let packet = try EncodedPacket()
            av_packet_move_ref(packet.raw, received.raw)
            if packet.raw.pointee.duration <= 0 { packet.raw.pointee.duration = frameTicks }
            try emit(packet)
        }
    }

    private var subject: String { "encoder \(settings.name)" }

    /// Whether an encoder has a reference to a frame after the call: tried on one that is opened for nothing else, so
    /// that no frame of a camera is read outside its access.
    private static func keepsFrames(_ trial: consuming EncoderContext, _ input: FrameInput) throws(CamdError) -> Bool {
        let memory = input.geometry.bufferSizes.map {
            UnsafeMutableRawBufferPointer.allocate(byteCount: $0, alignment: 4096)
        }
        defer { for bytes in memory { bytes.deallocate() } }
        for bytes in memory { bytes.initializeMemory(as: UInt8.self, repeating: 128) }
        return try keepsFrames(trial, input, memory.map { UnsafeRawBufferPointer($0) })
    }

    private static func keepsFrames(
        _ trial: consuming EncoderContext, _ input: FrameInput, _ memory: [UnsafeRawBufferPointer]
    ) throws(CamdError) -> Bool {
        // The first ones of a stream are a key frame and those that refer to it.
        for index in 0..<3 {
            let packet = try EncodedPacket()
            try input.inPlace(memory) { (frame) throws(CamdError) in
                frame.pointee.pts = Int64(index) * 40_000
                // An encoder that fails here will tell why with the first real frame.
                avcodec_send_frame(trial.raw, frame)
                while avcodec_receive_packet(trial.raw, packet.raw) >= 0 {}
            }
            if input.isHeld { return true }
        }
        return false
    }
}
