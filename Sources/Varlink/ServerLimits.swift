/// How much a server's clients may ask of it.
public struct ServerLimits: Sendable {
    /// Connections at once. A further one takes the place of the one that has been idle longest, if that is longer than
    /// `idleMilliseconds`, and is closed at once otherwise.
    public var clients = 64
    public var idleMilliseconds = 30_000
    /// Bytes of one message.
    public var messageBytes = 1 << 20
    public var json = JSONLimits()
    /// Bytes of replies that a client has not read, before it is dropped. A reply of this length is always taken.
    public var queuedBytes = 2 << 20
    /// While more than this waits to be sent, no further call of the same client is looked at.
    public var pauseBytes = 64 << 10
    /// A message that has begun has to be whole by then, or the client is dropped.
    public var partialMilliseconds = 30_000
    /// A client that reads nothing of what waits for it is dropped then.
    public var stalledMilliseconds = 30_000
    /// Calls of one client in a row before others have their turn.
    public var callsInARow = 32

    public init() {}
}
