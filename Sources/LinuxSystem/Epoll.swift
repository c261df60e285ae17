import CV4L2
import Glibc

/// An epoll instance (epoll_create1(2)) whose entries are told apart by a small number.
public struct Epoll: ~Copyable, Sendable {
    /// What an entry waits for.
    public struct Interest: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let input = Interest(rawValue: 0x001)
        public static let priority = Interest(rawValue: 0x002)
        public static let output = Interest(rawValue: 0x004)
        public static let error = Interest(rawValue: 0x008)
        public static let hangup = Interest(rawValue: 0x010)
        /// The peer closed its half (EPOLLRDHUP).
        public static let peerClosed = Interest(rawValue: 0x2000)
        /// Told once for each change, so that the descriptor need not be read (EPOLLET).
        public static let edge = Interest(rawValue: 1 << 31)
    }

    /// One descriptor that is ready.
    public struct Event: Sendable {
        public var token: UInt64
        public var readiness: Interest
    }

    private let descriptor: FileDescriptor

    public init() throws(CamdError) {
        let fd = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard fd >= 0 else { throw CamdError(call: "epoll_create1", errno: .current, subject: "epoll") }
        descriptor = FileDescriptor(owning: fd)
    }

    /// epoll_ctl(2) `EPOLL_CTL_ADD`.
    public func add(_ fd: CInt, _ interest: Interest, token: UInt64) throws(CamdError) {
        try control(EPOLL_CTL_ADD, fd, interest, token)
    }

    /// epoll_ctl(2) `EPOLL_CTL_MOD`.
    public func change(_ fd: CInt, _ interest: Interest, token: UInt64) throws(CamdError) {
        try control(EPOLL_CTL_MOD, fd, interest, token)
    }

    /// epoll_ctl(2) `EPOLL_CTL_DEL`; a descriptor that is not in is let be.
    public func remove(_ fd: CInt) {
        var event = epoll_event()
        epoll_ctl(descriptor.rawValue, EPOLL_CTL_DEL, fd, &event)
    }

    /// Waits (epoll_wait(2)) and calls `body` for each ready entry; returns how many there were, 0 when the time was
    /// up. At most 16 are told in one call; `milliseconds` -1 waits without a limit.
    public func wait(milliseconds: CInt, _ body: (Event) -> Void) throws(CamdError) -> Int {
        var events = InlineArray<16, epoll_event>(repeating: epoll_event())
        var span = events.mutableSpan
        let count = span.withUnsafeMutableBufferPointer { list in
            retrying { epoll_wait(descriptor.rawValue, list.baseAddress!, 16, milliseconds) }
        }
        guard count >= 0 else { throw CamdError(call: "epoll_wait", errno: .current, subject: "epoll") }
        for index in 0..<Int(count) {
            body(Event(token: events[index].data.u64, readiness: Interest(rawValue: events[index].events)))
        }
        return Int(count)
    }

    private func control(_ operation: CInt, _ fd: CInt, _ interest: Interest, _ token: UInt64) throws(CamdError) {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = token
        guard epoll_ctl(descriptor.rawValue, operation, fd, &event) == 0 else {
            throw CamdError(call: "epoll_ctl", errno: .current, subject: "epoll")
        }
    }
}
