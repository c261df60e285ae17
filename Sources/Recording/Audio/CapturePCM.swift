import CALSA
import Glibc
import LinuxSystem

/// An open capture device of ALSA's; owns the `snd_pcm_t`. For one thread at a time. Calls never wait for sound.
struct CapturePCM: ~Copyable {
    let name: String
    let format: SoundFormat
    /// Frames for each interrupt.
    let periodFrames: Int
    private let raw: OpaquePointer
    private let state: OpaquePointer

    /// How many descriptors a device may have to be polled.
    static let mostDescriptors = 7
    private static let logIsOurs: Void = calsa_be_quiet()
    /// What the card's buffer is asked to hold: a thread that comes late by less loses nothing.
    private static let bufferMicroseconds: UInt32 = 1_000_000
    private static let periodMicroseconds: UInt32 = 20_000

    /// Opens and sets up a device (snd_pcm_open(3), snd_pcm_hw_params(3), snd_pcm_sw_params(3)). It is not started.
    /// - Parameter wanted: what is asked for first, if the card has it.
    /// - Throws: `.usage` for a name that is none, `.noInput` where there is no such device, `.temporary` where another
    ///   program has it, `.unavailable` where it takes nothing that camd reads.
    init(_ name: String, like wanted: SoundFormat? = nil) throws(CamdError) {
        try Self.check(name)
        _ = Self.logIsOurs
        var pcm: OpaquePointer?
        let opened = snd_pcm_open(&pcm, name, SND_PCM_STREAM_CAPTURE, CInt(SND_PCM_NONBLOCK))
        guard opened >= 0, let pcm else { throw Self.openError(opened, name) }
        var status: OpaquePointer?
        do throws(CamdError) {
            let setup = try Self.setUp(pcm, name, like: wanted)
            try Self.setTimes(pcm, name, period: setup.period)
            let descriptors = snd_pcm_poll_descriptors_count(pcm)
            guard (1...CInt(Self.mostDescriptors)).contains(descriptors) else {
                throw CamdError(
                    .unavailable, subject: Self.subject(name), call: "snd_pcm_poll_descriptors_count",
                    reason: "it cannot be polled (\(descriptors) descriptors)",
                    remedy: "Name a device of the kernel's, hw:...")
            }
            guard snd_pcm_status_malloc(&status) >= 0, let status else {
                throw CamdError(call: "snd_pcm_status_malloc", errno: .noMemory, subject: Self.subject(name))
            }
            self.name = name
            format = setup.format
            periodFrames = setup.period
            raw = pcm
            state = status
        } catch {
            snd_pcm_close(pcm)
            throw error
        }
    }

    deinit {
        snd_pcm_status_free(state)
        snd_pcm_close(raw)
    }

    /// Makes it ready and starts it (snd_pcm_prepare(3), snd_pcm_start(3)): at first, and after an overrun.
    func start() throws(CamdError) {
        try Self.call("snd_pcm_prepare", name) { snd_pcm_prepare(raw) }
        try Self.call("snd_pcm_start", name) { snd_pcm_start(raw) }
    }

    /// Fills in what has to be polled (snd_pcm_poll_descriptors(3)); returns how many there are.
    func fill(_ entries: UnsafeMutablePointer<pollfd>) -> Int {
        Int(max(0, snd_pcm_poll_descriptors(raw, entries, UInt32(Self.mostDescriptors))))
    }

    /// Frames that wait, and when the card took the last of them.
    struct Waiting {
        var frames: Int
        var stampNanoseconds: UInt64
    }

    enum Outcome<Value> {
        case some(Value)
        /// Nothing yet.
        case none
        /// The card's buffer ran over; `start` begins anew.
        case overrun
    }

    /// snd_pcm_status(3). Its time is one of CLOCK_MONOTONIC's that has been, whatever the device says.
    func waiting() throws(CamdError) -> Outcome<Waiting> {
        try Self.call("snd_pcm_status", name) { snd_pcm_status(raw, state) }
        switch snd_pcm_status_get_state(state) {
        case SND_PCM_STATE_RUNNING: break
        case SND_PCM_STATE_XRUN, SND_PCM_STATE_SUSPENDED: return .overrun
        case let other:
            let text = snd_pcm_state_name(other).map { String(cString: $0) } ?? "unknown"
            throw CamdError(
                .noInput, subject: Self.subject(name), call: "snd_pcm_status", reason: "it runs no more (\(text))")
        }
        // No card holds more; a plugin may say what it likes.
        let frames = min(snd_pcm_status_get_avail(state), 1 << 20)
        guard frames > 0 else { return .none }
        var stamp = snd_htimestamp_t()
        snd_pcm_status_get_htstamp(state, &stamp)
        let now = Clock.monotonicNanoseconds()
        var nanoseconds = now
        if stamp.tv_sec >= 0, stamp.tv_sec < 1 << 32, (0..<1_000_000_000).contains(stamp.tv_nsec) {
            nanoseconds = UInt64(stamp.tv_sec) * 1_000_000_000 + UInt64(stamp.tv_nsec)
        }
        // Of another clock, or of none, as plugins have it.
        if nanoseconds > now || now - nanoseconds > 1_000_000_000 { nanoseconds = now }
        return .some(Waiting(frames: Int(frames), stampNanoseconds: nanoseconds))
    }

    /// Reads as many as are there (snd_pcm_readi(3)).
    func read(_ frames: Int, to memory: UnsafeMutableRawPointer) throws(CamdError) -> Outcome<Int> {
        let count = snd_pcm_readi(raw, memory, snd_pcm_uframes_t(frames))
        switch count {
        case 1...: return .some(min(count, frames))
        case 0, -Int(EAGAIN): return .none
        case -Int(EPIPE), -Int(ESTRPIPE): return .overrun
        default: throw CamdError(call: "snd_pcm_readi", errno: Errno(CInt(-count)), subject: Self.subject(name))
        }
    }

    static func subject(_ name: String) -> String { "microphone \(name)" }

    /// A name of ALSA's can define a device of its own, which writes a file or runs a program. Only those that are
    /// devices are taken.
    static func check(_ name: String) throws(CamdError) {
        let kinds = ["hw", "plughw", "sysdefault", "dsnoop", "default", "pulse", "pipewire"]
        let kind = name.prefix { $0 != ":" }
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: ","),
                UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard name.utf8.count <= 128, isPlain, kinds.contains(String(kind)) else {
            throw CamdError(
                .usage, subject: "microphone \(name.prefix(128))", reason: "this is no name of a capture device",
                remedy: "Name one such as hw:CARD=NAME,DEV=0; it begins with one of: \(kinds.joined(separator: ", ")).")
        }
    }

    private static func openError(_ result: CInt, _ name: String) -> CamdError {
        let devices = SoundCards.devices().map(\.name)
        let remedy: String? =
            switch -result {
            case EBUSY: "End the program that records from it."
            case EACCES, EPERM: "Run it as a member of the group audio."
            default:
                devices.isEmpty
                    ? "This machine has no sound card that records."
                    : "Those that record are: \(devices.joined(separator: ", "))."
            }
        let errno = Errno(result < 0 ? -result : EIO)
        return CamdError(
            call: "snd_pcm_open", errno: errno, subject: subject(name), remedy: remedy,
            kind: -result == EINVAL ? .noInput : nil)
    }

    @discardableResult
    private static func call(_ call: String, _ name: String, _ body: () -> CInt) throws(CamdError) -> CInt {
        let result = body()
        guard result < 0 else { return result }
        throw CamdError(call: call, errno: Errno(-result), subject: subject(name))
    }

    private static func setUp(
        _ pcm: OpaquePointer, _ name: String, like wanted: SoundFormat?
    ) throws(CamdError) -> (format: SoundFormat, period: Int) {
        var owned: OpaquePointer?
        guard snd_pcm_hw_params_malloc(&owned) >= 0, let params = owned else {
            throw CamdError(call: "snd_pcm_hw_params_malloc", errno: .noMemory, subject: subject(name))
        }
        defer { snd_pcm_hw_params_free(params) }
        try call("snd_pcm_hw_params_any", name) { snd_pcm_hw_params_any(pcm, params) }
        try call("snd_pcm_hw_params_set_access", name) {
            snd_pcm_hw_params_set_access(pcm, params, SND_PCM_ACCESS_RW_INTERLEAVED)
        }
        let samples = (wanted.map { [$0.sample] } ?? []) + SampleFormat.allCases
        guard let sample = samples.first(where: { snd_pcm_hw_params_set_format(pcm, params, $0.alsa) >= 0 }) else {
            throw CamdError(
                .unavailable, subject: subject(name), call: "snd_pcm_hw_params_set_format",
                reason: "it has none of the sample formats that camd reads",
                remedy: "Name it with plughw: in place of hw:.")
        }
        var channels = UInt32(wanted?.channels ?? 2)
        try call("snd_pcm_hw_params_set_channels_near", name) {
            snd_pcm_hw_params_set_channels_near(pcm, params, &channels)
        }
        var rate = UInt32(wanted?.rate ?? SoundTimeline.rate)
        try call("snd_pcm_hw_params_set_rate_near", name) { snd_pcm_hw_params_set_rate_near(pcm, params, &rate, nil) }
        var period = periodMicroseconds
        try call("snd_pcm_hw_params_set_period_time_near", name) {
            snd_pcm_hw_params_set_period_time_near(pcm, params, &period, nil)
        }
        var buffer = bufferMicroseconds
        try call("snd_pcm_hw_params_set_buffer_time_near", name) {
            snd_pcm_hw_params_set_buffer_time_near(pcm, params, &buffer, nil)
        }
        try call("snd_pcm_hw_params", name) { snd_pcm_hw_params(pcm, params) }
        var frames: snd_pcm_uframes_t = 0
        try call("snd_pcm_hw_params_get_period_size", name) {
            snd_pcm_hw_params_get_period_size(params, &frames, nil)
        }
        let format = SoundFormat(sample: sample, channels: Int(channels), rate: Int(rate))
        guard SoundFormat.channelRange.contains(format.channels), SoundFormat.rateRange.contains(format.rate),
            (1...(1 << 20)).contains(frames)
        else {
            throw CamdError(
                .unavailable, subject: subject(name), call: "snd_pcm_hw_params",
                reason: "\(channels) channels at \(rate) Hz in periods of \(frames) are more than camd reads",
                remedy: "Name it with plughw: in place of hw:.")
        }
        return (format, Int(frames))
    }

    private static func setTimes(_ pcm: OpaquePointer, _ name: String, period: Int) throws(CamdError) {
        var owned: OpaquePointer?
        guard snd_pcm_sw_params_malloc(&owned) >= 0, let params = owned else {
            throw CamdError(call: "snd_pcm_sw_params_malloc", errno: .noMemory, subject: subject(name))
        }
        defer { snd_pcm_sw_params_free(params) }
        try call("snd_pcm_sw_params_current", name) { snd_pcm_sw_params_current(pcm, params) }
        try call("snd_pcm_sw_params_set_avail_min", name) {
            snd_pcm_sw_params_set_avail_min(pcm, params, snd_pcm_uframes_t(period))
        }
        try call("snd_pcm_sw_params_set_tstamp_mode", name) {
            snd_pcm_sw_params_set_tstamp_mode(pcm, params, SND_PCM_TSTAMP_ENABLE)
        }
        try call("snd_pcm_sw_params_set_tstamp_type", name) {
            snd_pcm_sw_params_set_tstamp_type(pcm, params, SND_PCM_TSTAMP_TYPE_MONOTONIC)
        }
        try call("snd_pcm_sw_params", name) { snd_pcm_sw_params(pcm, params) }
    }
}
