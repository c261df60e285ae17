import CFFmpeg
import CaptureCore
import Glibc
import LinuxSystem

/// How video is to be encoded.
public struct EncoderSettings: Sendable, Hashable {
    /// One of libavcodec's video encoders, as `ffmpeg -encoders` lists them; or one of V4L2's: `v4l2`, `v4l2:h264`,
    /// `v4l2:/dev/video2`.
    public var name: String
    /// Options of libavcodec's by name, or V4L2's controls as v4l2-ctl names them; what is not given is chosen for recording live.
    public var options: [String: String]
    /// Threads of the encoder; 0: half as many as there are CPUs, 1 or 2.
    public var threads: Int
    /// Frames are in the CPU's caches only, and a device that reads them may not look there (`DriverWrites`).
    public var publishesFrames = false

    public init(name: String = "libx264", options: [String: String] = [:], threads: Int = 0) {
        self.name = name
        self.options = options
        self.threads = threads
    }
}

/// An open encoder of libavcodec; owns the `AVCodecContext`.
struct EncoderContext: ~Copyable {
    let raw: UnsafeMutablePointer<AVCodecContext>

    deinit {
        var owned: UnsafeMutablePointer<AVCodecContext>? = raw
        avcodec_free_context(&owned)
    }

    /// avcodec_alloc_context3(3).
    private init(_ codec: UnsafePointer<AVCodec>, _ subject: String) throws(CamdError) {
        guard let raw = avcodec_alloc_context3(codec) else {
            throw LibAV.noMemory("avcodec_alloc_context3", subject: subject)
        }
        self.raw = raw
    }

    /// av_opt_set(3) for each option, then avcodec_open2(3).
    static func open(
        _ settings: EncoderSettings, _ choice: EncoderChoice, layout: FrameLayout, frameRate: AVRational,
        globalHeader: Bool
    ) throws(CamdError) -> EncoderContext {
        let subject = "encoder \(settings.name)"
        let context = try EncoderContext(choice.codec, subject)
        let raw = context.raw

        let interval = (Int(frameRate.num) + Int(frameRate.den) / 2) / Int(frameRate.den)
        raw.pointee.gop_size = CInt(clamping: max(1, interval))
        raw.pointee.max_b_frames = 0
        raw.pointee.thread_count = CInt(clamping: settings.threads > 0 ? settings.threads : ownThreads)
        // Threads that each take a frame of their own would keep frames after the call.
        raw.pointee.thread_type = FF_THREAD_SLICE
        for (name, value) in defaults(settings, raw, layout: layout, frameRate: frameRate) {
            av_opt_set(raw, name, value, AV_OPT_SEARCH_CHILDREN)
        }
        for (name, value) in settings.options.sorted(by: { $0.key < $1.key }) {
            try context.set(name, value, subject)
        }

        // Set after the options, because they are what the frames are.
        raw.pointee.width = CInt(clamping: layout.width)
        raw.pointee.height = CInt(clamping: layout.height)
        raw.pointee.pix_fmt = choice.pixelFormat
        raw.pointee.sample_aspect_ratio = AVRational(num: 1, den: 1)
        // Microseconds: frames have the times that the driver told, not a rate. MPEG-4's own field has 16 bits.
        let ticks: CInt = choice.codec.pointee.id == AV_CODEC_ID_MPEG4 ? 60_000 : 1_000_000
        raw.pointee.time_base = AVRational(num: 1, den: ticks)
        raw.pointee.framerate = frameRate
        let tags = ColorTags(layout.color)
        raw.pointee.color_primaries = tags.primaries
        raw.pointee.color_trc = tags.transfer
        raw.pointee.colorspace = tags.matrix
        raw.pointee.color_range = tags.range
        if globalHeader { raw.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER }

        try LibAV.call(
            "avcodec_open2", subject: subject, kind: .unavailable,
            remedy: remedy(layout)
        ) { avcodec_open2(raw, choice.codec, nil) }
        return context
    }

    private static func remedy(_ layout: FrameLayout) -> String {
        guard layout.width % 2 != 0 || layout.height % 2 != 0 else {
            return "Check its options and the frame size, \(layout.sizeText)."
        }
        // Chroma samples stand for two by two pixels, and most encoders want whole ones.
        let even = "\(max(2, layout.width & ~1))x\(max(2, layout.height & ~1))"
        return "Most encoders want even sizes; the nearest is \(even) (--size, --scale or --crop)."
    }

    /// The names that the frames decide, not the user.
    private static let ours: Set = [
        "time_base", "pixel_format", "video_size", "framerate", "colorspace", "color_range", "color_primaries",
        "color_trc", "aspect",
    ]

    private func set(_ name: String, _ value: String, _ subject: String) throws(CamdError) {
        let line = "option \(name)=\(value) of \(subject)"
        guard !Self.ours.contains(name) else {
            throw CamdError(
                .usage, subject: line, reason: "this follows from the frames and cannot be set",
                remedy: "Leave it out.")
        }
        guard av_opt_find(raw, name, nil, AV_OPT_FLAG_ENCODING_PARAM, AV_OPT_SEARCH_CHILDREN) != nil else {
            throw CamdError(
                .usage, subject: line, call: "av_opt_find", reason: "there is no such option",
                remedy: "`ffmpeg -h encoder=\(String(cString: raw.pointee.codec.pointee.name))` lists them.")
        }
        try LibAV.call("av_opt_set", subject: line, kind: .usage) {
            av_opt_set(raw, name, value, AV_OPT_SEARCH_CHILDREN)
        }
    }

    /// What is set before the user's options.
    private static func defaults(
        _ settings: EncoderSettings, _ context: UnsafeMutablePointer<AVCodecContext>, layout: FrameLayout,
        frameRate: AVRational
    ) -> [(String, String)] {
        if settings.name == "libx264" {
            // A rate that the user chose is not to lose against our quality.
            let hasRate = ["b", "crf", "qp", "cqp"].contains { settings.options[$0] != nil }
            return [("preset", "ultrafast")] + (hasRate ? [] : [("crf", "23")])
        }
        // SVT's own default takes many times as long as a camera gives it.
        if settings.name == "libsvtav1" { return [("preset", "10")] }
        let hasOwnRate = ["b", "q", "global_quality", "flags"].contains { settings.options[$0] != nil }
        if [AV_CODEC_ID_MJPEG, AV_CODEC_ID_LJPEG].contains(context.pointee.codec_id), !hasOwnRate {
            // A quality that does not depend on what is seen: a still camera's.
            return [("flags", "+qscale"), ("global_quality", String(3 * FF_QP2LAMBDA))]
        }
        // libavcodec's own default, 200 kbit/s whatever the size, is of no use: a tenth of a bit for each pixel.
        guard context.pointee.bit_rate == 200_000 else { return [] }
        let pixels = Double(layout.width) * Double(layout.height) * Double(frameRate.num) / Double(frameRate.den)
        return [("b", String(Int(max(200_000, min(pixels / 10, 1e9)))))]
    }

    /// Half of the CPUs, at most 2: the rest is for the camera, the GPU's driver, and whatever else the machine does.
    private static var ownThreads: Int { min(2, max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)) / 2)) }
}
