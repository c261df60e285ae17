import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import Varlink

/// A server in a thread of its own, on a socket in a temporary folder.
final class TestService: Sendable {
    let path: String
    private let folder: String
    private let stop: EventFD
    private let thread: OSThread

    // listen(2)'s wrapper sets the umask of the whole process for a moment.
    private static let listening = Mutex(())

    init(limits: ServerLimits = ServerLimits(), _ configure: @escaping @Sendable (Server) -> Void) throws {
        var template = Array("/tmp/camd-varlink-XXXXXX".utf8CString)
        folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        path = folder + "/control"
        let path = path
        let listener = try Self.listen(path).take()
        stop = try EventFD()
        let stopped = stop.descriptor.rawValue
        thread = try OSThread("test-server") {
            do {
                let server = try Server(
                    listener: FileDescriptor(owning: listener),
                    info: ServiceInfo(vendor: "v", product: "p", version: "1", url: "u"), limits: limits)
                // Unowned: the handler belongs to the server itself.
                try server.addSource(stopped, .input) { [unowned server] _ in server.stop() }
                configure(server)
                try server.run()
            } catch {
                Issue.record("the server failed: \(error)")
            }
        }
    }

    static func listen(_ path: String) throws(CamdError) -> FileDescriptor {
        try listening.withLock { _ throws(CamdError) in try UnixSocket.listen(path, mode: 0o600) }
    }

    /// To be called once.
    func end() {
        stop.signal()
        thread.join()
        unlink(path)
        rmdir(folder)
    }
}

/// A client that sends whatever bytes it is told to.
final class RawClient {
    let socket: FileDescriptor
    private var input = MessageBuffer(limit: 64 << 20)

    init(_ path: String) throws { socket = try UnixSocket.connect(path) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Everything but what the server no longer takes; returns how much it took.
    @discardableResult
    func send(_ bytes: [UInt8], milliseconds: CInt = 2_000) throws -> Int {
        var on: CInt = 1
        #expect(ioctl(socket.rawValue, UInt(FIONBIO), &on) == 0)
        var sent = 0
        while sent < bytes.count {
            let result = try bytes.withUnsafeBytes {
                try UnixSocket.send(socket, UnsafeRawBufferPointer(rebasing: $0[sent...]))
            }
            switch result {
            case .bytes(let count): sent += count
            case .closed: return sent
            case .wouldBlock:
                if try wait(for: .output, on: socket.rawValue, milliseconds: milliseconds) == nil { return sent }
            }
        }
        return sent
    }

    /// No more is sent, but replies are still read (shutdown(2)).
    func endInput() { shutdown(socket.rawValue, CInt(SHUT_WR)) }

    /// The next reply; nil when the server has closed the connection, or says nothing in this time.
    func reply(milliseconds: CInt = 5_000) throws -> Reply? {
        while true {
            if let message = try input.next() { return try Reply(parsing: message) }
            guard try wait(for: .input, on: socket.rawValue, milliseconds: milliseconds) != nil else { return nil }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let result = try chunk.withUnsafeMutableBytes { try UnixSocket.receive(socket, into: $0) }
            guard case .bytes(let count) = result else { return nil }
            chunk.withUnsafeBytes { input.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }

    /// Whether the server closes the connection within this time, whatever it sends before.
    func isClosed(milliseconds: Int = 5_000) throws -> Bool {
        let deadline = Deadline(afterMilliseconds: milliseconds)
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while !deadline.hasPassed {
            guard try wait(for: .input, on: socket.rawValue, milliseconds: deadline.remainingMilliseconds) != nil else {
                continue
            }
            let result = try chunk.withUnsafeMutableBytes { try UnixSocket.receive(socket, into: $0) }
            if case .closed = result { return true }
        }
        return false
    }
}

/// Something that one thread says and another waits for, with a limit.
final class Box<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)

    func set(_ new: Value) { value.withLock { $0 = new } }

    /// Nil when nothing came in time.
    func wait(milliseconds: Int = 5_000) -> Value? {
        let deadline = Deadline(afterMilliseconds: milliseconds)
        while true {
            if let value = value.withLock({ $0 }) { return value }
            if deadline.hasPassed { return nil }
            usleep(1_000)
        }
    }
}
