import Glibc
import Synchronization
import Testing

@testable import LinuxSystem

@Suite struct CamdErrorTests {
    @Test func `a message says what failed, on what, why, and what to do`() {
        let error = CamdError(
            call: "VIDIOC_STREAMON", errno: .brokenPipe, subject: "camera /dev/video0", reason: "formats differ",
            remedy: "Set them alike.")
        #expect(error.description == "camera /dev/video0: VIDIOC_STREAMON: EPIPE: formats differ. Set them alike.")
    }

    @Test func `permission, a missing file and a busy device have exit codes of their own`() {
        #expect(CamdError(call: "open", errno: .accessDenied, subject: "x").kind.exitCode == 77)
        #expect(CamdError(call: "open", errno: .noEntry, subject: "x").kind.exitCode == 66)
        #expect(CamdError(call: "open", errno: .busy, subject: "x").kind.exitCode == 75)
    }

    @Test func `the words of an errno are English whatever the locale is`() {
        #expect(Errno(ENOENT).message == "No such file or directory")
        #expect(Errno(4711).description == "errno 4711")
    }
}

@Suite struct RingTests {
    @Test func `what goes in comes out in order, and a full ring gives it back`() {
        let ring = Ring<Int>(capacity: 2)
        #expect(ring.push(1) == nil)
        #expect(ring.push(2) == nil)
        #expect(ring.push(3) == 3)
        #expect(ring.withOldest { $0 } == 1)
        #expect(ring.pop() == 1)
        #expect(ring.push(4) == nil)
        #expect(ring.pop() == 2)
        #expect(ring.pop() == 4)
        #expect(ring.pop() == nil)
    }

    private final class Ghost: Sendable {
        let onEnd: @Sendable () -> Void
        init(_ onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }
        deinit { onEnd() }
    }

    @Test func `a ring that ends lets go of what still lies in it`() {
        let ended = Atomic<Int>(0)
        do {
            let ring = Ring<Ghost>(capacity: 4)
            for _ in 0..<3 { _ = ring.push(Ghost { ended.add(1, ordering: .relaxed) }) }
            _ = ring.pop()
        }
        #expect(ended.load(ordering: .relaxed) == 3)
    }

    @Test func `a hundred thousand numbers cross from one thread to another whole and in order`() throws {
        let ring = Ring<Int>(capacity: 8)
        let wrong = Atomic<Int>(0)
        let reader = try OSThread("reader") {
            var next = 0
            while next < 100_000 {
                guard let value = ring.pop() else { continue }
                if value != next { wrong.add(1, ordering: .relaxed) }
                next += 1
            }
        }
        for number in 0..<100_000 { while ring.push(number) != nil { sched_yield() } }
        reader.join()
        #expect(wrong.load(ordering: .relaxed) == 0)
    }
}

@Suite struct DescriptorTests {
    @Test func `a descriptor is closed when its owner ends`() throws {
        var number: CInt = -1
        do {
            let descriptor = try FileDescriptor.open("/dev/null", O_RDONLY)
            number = descriptor.rawValue
            #expect(fcntl(number, F_GETFD) >= 0)
        }
        #expect(fcntl(number, F_GETFD) == -1)
    }

    @Test func `epoll tells entries apart and an edge is told once`() throws {
        let epoll = try Epoll()
        let first = try EventFD()
        let second = try EventFD()
        try epoll.add(first.descriptor.rawValue, .input, token: 1)
        try epoll.add(second.descriptor.rawValue, [.input, .edge], token: 2)
        first.signal()
        second.signal()
        var tokens: Set<UInt64> = []
        #expect(try epoll.wait(milliseconds: 100) { tokens.insert($0.token) } == 2)
        #expect(tokens == [1, 2])
        tokens = []
        #expect(try epoll.wait(milliseconds: 0) { tokens.insert($0.token) } == 1)
        #expect(tokens == [1])
    }
}

@Suite struct WaitTests {
    @Test func `signals that come again and again do not make a wait endless`() throws {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGUSR2, &action, nil)
        // Whoever runs tests may have blocked it.
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, SIGUSR2)
        pthread_sigmask(SIG_UNBLOCK, &mask, nil)
        let event = try EventFD()
        let isOver = Atomic<Bool>(false)
        let waiting = pthread_self()
        let signals = try OSThread("signals") {
            // Far more often than the wait's limit comes round.
            for _ in 0..<100 where !isOver.load(ordering: .acquiring) {
                usleep(20_000)
                pthread_kill(waiting, SIGUSR2)
            }
        }
        let began = Clock.monotonicNanoseconds()
        let readiness = try wait(for: .input, on: event.descriptor.rawValue, milliseconds: 100)
        let took = Clock.monotonicNanoseconds() - began
        isOver.store(true, ordering: .releasing)
        signals.join()
        #expect(readiness == nil)
        // The signals go on for two seconds.
        #expect(took < 1_500_000_000)
    }
}

@Suite struct UnixSocketTests {
    private func folder() -> String {
        var template = Array("/tmp/camd-test.XXXXXX".utf8CString)
        return String(cString: mkdtemp(&template))
    }

    @Test func `a stale socket is replaced, a live one and a file are not`() throws {
        let path = folder() + "/control"
        do { _ = try UnixSocket.listen(path, mode: 0o660) }
        let listener = try UnixSocket.listen(path, mode: 0o660)
        let taken = #expect(throws: CamdError.self) { _ = try UnixSocket.listen(path, mode: 0o660) }
        #expect(taken?.errno == .addressInUse)
        _ = consume listener
        unlink(path)
        _ = try FileDescriptor.open(path, O_CREAT | O_WRONLY)
        let file = #expect(throws: CamdError.self) { _ = try UnixSocket.listen(path, mode: 0o660) }
        #expect(file?.kind == .cannotCreate)
    }

    @Test func `a path that is too long is refused, not cut off`() {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        #expect(throws: CamdError.self) { _ = try UnixSocket.connect(path) }
    }

    @Test func `the kernel tells who is at the other end`() throws {
        let path = folder() + "/control"
        let listener = try UnixSocket.listen(path, mode: 0o660)
        let client = try UnixSocket.connect(path)
        _ = client.rawValue
        guard let connection = try UnixSocket.accept(listener) else {
            Issue.record("nobody connected")
            return
        }
        let peer = try UnixSocket.peer(of: connection)
        #expect(peer.userID == getuid())
        #expect(peer.processID == getpid())
    }
}
