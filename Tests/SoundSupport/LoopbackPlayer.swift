import CALSA
import LinuxSystem
import Synchronization

/// Plays clicks into the lab's loopback card, one each second of the card's, and knows when each was played.
public final class LoopbackPlayer: @unchecked Sendable {
    private let pcm: OpaquePointer
    private let state: OpaquePointer
    private let stopping = Atomic<Bool>(false)
    private let found: Mutex<[Point]> = Mutex([])
    private let ended: Mutex<String?> = Mutex(nil)
    private var thread: OSThread?
    private var written = 0
    /// Counted up when the card's buffer has run empty.
    private var run = 0

    private struct Point {
        var run: Int
        var frame: Int
        var nanoseconds: UInt64
    }

    public static let device = "hw:CARD=Loopback,DEV=0"
    private static let rate = 48_000
    /// Frames in a click.
    private static let click = 96

    /// Why it ended before it was stopped; nil when all is well.
    public var failure: String? { ended.withLock { $0 } }

    public init() throws {
        var pcm: OpaquePointer?
        try Self.check(snd_pcm_open(&pcm, Self.device, SND_PCM_STREAM_PLAYBACK, 0), "snd_pcm_open")
        self.pcm = pcm!
        var state: OpaquePointer?
        try Self.check(snd_pcm_status_malloc(&state), "snd_pcm_status_malloc")
        self.state = state!
        try Self.check(
            snd_pcm_set_params(
                pcm, SND_PCM_FORMAT_S16_LE, SND_PCM_ACCESS_RW_INTERLEAVED, 2, UInt32(Self.rate), 0, 1_000_000),
            "snd_pcm_set_params")
        var params: OpaquePointer?
        try Self.check(snd_pcm_sw_params_malloc(&params), "snd_pcm_sw_params_malloc")
        snd_pcm_sw_params_current(pcm, params)
        snd_pcm_sw_params_set_tstamp_mode(pcm, params, SND_PCM_TSTAMP_ENABLE)
        snd_pcm_sw_params_set_tstamp_type(pcm, params, SND_PCM_TSTAMP_TYPE_MONOTONIC)
        try Self.check(snd_pcm_sw_params(pcm, params), "snd_pcm_sw_params")
        snd_pcm_sw_params_free(params)
        thread = try OSThread("player") { [self] in play() }
    }

    deinit {
        snd_pcm_status_free(state)
        snd_pcm_close(pcm)
    }

    /// Ends it. Returns CLOCK_MONOTONIC, in seconds, of the clicks that were played whole: by the straight line through the
    /// times at which the card was at a frame.
    public func stop() -> [Double] {
        stopping.store(true, ordering: .sequentiallyConsistent)
        thread?.join()
        thread = nil
        snd_pcm_drop(pcm)
        let points = found.withLock { $0 }
        var clicks: [Double] = []
        for run in 0...(points.last?.run ?? 0) { clicks += Self.clicks(points.filter { $0.run == run }) }
        return clicks
    }

    /// Those of one run, by the straight line through its points.
    private static func clicks(_ points: [Point]) -> [Double] {
        guard let first = points.first, points.count > 10, let last = points.last else { return [] }
        let x = points.map { Double($0.frame - first.frame) }
        let y = points.map { Double($0.nanoseconds - first.nanoseconds) / 1e9 }
        let meanX = x.reduce(0, +) / Double(points.count)
        let meanY = y.reduce(0, +) / Double(points.count)
        var (xx, xy) = (0.0, 0.0)
        for (x, y) in zip(x, y) {
            xx += (x - meanX) * (x - meanX)
            xy += (x - meanX) * (y - meanY)
        }
        let start = Double(first.nanoseconds) / 1e9 + meanY
        let middle = Double(first.frame) + meanX
        return stride(from: rate / 2, to: last.frame - click, by: rate).filter { $0 >= first.frame }.map {
            start + (Double($0) - middle) * xy / xx
        }
    }

    private func play() {
        var samples = [Int16](repeating: 0, count: 480 * 2)
        while !stopping.load(ordering: .acquiring) {
            for index in 0..<480 {
                let phase = (written + index) % Self.rate - Self.rate / 2
                let value: Int16 = phase >= 0 && phase < Self.click ? (phase / 12 % 2 == 0 ? 26_000 : -26_000) : 0
                samples[index * 2] = value
                samples[index * 2 + 1] = value
            }
            let count = snd_pcm_writei(pcm, samples, 480)
            if count == -32, run < 20, snd_pcm_prepare(pcm) >= 0 {
                // A machine that is busy elsewhere. All that was written has been played.
                run += 1
                continue
            }
            guard count == 480 else {
                ended.withLock { $0 = "snd_pcm_writei gave \(count)" }
                return
            }
            written += 480
            guard snd_pcm_status(pcm, state) >= 0, snd_pcm_status_get_state(state) == SND_PCM_STATE_RUNNING else {
                continue
            }
            var stamp = snd_htimestamp_t()
            snd_pcm_status_get_htstamp(state, &stamp)
            // Before the first interrupt there is no time.
            guard stamp.tv_sec > 0 || stamp.tv_nsec > 0 else { continue }
            let frame = written - Int(snd_pcm_status_get_delay(state))
            found.withLock {
                $0.append(
                    Point(
                        run: run, frame: frame,
                        nanoseconds: UInt64(stamp.tv_sec) * 1_000_000_000 + UInt64(stamp.tv_nsec)))
            }
        }
    }

    private static func check(_ result: CInt, _ call: String) throws {
        guard result < 0 else { return }
        throw CamdError(call: call, errno: Errno(-result), subject: device)
    }
}
