import Synchronization

/// Counts of a recording: written by its threads, read by anyone, with no lock.
final class Tally: Sendable {
    let frames = Atomic<UInt64>(0)
    let microseconds = Atomic<Int64>(0)
    let syncedFrames = Atomic<UInt64>(0)
    let syncedMicroseconds = Atomic<Int64>(0)
    let bytes = Atomic<Int>(0)
    let files = Atomic<Int>(1)
    let bytesCopied = Atomic<UInt64>(0)
    private let encoderBehind = Atomic<UInt64>(0)
    private let diskBehind = Atomic<UInt64>(0)
    private let timestamp = Atomic<UInt64>(0)
    private let encoderFailed = Atomic<UInt64>(0)
    private let writeFailed = Atomic<UInt64>(0)
    private let over = Atomic<UInt64>(0)

    func lose(_ reason: LossReason, _ count: UInt64 = 1) {
        switch reason {
        case .encoderBehind: encoderBehind.wrappingAdd(count, ordering: .relaxed)
        case .diskBehind: diskBehind.wrappingAdd(count, ordering: .relaxed)
        case .timestamp: timestamp.wrappingAdd(count, ordering: .relaxed)
        case .encoderFailed: encoderFailed.wrappingAdd(count, ordering: .relaxed)
        case .writeFailed: writeFailed.wrappingAdd(count, ordering: .relaxed)
        case .over: over.wrappingAdd(count, ordering: .relaxed)
        }
    }

    func lost(_ reason: LossReason) -> UInt64 {
        switch reason {
        case .encoderBehind: encoderBehind.load(ordering: .relaxed)
        case .diskBehind: diskBehind.load(ordering: .relaxed)
        case .timestamp: timestamp.load(ordering: .relaxed)
        case .encoderFailed: encoderFailed.load(ordering: .relaxed)
        case .writeFailed: writeFailed.load(ordering: .relaxed)
        case .over: over.load(ordering: .relaxed)
        }
    }

    var lost: [LossReason: UInt64] {
        var counts: [LossReason: UInt64] = [:]
        for reason in LossReason.allCases {
            let count = lost(reason)
            if count > 0 { counts[reason] = count }
        }
        return counts
    }
}
