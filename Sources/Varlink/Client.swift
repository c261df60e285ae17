import Glibc
import LinuxSystem

/// A connection to a Varlink service. Every wait has a limit. Errors of the service come out as the `CamdError` that
/// they stand for; after one of the connection itself (no answer in time, no JSON) it is of no more use.
public struct Client: ~Copyable {
    /// The socket's path.
    public let path: String
    private let socket: FileDescriptor
    private var input: MessageBuffer
    private let chunk: ReadChunk
    // Set when replies and calls no longer go together.
    private var isBroken = false

    /// Bytes of the longest reply that is taken.
    public static let replyLimit = 8 << 20

    /// Connects (connect(2)).
    public init(connecting path: String) throws(CamdError) {
        socket = try Self.open(path)
        self.path = path
        input = MessageBuffer(limit: Self.replyLimit)
        chunk = ReadChunk(bytes: 16 << 10)
    }

    private static func open(_ path: String) throws(CamdError) -> FileDescriptor {
        let socket: FileDescriptor
        do throws(CamdError) {
            socket = try UnixSocket.connect(path)
        } catch {
            throw explain(error, path)
        }
        var on: CInt = 1
        guard ioctl(socket.rawValue, UInt(FIONBIO), &on) == 0 else {
            throw CamdError(call: "ioctl FIONBIO", errno: .current, subject: path)
        }
        return socket
    }

    /// For a poll: readable when a reply has come, or the service has gone.
    public var descriptor: CInt { socket.rawValue }

    /// Calls a method and waits for its one reply.
    public mutating func call(
        _ method: String, _ parameters: JSONValue = [:], timeoutMilliseconds: Int = 10_000
    ) throws(CamdError) -> JSONValue {
        let deadline = Deadline(afterMilliseconds: timeoutMilliseconds)
        try send(method, parameters, deadline: deadline)
        return try receive(method, deadline: deadline).parameters
    }

    /// Calls a method with `more` and hands on each reply; the time is that of each wait. `body` returns false to stop
    /// early, after which the connection is of no more use.
    public mutating func callMore(
        _ method: String, _ parameters: JSONValue = [:], timeoutMilliseconds: Int = 10_000,
        _ body: (JSONValue) -> Bool
    ) throws(CamdError) {
        try send(method, parameters, more: true, deadline: Deadline(afterMilliseconds: timeoutMilliseconds))
        while true {
            let reply = try receive(method, deadline: Deadline(afterMilliseconds: timeoutMilliseconds))
            let goesOn = body(reply.parameters)
            if !reply.continues { return }
            if !goesOn {
                isBroken = true
                return
            }
        }
    }

    /// Sends a call; its replies are to be taken by `receive`, unless it is `oneway`.
    public mutating func send(
        _ method: String, _ parameters: JSONValue = [:], more: Bool = false, oneway: Bool = false, deadline: Deadline
    ) throws(CamdError) {
        guard let members = parameters.object else {
            throw CamdError(.usage, subject: method, reason: "the parameters of a method are a JSON object")
        }
        try checkUsable(method)
        var message = Request(method: method, parameters: members, more: more, oneway: oneway).encoded[...]
        isBroken = true
        while !message.isEmpty {
            let result = message.withUnsafeBytes { bytes in
                Result { () throws(CamdError) in try UnixSocket.send(socket, bytes) }
            }
            switch try result.get() {
            case .bytes(let count): message = message.dropFirst(count)
            case .wouldBlock: try waitUntil(.output, method, deadline)
            case .closed: throw hungUp(method)
            }
        }
        isBroken = false
    }

    /// The next reply to the call that was sent last. Throws the error that the service replied.
    public mutating func receive(_ method: String, deadline: Deadline) throws(CamdError) -> Reply {
        try checkUsable(method)
        isBroken = true
        let reply = try Self.parse(try nextMessage(method, deadline), method, path)
        isBroken = false
        if let name = reply.error {
            throw CamdError(errorName: name, parameters: reply.parameters, method: method, service: path)
        }
        return reply
    }

    private mutating func nextMessage(_ method: String, _ deadline: Deadline) throws(CamdError) -> [UInt8] {
        while true {
            do throws(MessageBuffer.TooLong) {
                if let message = try input.next() { return message }
            } catch {
                throw CamdError(
                    .protocolViolation, subject: path, call: method, reason: "a reply of over \(error.limit) bytes came"
                )
            }
            switch try UnixSocket.receive(socket, into: chunk.memory) {
            case .bytes(let count): input.append(UnsafeRawBufferPointer(rebasing: chunk.memory[..<count]))
            case .wouldBlock: try waitUntil(.input, method, deadline)
            case .closed: throw hungUp(method)
            }
        }
    }

    private static func parse(_ message: [UInt8], _ method: String, _ path: String) throws(CamdError) -> Reply {
        do throws(JSONError) {
            return try Reply(parsing: message)
        } catch {
            throw CamdError(
                .protocolViolation, subject: path, call: method, reason: "the reply cannot be read: \(error)",
                remedy: "Is it camd that listens on this socket?")
        }
    }

    private func waitUntil(_ readiness: Readiness, _ method: String, _ deadline: Deadline) throws(CamdError) {
        if try wait(for: readiness, on: socket.rawValue, milliseconds: deadline.remainingMilliseconds) == nil,
            deadline.hasPassed
        {
            throw CamdError(
                .temporary, subject: path, call: method, errno: .timedOut,
                reason: "the daemon did not answer in time", remedy: "Try again; its log may say what it is busy with.")
        }
    }

    private func checkUsable(_ method: String) throws(CamdError) {
        if isBroken {
            throw CamdError(
                .software, subject: path, call: method, reason: "this connection broke off earlier",
                remedy: "Connect again.")
        }
    }

    private func hungUp(_ method: String) -> CamdError {
        CamdError(
            .unavailable, subject: path, call: method, reason: "the daemon closed the connection",
            remedy: "Its log may say why; it is busy when it has too many clients.")
    }

    private static func explain(_ error: CamdError, _ path: String) -> CamdError {
        switch error.errno {
        case Errno.noEntry, Errno.connectionRefused:
            CamdError(
                .unavailable, subject: path, call: error.call, errno: error.errno,
                reason: "no daemon listens on this socket", remedy: "Start one with 'camd serve', or give its --socket."
            )
        case Errno.accessDenied, Errno.notPermitted:
            CamdError(
                .noPermission, subject: path, call: error.call, errno: error.errno,
                reason: "this user may not speak to the daemon",
                remedy: "Run it as the daemon's own user or as root.")
        default: error
        }
    }
}
