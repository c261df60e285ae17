import LinuxSystem

@testable import Recording

/// A sound card whose clock is wrong by a known amount, and whose times are told too late by up to a period.
struct SimulatedCard {
    let rate: Int
    /// How much longer its second is than a true one.
    let drift: Double
    let periodFrames: Int
    /// CLOCK_MONOTONIC of its first frame.
    let startNanoseconds: UInt64
    /// How late a time is told at most, in periods.
    var jitter = 1.0
    /// What a frame sounds like, by its true time since the start.
    let sound: (Double) -> Float
    private var dice = Dice(seed: 7)
    private(set) var frames: Int64 = 0
    private var isContinuous = false
    private var bytes: [UInt8] = []

    init(
        rate: Int, drift: Double, periodMilliseconds: Int = 20, startNanoseconds: UInt64 = 5_000_000_000_000,
        sound: @escaping (Double) -> Float
    ) {
        self.rate = rate
        self.drift = drift
        periodFrames = rate * periodMilliseconds / 1000
        self.startNanoseconds = startNanoseconds
        self.sound = sound
        bytes = Array(repeating: 0, count: periodFrames * 2)
    }

    /// True time since the start of its next frame.
    var seconds: Double { seconds(of: frames) }

    private func seconds(of frame: Int64) -> Double { Double(frame) * (1 + drift) / Double(rate) }

    func nanoseconds(_ seconds: Double) -> UInt64 { startNanoseconds + UInt64(max(0, seconds) * 1e9) }

    /// The next period, as the microphone's thread would push it.
    mutating func period(_ take: (SoundBlock, UnsafeRawBufferPointer) throws -> Void) rethrows {
        for index in 0..<periodFrames {
            let value = Int16(sound(seconds(of: frames + Int64(index))) * 32_000)
            bytes[index * 2] = UInt8(truncatingIfNeeded: value)
            bytes[index * 2 + 1] = UInt8(truncatingIfNeeded: value >> 8)
        }
        let late = Double(dice.next() % 1000) / 1000 * jitter * Double(periodFrames) / Double(rate)
        let block = SoundBlock(
            frames: periodFrames, format: SoundFormat(sample: .s16, channels: 1, rate: rate),
            isContinuous: isContinuous, stampNanoseconds: nanoseconds(seconds(of: frames + Int64(periodFrames)) + late),
            stampOffset: periodFrames)
        frames += Int64(periodFrames)
        isContinuous = true
        try bytes.withUnsafeBytes { try take(block, $0) }
    }

    /// Its buffer runs over: so much is never read.
    mutating func lose(seconds: Double) {
        frames += Int64(seconds * Double(rate))
        isContinuous = false
    }

    /// It is away, and silence is told each tenth of a second.
    mutating func pause(seconds length: Double, _ take: (SoundBlock, UnsafeRawBufferPointer) throws -> Void) rethrows {
        let end = seconds + length
        while seconds < end {
            let silence = SoundBlock(
                frames: 0, format: SoundFormat(sample: .s16, channels: 1, rate: rate), isContinuous: false,
                stampNanoseconds: nanoseconds(seconds), stampOffset: 0)
            try take(silence, UnsafeRawBufferPointer(start: nil, count: 0))
            lose(seconds: 0.1)
        }
    }
}

/// Numbers that look random and are the same each time (a linear congruential generator).
struct Dice {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
}
