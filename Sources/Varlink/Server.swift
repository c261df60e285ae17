import LinuxSystem

/// A Varlink service on one epoll loop. All of it belongs to the thread that calls `run`; only the calls' answers come
/// from others. The program's own descriptors can hang on the same loop.
///
/// Each client has one call answered at a time; those that it sends meanwhile wait for their turn.
public final class Server {
    private enum Token {
        static let listener: UInt64 = 0
        static let mailbox: UInt64 = 1
        static let firstFree: UInt64 = 2
    }

    private final class Listener {
        let descriptor: FileDescriptor
        /// Taken out of the loop until then, because no descriptor was left for a further client.
        var pausedUntil: UInt64?
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    private struct Source {
        var descriptor: CInt
        var handler: (Epoll.Interest) -> Void
    }

    /// Told of each client that is dropped or refused, and why.
    public var onTrouble: (CamdError) -> Void = { _ in }
    /// Whether this user may call this method; who may not gets `PermissionDenied`.
    public var authorize: (UnixSocket.Credentials, _ method: String) -> Bool = { _, _ in true }

    private let limits: ServerLimits
    private let epoll: Epoll
    private let mailbox: Mailbox
    private let chunk = ReadChunk(bytes: 64 << 10)
    private var listener: Listener?
    private var interfaces: Interfaces
    private var sources: [UInt64: Source] = [:]
    private var connections: [UInt64: Connection] = [:]
    // Never used twice, so that an event or a reply of a closed connection finds nobody.
    private var nextToken = Token.firstFree
    private var stopBy: Deadline?

    /// `listener`: a listening, non-blocking unix stream socket.
    public init(
        listener: consuming FileDescriptor, info: ServiceInfo, limits: ServerLimits = ServerLimits()
    ) throws(CamdError) {
        self.limits = limits
        interfaces = Interfaces(info: info)
        epoll = try Epoll()
        mailbox = try Mailbox()
        let listener = Listener(listener)
        self.listener = listener
        try epoll.add(listener.descriptor.rawValue, .input, token: Token.listener)
        try epoll.add(mailbox.wake.descriptor.rawValue, .input, token: Token.mailbox)
    }

    /// How many clients there are.
    public var clientCount: Int { connections.count }

    /// Adds an interface by its text.
    public func add(interface name: String, text: String) { interfaces.add(name, text: text) }

    /// Who answers a method; `method` is its full name. The handler runs in the loop and must not hold it up: what takes
    /// time is done elsewhere, with the call kept until then.
    public func handle(_ method: String, _ handler: @escaping (Call) -> Void) { interfaces.handle(method, handler) }

    /// Hangs a descriptor of the program's own on the loop. It has to stay open until `removeSource` is called with
    /// what this returns.
    @discardableResult
    public func addSource(
        _ descriptor: CInt, _ interest: Epoll.Interest, handler: @escaping (Epoll.Interest) -> Void
    ) throws(CamdError) -> UInt64 {
        let token = newToken()
        try epoll.add(descriptor, interest, token: token)
        sources[token] = Source(descriptor: descriptor, handler: handler)
        return token
    }

    /// Takes a descriptor of the program's own out of the loop.
    public func removeSource(_ token: UInt64) {
        if let source = sources.removeValue(forKey: token) { epoll.remove(source.descriptor) }
    }

    /// Takes no further client; those that there are stay.
    public func stopListening() {
        if let listener { epoll.remove(listener.descriptor.rawValue) }
        listener = nil
    }

    /// Makes `run` return as soon as all replies that have been given are sent, or this time is up.
    public func stop(flushMilliseconds: Int = 1_000) {
        if stopBy == nil { stopBy = Deadline(afterMilliseconds: flushMilliseconds) }
    }

    /// Serves until `stop` is called, then closes all connections.
    public func run() throws(CamdError) {
        var events: [Epoll.Event] = []
        while !isFinished() {
            events.removeAll(keepingCapacity: true)
            _ = try epoll.wait(milliseconds: timeout()) { events.append($0) }
            for event in events { try dispatch(event) }
            dropTheLate()
        }
        for id in connections.keys { close(id) }
    }

    /// When stopping: sends what has been answered so far, and says whether all of it has gone.
    private func isFinished() -> Bool {
        guard let stopBy else { return false }
        for connection in connections.values { serve(connection) }
        return stopBy.hasPassed || !connections.values.contains { $0.hasPending }
    }

    private func newToken() -> UInt64 {
        defer { nextToken += 1 }
        return nextToken
    }

    private func dispatch(_ event: Epoll.Event) throws(CamdError) {
        switch event.token {
        case Token.listener:
            try accept()
        case Token.mailbox:
            for id in mailbox.take() {
                if let connection = connections[id] { serve(connection) }
            }
        default:
            if let source = sources[event.token] {
                source.handler(event.readiness)
            } else if let connection = connections[event.token] {
                serve(connection, event.readiness)
            }
        }
    }

    // MARK: Clients come

    private func accept() throws(CamdError) {
        guard let listener, listener.pausedUntil == nil else { return }
        let descriptor: FileDescriptor
        do throws(CamdError) {
            guard let accepted = try UnixSocket.accept(listener.descriptor) else { return }
            descriptor = accepted
        } catch {
            // The listener stays readable: without a pause the loop would spin until a descriptor is free again.
            onTrouble(error)
            epoll.remove(listener.descriptor.rawValue)
            listener.pausedUntil = Clock.monotonicNanoseconds() + 1_000_000_000
            return
        }
        guard makeRoom() else {
            onTrouble(
                CamdError(.temporary, subject: "control socket", reason: "all \(limits.clients) clients are busy"))
            return
        }
        do throws(CamdError) {
            let peer = try UnixSocket.peer(of: descriptor)
            let token = newToken()
            let connection = Connection(
                id: token, descriptor: descriptor, peer: peer, mailbox: mailbox, limits: limits)
            try epoll.add(connection.descriptor.rawValue, connection.registered, token: token)
            connections[token] = connection
        } catch {
            onTrouble(error)
        }
    }

    /// Whether there is room for one more client; who has been idle longest makes it, if need be.
    private func makeRoom() -> Bool {
        if connections.count < limits.clients { return true }
        let latest = Clock.monotonicNanoseconds() &- UInt64(limits.idleMilliseconds) * 1_000_000
        let idle = connections.values.filter { $0.isIdle && $0.lastActivity <= latest }
        guard let oldest = idle.min(by: { $0.lastActivity < $1.lastActivity }) else { return false }
        close(oldest.id)
        return true
    }

    // MARK: Clients are served

    /// Reads, answers and sends as far as it goes without waiting.
    private func serve(_ connection: Connection, _ readiness: Epoll.Interest = []) {
        do throws(CamdError) {
            if !readiness.isDisjoint(with: [.input, .hangup, .error]) {
                let isGone = !readiness.isDisjoint(with: [.hangup, .error])
                // What a client sent before it went away is still looked at, unless a call of it is running.
                if try connection.receive(chunk) == .waiting, isGone { return close(connection.id) }
            }
            var calls = 0
            repeat {
                if try connection.flush() == .ended { return close(connection.id) }
                calls += 1
                // Others have their turn; the mailbox brings this one back.
                if calls > limits.callsInARow { return mailbox.notify(connection.id) }
            } while stopBy == nil && next(connection)
            if connection.isOver { return close(connection.id) }
            let interest = connection.interest
            if interest != connection.registered {
                try epoll.change(connection.descriptor.rawValue, interest, token: connection.id)
                connection.registered = interest
            }
        } catch {
            onTrouble(error)
            close(connection.id)
        }
    }

    /// Looks at the client's next call; false when there is none.
    private func next(_ connection: Connection) -> Bool {
        let request: Request
        do {
            guard let message = try connection.nextMessage() else { return false }
            request = try Request(parsing: message, limits: limits.json)
        } catch {
            // Where one message ends and the next begins is no longer certain: answer, and end.
            let reason = (error as? JSONError)?.path ?? ""
            refuse(connection, parameter: reason.isEmpty ? "message" : reason)
            return true
        }
        connection.begin()
        let call = Call(request, peer: connection.peer, outbox: connection.outbox)
        if request.upgrade {
            call.fail(invalidParameter: "upgrade")
        } else if !authorize(connection.peer, request.method) {
            call.fail(ServiceError.permissionDenied)
        } else {
            // A copy: a handler may add others.
            let interfaces = interfaces
            interfaces.dispatch(call)
        }
        return true
    }

    private func refuse(_ connection: Connection, parameter: String) {
        let reply = Reply(parameters: ["parameter": .string(parameter)], error: ServiceError.invalidParameter)
        _ = connection.outbox.post(reply.encoded, isLast: false)
        connection.close()
    }

    private func close(_ id: UInt64) {
        guard let connection = connections.removeValue(forKey: id) else { return }
        epoll.remove(connection.descriptor.rawValue)
        connection.outbox.close()
    }

    // MARK: Time

    /// Until the first deadline there is; -1 where there is none.
    private func timeout() -> CInt {
        var first = stopBy?.monotonicNanoseconds ?? .max
        if let paused = listener?.pausedUntil { first = min(first, paused) }
        for connection in connections.values { first = min(first, connection.deadline ?? .max) }
        guard first < .max else { return -1 }
        let now = Clock.monotonicNanoseconds()
        return first <= now ? 0 : CInt(clamping: (first - now + 999_999) / 1_000_000)
    }

    private func dropTheLate() {
        let now = Clock.monotonicNanoseconds()
        if let listener, let until = listener.pausedUntil, until <= now {
            listener.pausedUntil = nil
            do throws(CamdError) {
                try epoll.add(listener.descriptor.rawValue, .input, token: Token.listener)
            } catch {
                listener.pausedUntil = now + 1_000_000_000
            }
        }
        for (id, connection) in connections {
            guard let deadline = connection.deadline, deadline <= now else { continue }
            onTrouble(
                CamdError(
                    .unavailable, subject: "client \(connection.peer.processID)",
                    reason: connection.hasPending
                        ? "it does not read its replies" : "it did not finish a message that it began"))
            close(id)
        }
    }
}
