import Glibc
import LinuxSystem
import SoundSupport
import Testing

@testable import Recording

@Suite("Two clocks") struct SoundClockTests {
    /// A click of a millisecond at each fifth second.
    private static func click(_ seconds: Double) -> Float {
        let phase = seconds.truncatingRemainder(dividingBy: 5)
        return phase >= 2.5 && phase < 2.501 ? 0.9 : 0
    }

    private func listen(
        _ timeline: SoundTimeline, _ block: SoundBlock, _ bytes: UnsafeRawBufferPointer, _ heard: inout [Float]
    ) throws {
        try timeline.take(block, bytes) { heard.append(contentsOf: $0) }
    }

    @Test(
        "Ten minutes of a card that is 0.1 % off stay with the clock, over an overrun and a pause",
        arguments: [0.001, -0.001])
    func tenMinutes(drift: Double) throws {
        var card = SimulatedCard(rate: 16_000, drift: drift, sound: Self.click)
        let timeline = try SoundTimeline(channels: 1)
        var heard: [Float] = []
        heard.reserveCapacity(48_000 * 601)
        var worst = (start: 0.0, later: 0.0)
        while card.seconds < 600 {
            let before = card.seconds
            try card.period { try listen(timeline, $0, $1, &heard) }
            if before < 200, card.seconds >= 200 { card.lose(seconds: 0.3) }
            if before < 400, card.seconds >= 400 {
                try card.pause(seconds: 30) { try listen(timeline, $0, $1, &heard) }
            }
        }
        let start = try #require(timeline.startNanoseconds)
        let clicks = Heard(
            startSeconds: Double(Int64(start) - Int64(card.startNanoseconds)) / 1e9, samples: heard
        ).clicks()
        // Those in the pause are not heard.
        let expected = stride(from: 2.5, to: 600, by: 5).filter { !(400..<430.2).contains($0) }
        #expect(clicks.count == expected.count)
        for (click, time) in zip(clicks, expected) {
            let error = abs(click - time)
            if time < 20 { worst.start = max(worst.start, error) } else { worst.later = max(worst.later, error) }
        }
        // Times are told half a period late on average, which nobody can know.
        #expect(worst.start < 0.040, "\(worst)")
        #expect(worst.later < 0.025, "\(worst)")
        #expect(abs(timeline.clock.drift - drift) < 50e-6)
        let length = Double(timeline.samples) / 48_000
        #expect(abs(length - card.seconds) < 0.040)
        #expect(abs(Double(timeline.silentSamples) / 48_000 - 30.3) < 0.2)
    }

    @Test("A card's rate is known within 0.02 % after ten seconds, whatever its jitter", arguments: [0.001, -0.001, 0])
    func converges(drift: Double) throws {
        var card = SimulatedCard(rate: 48_000, drift: drift) { _ in 0 }
        var clock = ClockReconciler(rate: 48_000)
        var position: Int64 = 0
        while card.seconds < 10 {
            card.period { block, _ in
                position += Int64(block.frames)
                clock.observe(position: position, nanoseconds: block.stampNanoseconds)
            }
        }
        #expect(abs(clock.drift - drift) < 200e-6, "\(clock.drift)")
        #expect(clock.jumps == 0)
    }

    @Test("The pitch changes by less than can be heard, and never at once")
    func boundedStretch() {
        var clock = ClockReconciler(rate: 48_000)
        var last = 0.0
        // An error that no card makes: the most that can be asked for.
        for step in 0..<3000 {
            let error = step < 1500 ? 0.09 : -0.09
            let stretch = clock.stretch(error: error, elapsed: 0.02)
            #expect(abs(stretch - last) <= ClockReconciler.mostChange * 0.02 + 1e-12)
            #expect(abs(stretch) <= ClockReconciler.mostCorrection + ClockReconciler.mostDrift)
            last = stretch
        }
        #expect(last < -0.002)
    }

    @Test("A tone of a card that is off has no step in it")
    func noSteps() throws {
        let tone: (Double) -> Float = { Float(sin($0 * 2 * Double.pi * 440) * 0.5) }
        var card = SimulatedCard(rate: 48_000, drift: 0.001, sound: tone)
        let timeline = try SoundTimeline(channels: 1)
        var heard: [Float] = []
        while card.seconds < 20 { try card.period { try listen(timeline, $0, $1, &heard) } }
        #expect(timeline.silentSamples == 0)
        // The steepest that a tone of this pitch is, and what stretching and 16 bits add.
        let most = Float(0.5 * 2 * Double.pi * 440 / 48_000 * 1.02)
        var steepest: Float = 0
        var lowest: Float = 1
        for index in 100..<heard.count { steepest = max(steepest, abs(heard[index] - heard[index - 1])) }
        // Each half wave reaches its top: nothing is left out, and nothing is silent.
        for start in stride(from: 200, to: heard.count - 200, by: 110) {
            lowest = min(lowest, heard[start..<(start + 110)].max() ?? 0)
        }
        #expect(steepest < most)
        #expect(lowest > 0.48)
    }

    @Test("A card whose time jumps with nobody saying so is followed")
    func silentJump() throws {
        var card = SimulatedCard(rate: 16_000, drift: 0.0005, sound: Self.click)
        let timeline = try SoundTimeline(channels: 1)
        var heard: [Float] = []
        while card.seconds < 60 {
            let before = card.seconds
            try card.period { block, bytes in
                var block = block
                block.isContinuous = true
                try listen(timeline, block, bytes, &heard)
            }
            if before < 20, card.seconds >= 20 { card.lose(seconds: 0.4) }
        }
        #expect(timeline.clock.jumps == 1)
        #expect(abs(Double(timeline.samples) / 48_000 - card.seconds) < 0.040)
    }

    @Test("A card that comes back with another rate is heard in time")
    func otherRate() throws {
        let start: UInt64 = 5_000_000_000_000
        let timeline = try SoundTimeline(channels: 1)
        var heard: [Float] = []
        var first = SimulatedCard(rate: 48_000, drift: 0.0005, startNanoseconds: start, sound: Self.click)
        while first.seconds < 10 { try first.period { try listen(timeline, $0, $1, &heard) } }
        try first.pause(seconds: 2) { try listen(timeline, $0, $1, &heard) }
        let begin = first.seconds
        var second = SimulatedCard(
            rate: 44_100, drift: -0.0005, startNanoseconds: first.nanoseconds(begin),
            sound: { Self.click(begin + $0) })
        while begin + second.seconds < 24 { try second.period { try listen(timeline, $0, $1, &heard) } }
        let offset = Double(try #require(timeline.startNanoseconds) - start) / 1e9
        let clicks = Heard(startSeconds: offset, samples: heard).clicks()
        let expected = [2.5, 7.5, 12.5, 17.5, 22.5]
        #expect(clicks.count == expected.count)
        for (click, time) in zip(clicks, expected) { #expect(abs(click - time) < 0.040) }
        #expect(abs(Double(timeline.samples) / 48_000 - begin - second.seconds) < 0.040)
        #expect(abs(Double(timeline.silentSamples) / 48_000 - 2) < 0.1)
    }

    @Test("Times that are no times do not move the track")
    func hostileTimes() throws {
        var card = SimulatedCard(rate: 16_000, drift: 0, sound: Self.click)
        let timeline = try SoundTimeline(channels: 1)
        var heard: [Float] = []
        var periods = 0
        while card.seconds < 30 {
            try card.period { block, bytes in
                var block = block
                periods += 1
                if periods % 50 == 0 { block.stampNanoseconds &+= 900_000_000 }
                if periods % 50 == 25 { block.stampNanoseconds = 0 }
                try listen(timeline, block, bytes, &heard)
            }
        }
        #expect(timeline.clock.jumps == 0)
        #expect(timeline.silentSamples == 0)
        #expect(abs(Double(timeline.samples) / 48_000 - card.seconds) < 0.040)
    }
}
