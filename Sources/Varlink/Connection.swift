import LinuxSystem

/// One client, as the server's loop sees it. Only the loop's thread touches it; replies come through the outbox.
final class Connection {
    enum Flow {
        /// Nothing more to do until the kernel or the outbox says so.
        case waiting
        /// There may be more to do at once.
        case ready
        /// It is over.
        case ended
    }

    let id: UInt64
    let descriptor: FileDescriptor
    let peer: UnixSocket.Credentials
    let outbox: Outbox
    private let limits: ServerLimits

    private var input: MessageBuffer
    // Messages on their way out; of the first, `offset` bytes have been sent.
    private var pending: [[UInt8]] = []
    private var next = 0
    private var offset = 0
    private var pendingBytes = 0
    private var sendBlocked = false
    /// A call is being answered. The next one is looked at when it has been: replies come in the order of the calls.
    private(set) var isRunning = false
    /// The client sends no more, but may still read.
    private var inputEnded = false
    /// Nothing more is read; what is pending is still sent.
    private(set) var isClosing = false
    private(set) var lastActivity = Clock.monotonicNanoseconds()
    var registered: Epoll.Interest = .input

    init(
        id: UInt64, descriptor: consuming FileDescriptor, peer: UnixSocket.Credentials, mailbox: Mailbox,
        limits: ServerLimits
    ) {
        self.id = id
        self.descriptor = descriptor
        self.peer = peer
        self.limits = limits
        outbox = Outbox(connection: id, mailbox: mailbox, limit: limits.queuedBytes)
        input = MessageBuffer(limit: limits.messageBytes)
    }

    deinit { outbox.close() }

    /// Neither sending, nor being answered, nor in the middle of a message.
    var isIdle: Bool { !isRunning && pendingBytes == 0 && input.isEmpty }

    /// Replies wait to be sent.
    var hasPending: Bool { pendingBytes > 0 }

    private var wantsInput: Bool { !isRunning && !isClosing && !inputEnded && pendingBytes <= limits.pauseBytes }

    /// What the loop should wait for. Nothing is read while a call runs: what the client sends meanwhile waits in the
    /// kernel, which makes the client wait. A client that goes away is told of always (EPOLLHUP).
    var interest: Epoll.Interest {
        var interest: Epoll.Interest = []
        if wantsInput { interest.insert(.input) }
        if sendBlocked { interest.insert(.output) }
        return interest
    }

    /// When the client is dropped if nothing moves until then; nil: never.
    var deadline: UInt64? {
        let patience: Int? =
            if pendingBytes > 0 {
                limits.stalledMilliseconds
            } else if isRunning || input.isEmpty {
                nil
            } else {
                limits.partialMilliseconds
            }
        return patience.map { lastActivity + UInt64($0) * 1_000_000 }
    }

    /// Reads once, if it wants to be read at all.
    func receive(_ chunk: ReadChunk) throws(CamdError) -> Flow {
        guard wantsInput else { return .waiting }
        switch try UnixSocket.receive(descriptor, into: chunk.memory) {
        case .bytes(let count):
            // A message that trickles in does not get more time with each byte.
            if input.isEmpty { touch() }
            input.append(UnsafeRawBufferPointer(rebasing: chunk.memory[..<count]))
            return .ready
        case .wouldBlock: return .waiting
        case .closed:
            inputEnded = true
            return .ready
        }
    }

    /// Takes what has been answered, and sends of it what the kernel takes.
    func flush() throws(CamdError) -> Flow {
        let batch = outbox.take()
        for message in batch.messages {
            if pendingBytes == 0 { touch() }
            pending.append(message)
            pendingBytes += message.count
        }
        if batch.finished {
            isRunning = false
            touch()
        }
        if batch.overflowed {
            throw CamdError(
                .unavailable, subject: "client \(peer.processID)",
                reason: "it left more than \(limits.queuedBytes) bytes of replies unread")
        }
        sendBlocked = false
        while next < pending.count {
            let result = try sendOne(pending[next])
            switch result {
            case .bytes(let count):
                touch()
                offset += count
                pendingBytes -= count
                outbox.sent(count)
                if offset == pending[next].count {
                    pending[next] = []
                    next += 1
                    offset = 0
                }
            case .wouldBlock:
                sendBlocked = true
                return .waiting
            case .closed:
                return .ended
            }
        }
        pending.removeAll(keepingCapacity: pending.capacity <= 64)
        next = 0
        return .waiting
    }

    private func sendOne(_ message: [UInt8]) throws(CamdError) -> UnixSocket.Transfer {
        let result = message.withUnsafeBytes { bytes in
            Result { () throws(CamdError) in
                try UnixSocket.send(descriptor, UnsafeRawBufferPointer(rebasing: bytes[offset...]))
            }
        }
        return try result.get()
    }

    /// The next call that may be looked at now; nil when there is none.
    func nextMessage() throws(MessageBuffer.TooLong) -> [UInt8]? {
        guard !isRunning, !isClosing, pendingBytes <= limits.pauseBytes else { return nil }
        return try input.next()
    }

    func begin() { isRunning = true }

    /// Sends what is pending, then ends.
    func close() { isClosing = true }

    /// Whether nothing can happen on it any more: all that was asked has been answered and sent.
    var isOver: Bool { (isClosing || inputEnded) && !isRunning && pendingBytes == 0 }

    private func touch() { lastActivity = Clock.monotonicNanoseconds() }
}
