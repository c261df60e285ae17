import Glibc
import LinuxSystem

/// Cuts a stream of bytes into the messages that NUL bytes end. It holds at most one message and what one read brought,
/// and looks at each byte once.
public struct MessageBuffer: Sendable {
    /// A message was longer than `limit` bytes; nothing that follows it can be trusted.
    public struct TooLong: Error, Sendable, Equatable {
        public var limit: Int
    }

    /// Bytes of the longest message, without its NUL.
    public let limit: Int
    private var bytes: [UInt8] = []
    // What lies before `start` has been given away; there is no NUL from `start` up to `scanned`.
    private var start = 0
    private var scanned = 0

    public init(limit: Int = 1 << 20) { self.limit = limit }

    /// Whether a message has begun and not ended, or waits to be taken.
    public var isEmpty: Bool { start == bytes.count }

    /// Takes what a read brought.
    public mutating func append(_ more: UnsafeRawBufferPointer) {
        if isEmpty {
            // The room that one large message took is not kept for the rest of a connection's life.
            bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 16)
            start = 0
            scanned = 0
        } else if start > bytes.count / 2 {
            // Moved only when more than half is used up: in the end each byte is moved once.
            bytes.removeSubrange(..<start)
            scanned -= start
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// The next whole message, without its NUL; nil until more bytes have come.
    public mutating func next() throws(TooLong) -> [UInt8]? {
        let found = bytes.withUnsafeBytes { all -> Int? in
            guard scanned < all.count, let base = all.baseAddress else { return nil }
            guard let hit = memchr(base + scanned, 0, all.count - scanned) else { return nil }
            return UnsafeRawPointer(hit) - base
        }
        let end = found ?? bytes.count
        scanned = end
        guard end - start <= limit else { throw TooLong(limit: limit) }
        guard found != nil else { return nil }
        let message = Array(bytes[start..<end])
        start = end + 1
        scanned = start
        return message
    }
}

/// Memory that reads go into, made once.
final class ReadChunk {
    let memory: UnsafeMutableRawBufferPointer
    init(bytes: Int) { memory = .allocate(byteCount: bytes, alignment: 16) }
    deinit { memory.deallocate() }
}
