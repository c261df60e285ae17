import LinuxSystem
import Synchronization

/// One call of a method, on its way to its answer. It may be kept, and answered later and from any thread, with one
/// last reply or one error; what is answered after that, or after the client has gone, goes nowhere. A call that is
/// let go of without an answer gets `MethodNotImplemented`, so that no client waits for ever.
public final class Call: Sendable {
    /// The full name: interface and method.
    public let method: String
    /// Always an object.
    public let parameters: JSONValue
    /// Who is at the other end, as of when it connected.
    public let peer: UnixSocket.Credentials
    /// The client takes more than one reply.
    public let wantsMore: Bool
    /// The client takes no reply at all; what is answered is not sent.
    public let isOneway: Bool

    private let outbox: Outbox
    private let answered = Mutex(false)

    init(_ request: Request, peer: UnixSocket.Credentials, outbox: Outbox) {
        method = request.method
        parameters = .object(request.parameters)
        self.peer = peer
        wantsMore = request.more && !request.oneway
        isOneway = request.oneway
        self.outbox = outbox
    }

    deinit {
        // The only reference is gone, so nobody can be answering at the same time.
        if !answered.withLock({ $0 }) {
            post(Reply(parameters: ["method": .string(method)], error: ServiceError.methodNotImplemented), isLast: true)
        }
    }

    /// The last reply. False where nobody will see it.
    @discardableResult
    public func reply(_ parameters: JSONValue = [:]) -> Bool { reply(parameters, continues: false) }

    /// A reply; with `continues`, more have to follow, and only a client that `wantsMore` is sent it. False where
    /// nobody will see it.
    @discardableResult
    public func reply(_ parameters: JSONValue, continues: Bool) -> Bool {
        if continues && !wantsMore { return false }
        return answer(Reply(parameters: parameters, continues: continues))
    }

    /// The last reply, of anything that encodes as an object.
    @discardableResult
    public func reply(encoding value: some Encodable, continues: Bool = false) -> Bool {
        do throws(JSONError) {
            return reply(try JSONValue(encoding: value), continues: continues)
        } catch {
            return fail(CamdError(.software, subject: method, reason: "the reply cannot be encoded: \(error)"))
        }
    }

    /// The last reply: an error, by its full name.
    @discardableResult
    public func fail(_ error: String, _ parameters: JSONValue = [:]) -> Bool {
        answer(Reply(parameters: parameters, error: error))
    }

    /// The last reply: the error `Failed` of the interface that was called, with all that `error` says.
    @discardableResult
    public func fail(_ error: CamdError) -> Bool {
        let interface = method.lastIndex(of: ".").map { method[..<$0] } ?? ""
        return fail("\(interface).\(CamdError.failureName)", error.parameters)
    }

    /// The last reply: a parameter is missing, of another type, or unknown.
    @discardableResult
    public func fail(invalidParameter name: String) -> Bool {
        fail(ServiceError.invalidParameter, ["parameter": .string(name)])
    }

    /// The client has gone: nobody will see an answer.
    public var isAbandoned: Bool { outbox.isClosed }

    /// Runs `body` once if the client goes away before the last reply, in the server's thread, which it must not hold
    /// up. Only the last body that was given counts.
    public func whenAbandoned(_ body: @escaping @Sendable () -> Void) {
        if answered.withLock({ $0 }) { return }
        outbox.whenClosed(body)
    }

    private func answer(_ reply: Reply) -> Bool {
        // Held while posting, so that replies of several threads cannot overtake the last one.
        answered.withLock { answered in
            guard !answered else { return false }
            answered = !reply.continues
            return post(reply, isLast: answered)
        }
    }

    @discardableResult
    private func post(_ reply: Reply, isLast: Bool) -> Bool {
        if isOneway { return outbox.post(nil, isLast: isLast) && false }
        return outbox.post(reply.encoded, isLast: isLast)
    }
}
