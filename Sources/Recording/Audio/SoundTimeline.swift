import LinuxSystem

/// Makes one gapless track of 48 kHz out of what a card delivers: stretched so that it stays with CLOCK_MONOTONIC, with
/// silence where something is missing. For one thread at a time.
final class SoundTimeline {
    /// Samples of each channel for each second of the track.
    static let rate = 48_000
    let channels: Int
    /// CLOCK_MONOTONIC of the track's first sample; nil until the first block.
    private(set) var startNanoseconds: UInt64?
    /// Samples of each channel that were handed on.
    private(set) var samples: Int64 = 0
    /// Samples of silence that were put in.
    private(set) var silentSamples: Int64 = 0
    /// By how much the track ended before the next frame's time at the last block, in seconds.
    private(set) var error = 0.0
    private(set) var clock: ClockReconciler

    private var resampler: Resampler
    private var format: SoundFormat?
    /// Frames of the card since the format was set.
    private var position: Int64 = 0
    /// The next frames do not follow the last ones.
    private var isBroken = true
    private var lastStretch = 0.0
    private let input: UnsafeMutablePointer<Float>
    private let output: UnsafeMutablePointer<Float>

    /// Frames that go through the resampler at a time.
    private static let chunk = 2048
    /// 8 kHz becomes 48 kHz; and what the resampler still had.
    private static let room = chunk * 8
    /// A track that is off by more than this is not stretched for a minute: the rest is silence, or is cut.
    private static let mostError = 0.100
    /// What a single block may bring of silence. A time that lies further on is no time.
    private static let longestSilence: UInt64 = 3600 * 1_000_000_000

    init(channels: Int) throws(CamdError) {
        precondition((1...2).contains(channels))
        self.channels = channels
        clock = ClockReconciler(rate: Self.rate)
        resampler = try Resampler(inputRate: Self.rate, outputRate: Self.rate, channels: channels)
        input = .allocate(capacity: Self.chunk * channels)
        output = .allocate(capacity: Self.room * channels)
        input.initialize(repeating: 0, count: Self.chunk * channels)
    }

    deinit {
        input.deallocate()
        output.deallocate()
    }

    /// Takes a block; gives interleaved samples to `emit`.
    func take(
        _ block: SoundBlock, _ bytes: UnsafeRawBufferPointer,
        _ emit: (UnsafeBufferPointer<Float>) throws(CamdError) -> Void
    ) throws(CamdError) {
        guard block.frames > 0 else {
            try fill(until: block.stampNanoseconds, emit)
            isBroken = true
            return
        }
        if block.format != format { try change(to: block.format) }
        var skipped = 0
        if isBroken || !block.isContinuous {
            skipped = try mend(block, emit)
        } else {
            clock.observe(position: position + Int64(block.stampOffset), nanoseconds: block.stampNanoseconds)
        }
        error = end.map { seconds(from: $0, to: clock.nanoseconds(at: position + Int64(skipped))) } ?? 0
        if abs(error) > Self.mostError {
            // The card's time has jumped, with nobody saying so.
            skipped = try mend(block, emit)
            error = 0
        }
        let stretch = clock.stretch(error: error, elapsed: Double(block.frames) / clock.rate)
        if abs(stretch - lastStretch) > 2e-6 || samples == 0 { lastStretch = stretch }
        // Each time: libswresample takes a stretch back after a while.
        try resampler.stretch(lastStretch)
        try play(block, bytes, skipped, emit)
        position += Int64(block.frames)
    }

    /// Silence up to a time, if the track ends before.
    func fill(
        until nanoseconds: UInt64, _ emit: (UnsafeBufferPointer<Float>) throws(CamdError) -> Void
    ) throws(CamdError) {
        guard let end else {
            startNanoseconds = nanoseconds
            return
        }
        guard nanoseconds > end, nanoseconds - end < Self.longestSilence else { return }
        var frames = Int(Double(nanoseconds - end) / 1e9 * Double(resampler.inputRate))
        silentSamples += Int64(Double(frames) * Double(Self.rate) / Double(resampler.inputRate))
        try resampler.stretch(0)
        while frames > 0 {
            let count = min(frames, Self.chunk)
            input.update(repeating: 0, count: count * channels)
            try convert(count, emit)
            frames -= count
        }
    }

    /// CLOCK_MONOTONIC at which the track ends, with what is in the resampler.
    private var end: UInt64? {
        guard let startNanoseconds else { return nil }
        let nanoseconds = Self.nanoseconds(of: samples) + Int64(resampler.delay * 1e9)
        return UInt64(max(0, Int64(startNanoseconds) + nanoseconds))
    }

    /// Of so many samples, rounded to the nearest.
    static func nanoseconds(of samples: Int64) -> Int64 {
        let (seconds, rest) = samples.quotientAndRemainder(dividingBy: Int64(rate))
        return seconds * 1_000_000_000 + Int64((Double(rest) * 1e9 / Double(rate)).rounded())
    }

    /// Puts silence before a block whose frames do not follow the last ones. Returns how many of its frames lie in time
    /// that the track has already.
    private func mend(
        _ block: SoundBlock, _ emit: (UnsafeBufferPointer<Float>) throws(CamdError) -> Void
    ) throws(CamdError) -> Int {
        isBroken = false
        clock.restart(position: position + Int64(block.stampOffset), nanoseconds: block.stampNanoseconds)
        let start = clock.nanoseconds(at: position)
        guard let end else {
            startNanoseconds = start
            return 0
        }
        if start >= end {
            try fill(until: start, emit)
            return 0
        }
        let early = Double(end - start) / 1e9
        let skipped = min(block.frames, Int(early * Double(resampler.inputRate)))
        // All of it lies in the past: what is next does not follow, either.
        isBroken = skipped == block.frames
        return skipped
    }

    /// The card has come back as another one, or this is the first block.
    private func change(to new: SoundFormat) throws(CamdError) {
        if new.rate != resampler.inputRate {
            // What is in the old resampler, some sixteen samples, is made up for as a gap.
            resampler = try Resampler(inputRate: new.rate, outputRate: Self.rate, channels: channels)
        }
        if new.rate != format?.rate { clock = ClockReconciler(rate: new.rate) }
        format = new
        position = 0
        isBroken = true
    }

    private func play(
        _ block: SoundBlock, _ bytes: UnsafeRawBufferPointer, _ skipped: Int,
        _ emit: (UnsafeBufferPointer<Float>) throws(CamdError) -> Void
    ) throws(CamdError) {
        var first = skipped
        while first < block.frames {
            let count = min(Self.chunk, block.frames - first)
            let part = UnsafeRawBufferPointer(rebasing: bytes[(first * block.format.frameBytes)...])
            block.format.decode(part, frames: count, to: input, channels: channels)
            try convert(count, emit)
            first += count
        }
    }

    private func convert(
        _ frames: Int, _ emit: (UnsafeBufferPointer<Float>) throws(CamdError) -> Void
    ) throws(CamdError) {
        let count = try resampler.convert(input, frames: frames, to: output, room: Self.room)
        samples += Int64(count)
        if count > 0 { try emit(UnsafeBufferPointer(start: output, count: count * channels)) }
    }

    private func seconds(from one: UInt64, to other: UInt64) -> Double {
        Double(Int64(bitPattern: other &- one)) / 1e9
    }
}
