/// A sound card's clock against CLOCK_MONOTONIC. It is told at which time the card was at which frame, estimates from that
/// how long the card's second is, and says by how much sound has to be stretched so that it stays with the picture.
///
/// The estimate is a straight line through (frame, time), by least squares, in which what is older than some 20 s counts
/// less and less. A time that lies far off the line counts only as far as times usually do, and a line that is off for
/// longer is given up: the card's time has jumped. At the start, and after a jump, the slope is held near what is known
/// of it, as if that had been measured over a few seconds, so that the first times, with their jitter, do not throw it.
struct ClockReconciler: Sendable {
    /// Frames for each second, as the card says.
    let rate: Double
    /// How much longer the card's second is than a true one: 0.001 for a card that is 0.1 % slow.
    private(set) var drift = 0.0
    /// Times that the card's time was off for so long that it was taken for a jump.
    private(set) var jumps = 0
    /// The stretch that was given last.
    private(set) var stretch = 0.0

    private var basePosition: Int64 = 0
    private var baseNanoseconds: UInt64 = 0
    private var hasBase = false
    /// Of the newest point, in the card's seconds since the base.
    private var newest = 0.0
    /// Weighted sums, with x counted from `newest`: y is how much later than the card would have it a time is, in seconds.
    private var sum = (w: 0.0, x: 0.0, xx: 0.0, y: 0.0, xy: 0.0)
    /// What the line has at `newest`.
    private var offset = 0.0
    private var knownDrift = 0.0
    private var knownWeight = Self.firstWeight
    /// How far times usually are off the line, in seconds.
    private var spread = 0.010
    private var offSeconds = 0.0

    /// Of a time's weight, to 1/e, in seconds.
    private static let memory = 20.0
    /// What the slope is held by, in s³: a jitter of 5 ms against a card that is 0.05 % off.
    private static let firstWeight = 2.0
    private static let laterWeight = 100.0
    /// What no card's clock is off by.
    static let mostDrift = 0.005
    /// An error is worked off in so many seconds, to 1/e.
    private static let settling = 8.0
    /// The most that an error may change the pitch by: 4 hundredths of a semitone.
    static let mostCorrection = 0.0025
    /// The most that the stretch changes by in a second.
    static let mostChange = 0.002

    init(rate: Int) { self.rate = Double(rate) }

    /// The card has taken `position` frames at a time on CLOCK_MONOTONIC. Positions rise.
    mutating func observe(position: Int64, nanoseconds: UInt64) {
        guard hasBase else { return restart(position: position, nanoseconds: nanoseconds) }
        let x = Double(position - basePosition) / rate
        let step = x - newest
        guard step > 0 else { return }
        let y = seconds(nanoseconds) - x
        let expected = offset + drift * step
        var off = y - expected
        offSeconds = abs(off) > max(0.025, 6 * spread) ? offSeconds + step : 0
        if offSeconds > 0.5 {
            jumps += 1
            return restart(position: position, nanoseconds: nanoseconds)
        }
        let most = max(3 * spread, 0.001)
        off = max(-most, min(most, off))
        spread += (abs(off) - spread) * min(1, step / 2)

        // The sums move their origin to the new point.
        sum.xx += step * (step * sum.w - 2 * sum.x)
        sum.xy -= step * sum.y
        sum.x -= step * sum.w
        let weight = 1 - min(0.5, step / Self.memory)
        sum = (sum.w * weight, sum.x * weight, sum.xx * weight, sum.y * weight, sum.xy * weight)
        // Weighted by how long it stands for, so that the length of a period changes nothing.
        let counts = min(step, 0.5)
        sum.w += counts
        sum.y += counts * (expected + off)
        newest = x
        fit()
    }

    /// The card is at `position` at this time, whatever was before: something is missing between, or the card has been
    /// opened again. What is known of its rate is kept.
    mutating func restart(position: Int64, nanoseconds: UInt64) {
        if sum.w > 3 {
            knownDrift = drift
            knownWeight = Self.laterWeight
        }
        basePosition = position
        baseNanoseconds = nanoseconds
        hasBase = true
        newest = 0
        offset = 0
        offSeconds = 0
        sum = (0.02, 0, 0, 0, 0)
        drift = knownDrift
    }

    /// When the card was or will be at a position, on CLOCK_MONOTONIC.
    func nanoseconds(at position: Int64) -> UInt64 {
        let x = Double(position - basePosition) / rate
        let late = offset + drift * (x - newest)
        return UInt64(max(0, Int64(baseNanoseconds) + Int64((x + late) * 1e9)))
    }

    /// How many more samples than the card's are to be made of the next ones, as a fraction of these: the drift, and a
    /// little of the error.
    /// - Parameters:
    ///   - error: by how much the track's end is before the time of the frame that follows, in seconds.
    ///   - elapsed: seconds since the last call.
    mutating func stretch(error: Double, elapsed: Double) -> Double {
        let correction = max(-Self.mostCorrection, min(Self.mostCorrection, error / Self.settling))
        let change = Self.mostChange * max(0, elapsed)
        stretch += max(-change, min(change, drift + correction - stretch))
        return stretch
    }

    private mutating func fit() {
        let meanX = sum.x / sum.w
        let xx = sum.xx - sum.x * meanX
        let xy = sum.xy - meanX * sum.y
        drift = (xy + knownWeight * knownDrift) / (xx + knownWeight)
        drift = max(-Self.mostDrift, min(Self.mostDrift, drift))
        offset = sum.y / sum.w - drift * meanX
    }

    private func seconds(_ nanoseconds: UInt64) -> Double {
        Double(Int64(bitPattern: nanoseconds &- baseNanoseconds)) / 1e9
    }
}
