import Glibc
import LinuxSystem
import Testing

@testable import Varlink

@Suite struct ClientTests {
    private func error(_ body: () throws -> Void) -> CamdError? {
        do {
            try body()
            return nil
        } catch {
            return error as? CamdError
        }
    }

    private func service(_ answer: @escaping @Sendable (Call) -> Void) throws -> TestService {
        try TestService { server in server.handle("io.camd.Camera.Do", answer) }
    }

    @Test func `an error of the daemon comes out word for word, with its exit code`() throws {
        let original = CamdError(
            .inputOutput, subject: "/var/lib/a b.mkv", call: "write", errno: .noSpace, reason: "the disk is \"full\"",
            remedy: "Make room.")
        let service = try service { $0.fail(original) }
        defer { service.end() }
        var client = try Client(connecting: service.path)
        let error = #expect(throws: CamdError.self) { try client.call("io.camd.Camera.Do") }
        #expect(error == original)
        #expect(error?.description == original.description)
    }

    @Test func `every kind of error survives the way, with and without its details`() {
        for kind in CamdError.kindNames.map(\.0) {
            for original in [
                CamdError(kind, subject: "s", reason: "r"),
                CamdError(kind, subject: "s", call: "c", errno: .busy, reason: "r", remedy: "m"),
            ] {
                let back = CamdError(
                    errorName: "io.camd.Camera.Failed", parameters: original.parameters, method: "m", service: "p")
                #expect(back == original)
            }
        }
        #expect(Set(CamdError.kindNames.map(\.0.rawValue)).count == 12)
    }

    @Test func `errors of other makes are told as what they are`() {
        func make(_ name: String, _ parameters: JSONValue = [:]) -> CamdError {
            CamdError(errorName: name, parameters: parameters, method: "a.B", service: "/s")
        }
        #expect(make(ServiceError.permissionDenied).kind == .noPermission)
        #expect(make(ServiceError.invalidParameter, ["parameter": "size"]).reason.contains("size"))
        #expect(make(ServiceError.methodNotFound, ["method": "a.B"]).kind == .unavailable)
        #expect(make("org.other.Odd", ["x": 1]).description == "/s: a.B: org.other.Odd {\"x\":1}")
        #expect(make("io.camd.Camera.Failed", ["subject": 1]).kind == .protocolViolation)
        let odd = make(
            "io.camd.Camera.Failed", ["subject": "s", "reason": "r", "kind": "new", "errno": 99_999_999_999])
        #expect(odd.kind == .software)
    }

    @Test func `no socket, or nobody behind it, is an error that says what to do`() throws {
        let missing = error { _ = try Client(connecting: "/tmp/camd-there-is-no-such-folder/control") }
        #expect(missing?.kind == .unavailable)
        #expect(missing?.errno == .noEntry)
        let service = try service { $0.reply() }
        let path = service.path
        service.end()
        #expect(error { _ = try Client(connecting: path) }?.kind == .unavailable)
        let long = error { _ = try Client(connecting: "/tmp/" + String(repeating: "x", count: 200)) }
        #expect(long?.kind == .usage)
    }

    @Test func `a daemon that does not answer is waited for until the time is up`() throws {
        let kept = Box<Call>()
        let service = try service { kept.set($0) }
        defer { service.end() }
        var client = try Client(connecting: service.path)
        let start = Clock.monotonicNanoseconds()
        let late = #expect(throws: CamdError.self) { try client.call("io.camd.Camera.Do", timeoutMilliseconds: 100) }
        #expect(late?.kind == .temporary)
        #expect(Clock.monotonicNanoseconds() - start < 5_000_000_000)
        // The answer that comes too late must not be taken for that of the next call.
        kept.wait()?.reply()
        #expect(throws: CamdError.self) { try client.call("io.camd.Camera.Do") }
    }

    @Test(arguments: ["nonsense", "[]", "", #"{"parameters":5}"#, #"{"error":5}"#, #"{"continues":5}"#, nil])
    func `what is not a reply is an error`(answer: String?) throws {
        var template = Array("/tmp/camd-varlink-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        let path = folder + "/control"
        defer {
            unlink(path)
            rmdir(folder)
        }
        let listener = try TestService.listen(path).take()
        let thread = try OSThread("odd-daemon") {
            let listener = FileDescriptor(owning: listener)
            guard (try? wait(for: .input, on: listener.rawValue, milliseconds: 5_000)) != nil,
                let connection = try? UnixSocket.accept(listener)
            else { return }
            _ = try? wait(for: .input, on: connection.rawValue, milliseconds: 5_000)
            guard let answer else { return }
            _ = Array((answer + "\0").utf8).withUnsafeBytes { try? UnixSocket.send(connection, $0) }
        }
        var client = try Client(connecting: path)
        let error = #expect(throws: CamdError.self) { try client.call("io.camd.Camera.Do") }
        #expect(error?.kind == (answer == nil ? .unavailable : .protocolViolation))
        thread.join()
    }

    @Test func `a reply of megabytes comes whole`() throws {
        let long = String(repeating: "é", count: 1_500_000)
        let service = try service { $0.reply(["text": .string(long)]) }
        defer { service.end() }
        var client = try Client(connecting: service.path)
        #expect(try client.call("io.camd.Camera.Do")["text"]?.string == long)
    }

    @Test func `a call of a megabyte arrives whole`() throws {
        let service = try service { $0.reply(["length": .integer(Int64($0.parameters["text"]?.string?.count ?? 0))]) }
        defer { service.end() }
        var client = try Client(connecting: service.path)
        let long = String(repeating: "x", count: 1_000_000)
        #expect(try client.call("io.camd.Camera.Do", ["text": .string(long)]) == ["length": 1_000_000])
    }
}
