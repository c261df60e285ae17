import Glibc
import Synchronization

/// Who is inside a buffer: any number of threads that read, or one that writes, or the camera's driver.
///
/// Whoever breaks this reads or leaves behind bytes that nobody can trust: that is a fault in the program, and ends it
/// with a message, in released builds too. One word holds it all, so nothing is allocated and no lock is taken.
struct AccessGate: ~Copyable {
    /// The threads that read are told apart up to so many at once; beyond that only nesting goes unseen.
    private static let places = 8
    private static let writer: UInt64 = 1 << 63
    private static let driver: UInt64 = 1 << 62

    /// The two bits above, and how many read.
    private let state = Atomic<UInt64>(0)
    private let readers = InlineArray<8, Atomic<UInt>> { _ in Atomic(0) }

    /// What `leave` gets back.
    enum Entry {
        case writer
        case reader(place: Int)
    }

    func enter(writing: Bool) -> Entry {
        guard writing else { return .reader(place: beginReading()) }
        let before = state.bitwiseOr(Self.writer, ordering: .acquiringAndReleasing).oldValue
        refuseDriver(before)
        if before != 0 { fatalError("a dma-buf is written while another access is open") }
        return .writer
    }

    func leave(_ entry: Entry) {
        switch entry {
        case .writer: state.bitwiseAnd(~Self.writer, ordering: .releasing)
        case .reader(let place):
            if place < Self.places { readers[place].store(0, ordering: .relaxed) }
            state.wrappingSubtract(1, ordering: .releasing)
        }
    }

    /// From QBUF to DQBUF the buffer is the driver's.
    func setOwnedByDriver(_ isOwned: Bool) {
        guard isOwned else {
            state.bitwiseAnd(~Self.driver, ordering: .releasing)
            return
        }
        let before = state.bitwiseOr(Self.driver, ordering: .acquiringAndReleasing).oldValue
        if before & ~Self.driver != 0 { fatalError("a dma-buf goes to the camera's driver while the CPU has it open") }
    }

    private func beginReading() -> Int {
        let thread = UInt(pthread_self())
        let before = state.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue
        refuseDriver(before)
        if before & Self.writer != 0 { fatalError("a dma-buf is read while another access writes it") }
        var free = Self.places
        for place in 0..<Self.places {
            // Only this thread writes its own number: what is seen of it is exact.
            let reader = readers[place].load(ordering: .relaxed)
            if reader == thread {
                fatalError("a CPU access to a dma-buf is opened inside another one of the same thread")
            }
            if reader == 0, free == Self.places, take(place, thread) { free = place }
        }
        return free
    }

    private func take(_ place: Int, _ thread: UInt) -> Bool {
        readers[place].compareExchange(expected: 0, desired: thread, ordering: .relaxed).exchanged
    }

    private func refuseDriver(_ before: UInt64) {
        if before & Self.driver != 0 { fatalError("the CPU reaches into a buffer that the camera's driver owns") }
    }
}
