import CaptureCore
import Synchronization

/// A count and a switch that threads share.
final class Counter: Sendable {
    private let value = Atomic<UInt64>(0)
    private let stopped = Atomic<Bool>(false)

    var count: UInt64 { value.load(ordering: .sequentiallyConsistent) }
    func add(_ number: UInt64 = 1) { value.wrappingAdd(number, ordering: .sequentiallyConsistent) }
    var isStopped: Bool { stopped.load(ordering: .sequentiallyConsistent) }
    func stop() { stopped.store(true, ordering: .sequentiallyConsistent) }
}
