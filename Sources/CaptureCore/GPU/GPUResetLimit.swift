import LinuxSystem

/// How often a context may be made anew, and how long to wait before.
struct GPUResetLimit {
    /// In a minute.
    let most: Int
    private let pauseMilliseconds: Int
    private var times: [UInt64] = []

    init(most: Int, pauseMilliseconds: Int = 100) {
        self.most = most
        self.pauseMilliseconds = pauseMilliseconds
    }

    /// Milliseconds to wait before the next attempt: none before the first one of a minute, then 100, 200, 400 and so on, up to
    /// a second; nil when there were enough.
    mutating func next(at now: UInt64 = Clock.monotonicNanoseconds()) -> Int? {
        times.removeAll { now - $0 > 60_000_000_000 }
        guard times.count < most else { return nil }
        times.append(now)
        return times.count == 1 ? 0 : min(1000, pauseMilliseconds << min(times.count - 2, 10))
    }
}
