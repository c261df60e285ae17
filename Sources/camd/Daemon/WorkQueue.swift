import LinuxSystem
import Synchronization

/// A thread that does one thing after the other, for what would hold up the loop. A bounded number of things wait.
final class WorkQueue: Sendable {
    typealias Job = @Sendable () -> Void

    private struct State {
        var jobs: [Job] = []
        var isClosed = false
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
        let bell: EventFD
        init() throws(CamdError) { bell = try EventFD() }

        func run() {
            while true {
                let (job, isOver) = state.withLock { state -> (Job?, Bool) in
                    if state.jobs.isEmpty { return (nil, state.isClosed) }
                    return (state.jobs.removeFirst(), false)
                }
                if let job {
                    job()
                } else if isOver {
                    return
                } else {
                    // Nothing to do is no reason to give up: it waits for as long as the program runs.
                    _ = try? wait(for: .input, on: bell.descriptor.rawValue, milliseconds: -1)
                    bell.clear()
                }
            }
        }
    }

    private let shared: Shared
    private let capacity: Int

    init(_ name: String, capacity: Int) throws(CamdError) {
        let shared = try Shared()
        self.shared = shared
        self.capacity = capacity
        // It holds `shared` and not the queue, so that an owner who lets go of the queue ends it.
        _ = try OSThread(name) { shared.run() }
    }

    deinit { close() }

    /// Puts something in; false when too much waits already, or when it was closed. `always` goes beyond the bound: for
    /// what the program itself has to do, and does once.
    func submit(always: Bool = false, _ job: @escaping Job) -> Bool {
        let isTaken = shared.state.withLock { state in
            guard !state.isClosed, always || state.jobs.count < capacity else { return false }
            state.jobs.append(job)
            return true
        }
        if isTaken { shared.bell.signal() }
        return isTaken
    }

    /// Takes nothing more; what waits is still done, then the thread ends.
    func close() {
        shared.state.withLock { $0.isClosed = true }
        shared.bell.signal()
    }
}
