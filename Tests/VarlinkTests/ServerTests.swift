import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import Varlink

private let text = """
    interface org.example.fake

    method Echo(value: ?object) -> (value: ?object)
    method Promised() -> ()
    """

/// What the fake service does, and what it has seen.
private final class Fake: Sendable {
    let seen = Mutex<[String]>([])
    let kept = Mutex<[Call]>([])

    func install(_ server: Server) {
        server.add(interface: "org.example.fake", text: text)
        server.handle("org.example.fake.Echo") { call in
            call.reply(["value": call.parameters["value"] ?? .null])
        }
        server.handle("org.example.fake.Note") { call in
            self.seen.withLock { $0.append(call.parameters["text"]?.string ?? "?") }
            call.reply()
        }
        server.handle("org.example.fake.Keep") { call in self.kept.withLock { $0.append(call) } }
        server.handle("org.example.fake.Forget") { _ in }
        server.handle("org.example.fake.Later") { call in
            // Answered by another thread, which has nothing to do with the loop.
            _ = try? OSThread("later") {
                usleep(20_000)
                call.reply(["value": call.parameters["value"] ?? .null])
                call.reply(["value": "a second answer"])
            }
        }
        server.handle("org.example.fake.Count") { call in
            let count = call.parameters["to"]?.integer ?? 0
            guard call.wantsMore else { return _ = call.fail(ServiceError.expectedMore) }
            _ = try? OSThread("counter") {
                for number in 1..<max(2, count) { call.reply(["number": .integer(number)], continues: true) }
                call.reply(["number": .integer(count)])
            }
        }
        server.handle("org.example.fake.Peer") { call in
            call.reply(["pid": .integer(Int64(call.peer.processID)), "uid": .integer(Int64(call.peer.userID))])
        }
        server.handle("org.example.fake.Flood") { call in
            let line = JSONValue.string(String(repeating: "x", count: 1_000))
            while call.reply(["line": line], continues: true) {}
        }
        server.handle("org.example.fake.Fail") { call in
            call.fail(
                CamdError(
                    .noInput, subject: "camera test", call: "VIDIOC_STREAMON", errno: Errno(EPIPE),
                    reason: "formats differ", remedy: "Set them."))
        }
    }
}

private func start(_ fake: Fake = Fake(), _ limits: ServerLimits = ServerLimits()) throws -> TestService {
    try TestService(limits: limits) { fake.install($0) }
}

@Suite struct ServerTests {
    @Test func `a call is answered`() throws {
        let service = try start()
        defer { service.end() }
        var client = try Client(connecting: service.path)
        #expect(try client.call("org.example.fake.Echo", ["value": ["a", 1]]) == ["value": ["a", 1]])
        #expect(try client.call("org.example.fake.Echo") == ["value": nil])
    }

    @Test func `the service tells what it is and what its interfaces are`() throws {
        let service = try start()
        defer { service.end() }
        var client = try Client(connecting: service.path)
        let info = try client.call("org.varlink.service.GetInfo")
        #expect(info["vendor"] == "v" && info["product"] == "p" && info["version"] == "1" && info["url"] == "u")
        #expect(info["interfaces"] == ["org.varlink.service", "org.example.fake"])
        let method = "org.varlink.service.GetInterfaceDescription"
        #expect(try client.call(method, ["interface": "org.example.fake"]) == ["description": .string(text)])
        let own = try client.call(method, ["interface": "org.varlink.service"])
        #expect(own["description"]?.string?.contains("method GetInfo() -> (") == true)
    }

    @Test(
        arguments: [
            (#"{"method":"org.nowhere.Do"}"#, ServiceError.interfaceNotFound, ["interface": "org.nowhere"]),
            (#"{"method":"org.example.fake.No"}"#, ServiceError.methodNotFound, ["method": "org.example.fake.No"]),
            (
                #"{"method":"org.example.fake.Promised"}"#, ServiceError.methodNotImplemented,
                ["method": "org.example.fake.Promised"]
            ),
            (
                #"{"method":"org.example.fake.Forget"}"#, ServiceError.methodNotImplemented,
                ["method": "org.example.fake.Forget"]
            ),
            (#"{"method":"nodots"}"#, ServiceError.invalidParameter, ["parameter": "method"]),
            (#"{"method":".x"}"#, ServiceError.invalidParameter, ["parameter": "method"]),
            (#"{"method":"x."}"#, ServiceError.invalidParameter, ["parameter": "method"]),
            (
                #"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":7}}"#,
                ServiceError.invalidParameter, ["parameter": "interface"]
            ),
            (
                #"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"a.b"}}"#,
                ServiceError.interfaceNotFound, ["interface": "a.b"]
            ),
            (
                #"{"method":"org.example.fake.Echo","upgrade":true}"#, ServiceError.invalidParameter,
                ["parameter": "upgrade"]
            ),
            (#"{"method":"org.example.fake.Count"}"#, ServiceError.expectedMore, [:]),
        ] as [(String, String, JSONValue)])
    func `a call that cannot be answered gets an error, and the next one an answer`(
        message: String, error: String, parameters: JSONValue
    ) throws {
        let service = try start()
        defer { service.end() }
        let client = try RawClient(service.path)
        try client.send(message + "\0")
        #expect(try client.reply() == Reply(parameters: parameters, error: error))
        try client.send("{\"method\":\"org.example.fake.Echo\",\"parameters\":{\"value\":1}}\0")
        #expect(try client.reply() == Reply(parameters: ["value": 1]))
    }

    @Test(arguments: [
        ("", "message"), ("[]", "message"), ("nonsense", "message"), ("{}", "method"), (#"{"method":5}"#, "method"),
        (#"{"method":"a.B","parameters":[]}"#, "parameters"), (#"{"method":"a.B","more":1}"#, "more"),
        (#"{"method":"a.B","oneway":"x"}"#, "oneway"), (#"{"method":"a.B","parameters":{"x":1,}}"#, "message"),
        (#"{"method":"a.B","parameters":{"x":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]"#, "message"),
    ])
    func `what is not a call gets an error and the end of the connection`(message: String, parameter: String) throws {
        let service = try start()
        defer { service.end() }
        let client = try RawClient(service.path)
        try client.send(message + "\0")
        let wanted = Reply(parameters: ["parameter": .string(parameter)], error: ServiceError.invalidParameter)
        #expect(try client.reply() == wanted)
        #expect(try client.isClosed())
    }

    @Test func `a message that is too long ends the connection and no other`() throws {
        var limits = ServerLimits()
        limits.messageBytes = 10_000
        let service = try start(Fake(), limits)
        defer { service.end() }
        let other = try RawClient(service.path)
        let client = try RawClient(service.path)
        try client.send([UInt8](repeating: 0x20, count: 1_000_000))
        #expect(try client.isClosed())
        try other.send("{\"method\":\"org.example.fake.Echo\"}\0")
        #expect(try other.reply()?.error == nil)
    }

    @Test func `a storm of NUL bytes ends the connection and no other`() throws {
        let service = try start()
        defer { service.end() }
        let other = try RawClient(service.path)
        let client = try RawClient(service.path)
        try client.send([UInt8](repeating: 0, count: 5_000_000))
        #expect(try client.isClosed())
        try other.send("{\"method\":\"org.example.fake.Echo\"}\0")
        #expect(try other.reply()?.error == nil)
    }

    @Test func `a message that is not finished in time ends the connection`() throws {
        var limits = ServerLimits()
        limits.partialMilliseconds = 100
        let service = try start(Fake(), limits)
        defer { service.end() }
        let idle = try RawClient(service.path)
        let client = try RawClient(service.path)
        try client.send("{\"method\":")
        #expect(try client.isClosed())
        try idle.send("{\"method\":\"org.example.fake.Echo\"}\0")
        #expect(try idle.reply()?.error == nil)
    }

    @Test func `another thread may answer, and only its first answer counts`() throws {
        let service = try start()
        defer { service.end() }
        var client = try Client(connecting: service.path)
        for number in 0..<5 as Range<Int64> {
            let reply = try client.call("org.example.fake.Later", ["value": .integer(number)])
            #expect(reply == ["value": .integer(number)])
        }
    }

    @Test func `calls in a row are answered in their order, however long each takes`() throws {
        let service = try start()
        defer { service.end() }
        let client = try RawClient(service.path)
        var stream = ""
        for number in 0..<300 {
            let method = number % 60 == 0 ? "Later" : "Echo"
            stream += "{\"method\":\"org.example.fake.\(method)\",\"parameters\":{\"value\":\(number)}}\0"
        }
        try client.send(stream)
        for number in 0..<300 as Range<Int64> {
            #expect(try client.reply() == Reply(parameters: ["value": .integer(number)]))
        }
    }

    @Test func `a client that has said all it wanted to still gets its answers`() throws {
        let service = try start()
        defer { service.end() }
        let client = try RawClient(service.path)
        try client.send(
            "{\"method\":\"org.example.fake.Later\",\"parameters\":{\"value\":1}}\0"
                + "{\"method\":\"org.example.fake.Echo\",\"parameters\":{\"value\":2}}\0")
        client.endInput()
        #expect(try client.reply() == Reply(parameters: ["value": 1]))
        #expect(try client.reply() == Reply(parameters: ["value": 2]))
        #expect(try client.isClosed())
    }

    @Test func `a call with more gets all its replies, and the last says so`() throws {
        let service = try start()
        defer { service.end() }
        let client = try RawClient(service.path)
        try client.send("{\"method\":\"org.example.fake.Count\",\"parameters\":{\"to\":500},\"more\":true}\0")
        for number in 1...500 as ClosedRange<Int64> {
            let reply = Reply(parameters: ["number": .integer(number)], continues: number < 500)
            #expect(try client.reply() == reply)
        }
        var numbers: [Int64] = []
        var other = try Client(connecting: service.path)
        try other.callMore("org.example.fake.Count", ["to": 3]) { reply in
            numbers.append(reply["number"]?.integer ?? -1)
            return true
        }
        #expect(numbers == [1, 2, 3])
        #expect(try other.call("org.example.fake.Echo", ["value": 1]) == ["value": 1])
    }

    @Test func `a oneway call is made and not answered`() throws {
        let fake = Fake()
        let service = try start(fake)
        defer { service.end() }
        let client = try RawClient(service.path)
        let note = "{\"method\":\"org.example.fake.Note\",\"parameters\":{\"text\":\"a\"},\"oneway\":true}\0"
        try client.send(note + "{\"method\":\"org.no.Such\",\"oneway\":true}\0" + note)
        try client.send("{\"method\":\"org.example.fake.Echo\",\"parameters\":{\"value\":9}}\0")
        #expect(try client.reply() == Reply(parameters: ["value": 9]))
        #expect(fake.seen.withLock { $0 } == ["a", "a"])
    }

    @Test func `a oneway call of a client that leaves at once is made`() throws {
        let fake = Fake()
        let service = try start(fake)
        defer { service.end() }
        do {
            let client = try RawClient(service.path)
            try client.send("{\"method\":\"org.example.fake.Note\",\"parameters\":{\"text\":\"b\"},\"oneway\":true}\0")
        }
        let deadline = Deadline(afterMilliseconds: 5_000)
        while fake.seen.withLock({ $0.isEmpty }), !deadline.hasPassed { usleep(1_000) }
        #expect(fake.seen.withLock { $0 } == ["b"])
    }

    @Test func `a call knows when its client has gone, and its answer goes nowhere`() throws {
        let fake = Fake()
        let service = try start(fake)
        defer { service.end() }
        let told = Box<Bool>()
        do {
            let client = try RawClient(service.path)
            try client.send("{\"method\":\"org.example.fake.Keep\"}\0")
            let deadline = Deadline(afterMilliseconds: 5_000)
            while fake.kept.withLock({ $0.isEmpty }), !deadline.hasPassed { usleep(1_000) }
            let call = try #require(fake.kept.withLock { $0.first })
            #expect(!call.isAbandoned)
            call.whenAbandoned { told.set(true) }
        }
        #expect(told.wait() == true)
        let call = try #require(fake.kept.withLock { $0.popLast() })
        #expect(call.isAbandoned)
        let late = Box<Bool>()
        call.whenAbandoned { late.set(true) }
        #expect(late.wait() == true)
        #expect(!call.reply(["value": 1]))
    }

    @Test func `the service knows who calls`() throws {
        let service = try start()
        defer { service.end() }
        var client = try Client(connecting: service.path)
        let peer = try client.call("org.example.fake.Peer")
        #expect(peer == ["pid": .integer(Int64(getpid())), "uid": .integer(Int64(getuid()))])
    }

    @Test func `who may not call is told so`() throws {
        let service = try TestService { server in
            Fake().install(server)
            server.authorize = { peer, method in peer.userID == getuid() && !method.hasSuffix(".Note") }
        }
        defer { service.end() }
        var client = try Client(connecting: service.path)
        #expect(try client.call("org.example.fake.Echo", ["value": 1]) == ["value": 1])
        let error = #expect(throws: CamdError.self) { try client.call("org.example.fake.Note") }
        #expect(error?.kind == .noPermission)
    }

    @Test func `a client that reads nothing is dropped, others are served, and memory stays bounded`() throws {
        var limits = ServerLimits()
        limits.queuedBytes = 100_000
        let service = try start(Fake(), limits)
        defer { service.end() }
        let deaf = try RawClient(service.path)
        // Replies without an end: the handler returns only because the client is dropped.
        try deaf.send("{\"method\":\"org.example.fake.Flood\",\"more\":true}\0")
        var client = try Client(connecting: service.path)
        #expect(try client.call("org.example.fake.Echo", ["value": 1]) == ["value": 1])
        #expect(try deaf.isClosed())
    }

    @Test func `a client that calls and calls and does not read is held up, then dropped`() throws {
        var limits = ServerLimits()
        limits.stalledMilliseconds = 300
        let service = try start(Fake(), limits)
        defer { service.end() }
        let deaf = try RawClient(service.path)
        let call = Array("{\"method\":\"org.varlink.service.GetInfo\"}\0".utf8)
        var calls = call
        while calls.count < 8 << 20 { calls += calls }
        let taken = try deaf.send(calls, milliseconds: 5_000)
        #expect(taken < calls.count)
        var client = try Client(connecting: service.path)
        #expect(try client.call("org.example.fake.Echo", ["value": 1]) == ["value": 1])
        #expect(try deaf.isClosed())
    }

    @Test func `a client that calls 5,000 times and then reads gets 5,000 replies`() throws {
        let service = try start()
        defer { service.end() }
        let client = try RawClient(service.path)
        let socket = client.socket.rawValue
        let writer = try OSThread("writer") {
            for _ in 0..<50 {
                let block = String(repeating: "{\"method\":\"org.example.fake.Echo\"}\0", count: 100)
                var bytes = Array(block.utf8)[...]
                while !bytes.isEmpty {
                    let sent = bytes.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
                    if sent <= 0 { return }
                    bytes = bytes.dropFirst(sent)
                }
            }
        }
        var replies = 0
        while replies < 5_000, try client.reply() != nil { replies += 1 }
        writer.join()
        #expect(replies == 5_000)
    }

    @Test func `a hundred clients at once are all answered`() throws {
        var limits = ServerLimits()
        limits.clients = 128
        let service = try start(Fake(), limits)
        defer { service.end() }
        let clients = try (0..<100).map { _ in try RawClient(service.path) }
        for (number, client) in clients.enumerated() {
            try client.send("{\"method\":\"org.example.fake.Later\",\"parameters\":{\"value\":\(number)}}\0")
        }
        for (number, client) in clients.enumerated() {
            #expect(try client.reply() == Reply(parameters: ["value": .integer(Int64(number))]))
        }
    }

    @Test func `more clients than allowed are sent away, and the others stay`() throws {
        var limits = ServerLimits()
        limits.clients = 4
        let service = try start(Fake(), limits)
        defer { service.end() }
        let clients = try (0..<4).map { _ in try RawClient(service.path) }
        for client in clients {
            try client.send("{\"method\":\"org.example.fake.Echo\"}\0")
            #expect(try client.reply()?.error == nil)
        }
        for _ in 0..<200 { #expect(try RawClient(service.path).isClosed()) }
        for client in clients {
            try client.send("{\"method\":\"org.example.fake.Echo\"}\0")
            #expect(try client.reply()?.error == nil)
        }
    }

    @Test func `an idle client makes room for a new one`() throws {
        var limits = ServerLimits()
        limits.clients = 2
        limits.idleMilliseconds = 0
        let service = try start(Fake(), limits)
        defer { service.end() }
        let idle = try RawClient(service.path)
        let busy = try RawClient(service.path)
        try busy.send("{\"method\":\"org.example.fake.Keep\"}\0")
        usleep(50_000)
        let new = try RawClient(service.path)
        try new.send("{\"method\":\"org.example.fake.Echo\",\"parameters\":{\"value\":1}}\0")
        #expect(try new.reply() == Reply(parameters: ["value": 1]))
        #expect(try idle.isClosed())
        #expect(try !busy.isClosed(milliseconds: 50))
    }

    @Test func `clients that come and go leave nothing open`() throws {
        let service = try start()
        defer { service.end() }
        func openDescriptors() -> Int {
            var count = 0
            guard let folder = opendir("/proc/self/fd") else { return -1 }
            while readdir(folder) != nil { count += 1 }
            closedir(folder)
            return count
        }
        let before = openDescriptors()
        for round in 0..<1_000 {
            let client = try RawClient(service.path)
            switch round % 3 {
            case 0: try client.send("{\"method\":\"org.example.fake.Echo\"}\0")
            case 1: try client.send("{\"meth")
            default: break
            }
        }
        var client = try Client(connecting: service.path)
        _ = try client.call("org.example.fake.Echo")
        // Other tests of this process open some of their own meanwhile.
        #expect(openDescriptors() < before + 200)
    }

    @Test func `the program's own descriptors are served by the same loop`() throws {
        let event = try EventFD()
        let rang = Box<Bool>()
        let number = event.descriptor.rawValue
        let service = try TestService { server in
            Fake().install(server)
            _ = try? server.addSource(number, .input) { readiness in
                var count: UInt64 = 0
                _ = read(number, &count, 8)
                rang.set(readiness.contains(.input))
            }
        }
        defer { service.end() }
        event.signal()
        #expect(rang.wait() == true)
    }

    @Test func `a reply that was given just before the end is still sent`() throws {
        let event = try EventFD()
        let number = event.descriptor.rawValue
        let fake = Fake()
        let service = try TestService { server in
            fake.install(server)
            // Not in the course of serving the client: nothing else would send it.
            _ = try? server.addSource(number, .input) { [unowned server] _ in
                fake.kept.withLock { $0.popLast() }?.reply(["bye": true])
                server.stop()
            }
        }
        defer { service.end() }
        var client = try Client(connecting: service.path)
        let deadline = Deadline(afterMilliseconds: 5_000)
        try client.send("org.example.fake.Keep", deadline: deadline)
        while fake.kept.withLock({ $0.isEmpty }), !deadline.hasPassed { usleep(1_000) }
        event.signal()
        #expect(try client.receive("org.example.fake.Keep", deadline: deadline).parameters == ["bye": true])
    }
}
