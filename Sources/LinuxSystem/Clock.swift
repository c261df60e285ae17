import Glibc

/// The kernel's clocks, in nanoseconds.
public enum Clock {
    /// CLOCK_MONOTONIC: the clock of V4L2's timestamps; stands still while the machine sleeps.
    public static func monotonicNanoseconds() -> UInt64 { now(CLOCK_MONOTONIC) }
    /// CLOCK_REALTIME: nanoseconds since 1970-01-01 UTC.
    public static func realtimeNanoseconds() -> UInt64 { now(CLOCK_REALTIME) }

    private static func now(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// A moment on CLOCK_MONOTONIC at which a wait ends.
public struct Deadline: Sendable {
    public let monotonicNanoseconds: UInt64

    public init(afterMilliseconds milliseconds: Int) {
        monotonicNanoseconds = Clock.monotonicNanoseconds() + UInt64(max(0, milliseconds)) * 1_000_000
    }

    /// What is left, rounded up, 0 when it has passed; at most what poll(2) takes.
    public var remainingMilliseconds: CInt {
        let now = Clock.monotonicNanoseconds()
        guard now < monotonicNanoseconds else { return 0 }
        return CInt(clamping: (monotonicNanoseconds - now + 999_999) / 1_000_000)
    }

    public var hasPassed: Bool { Clock.monotonicNanoseconds() >= monotonicNanoseconds }
}
