import LinuxSystem
import Synchronization

/// Wakes the server's loop for connections that have something to be sent. Bounded by the number of connections: each
/// is in it once.
final class Mailbox: Sendable {
    let wake: EventFD
    private let waiting = Mutex<Set<UInt64>>([])

    init() throws(CamdError) { wake = try EventFD() }

    /// From any thread.
    func notify(_ connection: UInt64) {
        let first = waiting.withLock { ids in
            ids.insert(connection)
            return ids.count == 1
        }
        // The loop empties the whole set each time it wakes, so one wake-up is enough until then.
        if first { wake.signal() }
    }

    /// In the loop: who is waiting. The counter is cleared first, so that what comes in between wakes it again.
    func take() -> Set<UInt64> {
        wake.clear()
        return waiting.withLock { ids in
            defer { ids = [] }
            return ids
        }
    }
}

/// The replies of one connection on their way from any thread to the loop, and what the calls have to know of the
/// connection. Bounded: see `ServerLimits.queuedBytes`.
final class Outbox: Sendable {
    /// What the loop takes out at once.
    struct Batch {
        var messages: [[UInt8]]
        /// The running call has got its last reply.
        var finished: Bool
        /// More was put in than the client is allowed to leave unread.
        var overflowed: Bool
    }

    private struct State {
        var messages: [[UInt8]] = []
        var bytes = 0
        var finished = false
        var overflowed = false
        var closed = false
        var whenClosed: (@Sendable () -> Void)?
    }

    private let connection: UInt64
    private let mailbox: Mailbox
    private let limit: Int
    private let state = Mutex(State())

    init(connection: UInt64, mailbox: Mailbox, limit: Int) {
        self.connection = connection
        self.mailbox = mailbox
        self.limit = limit
    }

    /// From any thread: one message (none for a call that wants no reply), and whether it is the call's last. False
    /// when the client has gone, or is about to be dropped because it reads nothing.
    func post(_ message: [UInt8]?, isLast: Bool) -> Bool {
        let taken = state.withLock { state in
            guard !state.closed, !state.overflowed else { return false }
            if let message {
                // One message is always taken, so that the limit does not forbid a single long reply.
                if state.bytes > 0, state.bytes + message.count > limit {
                    state.overflowed = true
                    mailbox.notify(connection)
                    return false
                }
                state.messages.append(message)
                state.bytes += message.count
            }
            if isLast {
                state.finished = true
                state.whenClosed = nil
            }
            return true
        }
        if taken { mailbox.notify(connection) }
        return taken
    }

    var isClosed: Bool { state.withLock { $0.closed } }

    /// Called once if the connection ends before the running call's last reply; at once if it has ended already.
    func whenClosed(_ body: @escaping @Sendable () -> Void) {
        let tooLate = state.withLock { state in
            if !state.closed, !state.finished { state.whenClosed = body }
            return state.closed
        }
        if tooLate { body() }
    }

    /// In the loop: what has come.
    func take() -> Batch {
        state.withLock { state in
            let batch = Batch(messages: state.messages, finished: state.finished, overflowed: state.overflowed)
            state.messages = []
            state.finished = false
            return batch
        }
    }

    /// In the loop: the kernel has taken `bytes`.
    func sent(_ bytes: Int) {
        state.withLock { $0.bytes -= bytes }
    }

    /// In the loop: the connection has ended; what is still posted goes nowhere.
    func close() {
        let body = state.withLock { state in
            let body = state.whenClosed
            state = State(closed: true)
            return body
        }
        body?()
    }
}
