import CFFmpeg
import LinuxSystem

/// Interleaved floats of one rate to those of another, stretched by as much as is asked (libswresample). Owns the
/// `SwrContext`.
final class Resampler {
    let inputRate: Int
    let outputRate: Int
    private let context: OpaquePointer
    /// Over how many output samples a stretch is spread, which is how finely it can be told: 5 millionths.
    private static let distance: CInt = 200_000

    /// swr_alloc_set_opts2(3), swr_init(3).
    init(inputRate: Int, outputRate: Int, channels: Int) throws(CamdError) {
        self.inputRate = inputRate
        self.outputRate = outputRate
        var layout = AVChannelLayout()
        av_channel_layout_default(&layout, CInt(channels))
        var same = layout
        var context: OpaquePointer?
        do throws(CamdError) {
            try LibAV.call("swr_alloc_set_opts2", subject: "resampler") {
                swr_alloc_set_opts2(
                    &context, &layout, AV_SAMPLE_FMT_FLT, CInt(outputRate), &same, AV_SAMPLE_FMT_FLT,
                    CInt(inputRate), 0, nil)
            }
            guard let context else { throw LibAV.noMemory("swr_alloc_set_opts2", subject: "resampler") }
            let object = UnsafeMutableRawPointer(context)
            // Also where both rates are the same: the clocks are not.
            av_opt_set(object, "flags", "+res", 0)
            av_opt_set_int(object, "linear_interp", 1, 0)
            try LibAV.call("swr_init", subject: "resampler") { swr_init(context) }
            self.context = context
        } catch {
            swr_free(&context)
            throw error
        }
    }

    deinit {
        var owned: OpaquePointer? = context
        swr_free(&owned)
    }

    /// From now on so many more samples come out, as a fraction (swr_set_compensation(3)).
    func stretch(_ fraction: Double) throws(CamdError) {
        let delta = CInt((fraction * Double(Self.distance)).rounded())
        try LibAV.call("swr_set_compensation", subject: "resampler") {
            swr_set_compensation(context, delta, Self.distance)
        }
    }

    /// What went in and has not come out, in seconds (swr_get_delay(3)).
    var delay: Double { Double(swr_get_delay(context, 1_000_000_000)) / 1e9 }

    /// Takes `frames` of them, gives what is ready (swr_convert(3)).
    /// - Returns: how many frames were written to `output`, which has room for `room` of them.
    func convert(
        _ input: UnsafePointer<Float>, frames: Int, to output: UnsafeMutablePointer<Float>, room: Int
    ) throws(CamdError) -> Int {
        var source: UnsafePointer<UInt8>? = UnsafeRawPointer(input).assumingMemoryBound(to: UInt8.self)
        var target: UnsafeMutablePointer<UInt8>? = UnsafeMutableRawPointer(output).assumingMemoryBound(to: UInt8.self)
        return Int(
            try LibAV.call("swr_convert", subject: "resampler") {
                swr_convert(context, &target, CInt(room), &source, CInt(frames))
            })
    }
}
