import Glibc
import LinuxSystem
import Recording
import Logging
import Synchronization
import Testing
import Varlink

@testable import camd

/// The daemon's methods on a fake camera, over a real socket.
private final class ServiceUnderTest: Sendable {
    let session: FakeSession
    let path: String
    let service: CameraService
    private let folder: Folder
    private let stop: EventFD
    private let thread: OSThread

    private static let listening = Mutex(())

    init(ownUser: UInt32 = getuid()) throws {
        folder = try Folder()
        path = folder.path + "/control"
        session = try FakeSession()
        stop = try EventFD()
        let path = path
        let listener = try Self.listening.withLock { _ in try UnixSocket.listen(path, mode: 0o600).take() }
        let stopped = stop.descriptor.rawValue
        let failed = session.failureDescriptor
        let service = try CameraService(
            session: session, log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        self.service = service
        thread = try OSThread("test-daemon") {
            do {
                let server = try Server(
                    listener: FileDescriptor(owning: listener),
                    info: ServiceInfo(vendor: "camd", product: "camd", version: "0", url: ""))
                service.install(on: server)
                server.authorize = { CameraService.mayCall(user: $0.userID, $1, ownUser: ownUser) }
                try server.addSource(stopped, .input) { [unowned server] _ in server.stop() }
                try server.addSource(failed, .input) { _ in
                    var count: UInt64 = 0
                    _ = read(failed, &count, 8)
                    service.endFailedRecording()
                }
                try server.run()
            } catch {
                Issue.record("the server failed: \(error)")
            }
        }
    }

    func end() {
        stop.signal()
        thread.join()
        folder.remove()
    }

    /// Waits, with a limit, until it is so.
    func wait(until isSo: (FakeSession.State) -> Bool) -> Bool {
        let deadline = Deadline(afterMilliseconds: 5_000)
        while !deadline.hasPassed {
            if session.state.withLock({ isSo($0) }) { return true }
            usleep(2_000)
        }
        return false
    }
}

/// The whole daemon on a fake camera.
private final class DaemonUnderTest: Sendable {
    let session: FakeSession
    let path: String
    let stop: EventFD
    private let folder: Folder
    private let ending = Ending()
    private let thread: OSThread

    init() throws {
        let folder = try Folder()
        self.folder = folder
        path = folder.path + "/sub/control"
        let session = try FakeSession()
        self.session = session
        let stop = try EventFD()
        let descriptor = stop.descriptor.rawValue
        self.stop = stop
        let path = path
        let ending = ending
        thread = try OSThread("test-daemon") {
            weak var remains: Daemon?
            do throws(CamdError) {
                let file = try SocketFile(path)
                let daemon = try Daemon(
                    socket: file, session: session, stop: Daemon.Stop(descriptor: descriptor) { "the test" },
                    log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
                remains = daemon
                try daemon.run()
            } catch {
                ending.error.withLock { $0 = error }
            }
            let isGone = remains == nil
            ending.isGone.withLock { $0 = isGone }
        }
    }

    private final class Ending: Sendable {
        let error = Mutex<CamdError?>(nil)
        let isGone = Mutex(false)
    }

    /// Connects as soon as it listens.
    func connect() throws -> DaemonConnection {
        let deadline = Deadline(afterMilliseconds: 5_000)
        while !deadline.hasPassed {
            if let connection = try DaemonConnection.ifReachable(path) { return connection }
            usleep(2_000)
        }
        return try DaemonConnection(path)
    }

    /// Waits for its end; what it failed with. Whatever it was, nothing keeps the daemon.
    func end() -> CamdError? {
        thread.join()
        folder.remove()
        #expect(ending.isGone.withLock { $0 })
        return ending.error.withLock { $0 }
    }

    var socketIsThere: Bool { access(path, F_OK) == 0 }
}

@Suite struct WholeDaemonTests {
    @Test func `the mode that a client wants reaches the camera`() throws {
        let daemon = try DaemonUnderTest()
        var control = try daemon.connect()
        let mode = StreamMode(
            width: 1920, height: 1080, framesPerSecond: 29.97, pixelFormat: .nv12, view: ViewWish(rotation: .right))
        _ = try control.start(RecordingRequest(file: "/tmp/a.mkv", mode: mode))
        _ = try control.stop()
        _ = try control.start(RecordingRequest(file: "/tmp/b.mkv"))
        #expect(daemon.session.state.withLock { $0.modes } == [mode, StreamMode()])
        daemon.stop.signal()
        #expect(daemon.end() == nil)
    }

    @Test func `asked to end, it finishes the recording, lets the camera go and removes its socket`() throws {
        let daemon = try DaemonUnderTest()
        var follower = try daemon.connect()
        try follower.startAndFollow(RecordingRequest(file: "/tmp/a.mkv"))
        daemon.stop.signal()
        let status = try follower.nextOfStart(Deadline(afterMilliseconds: 5_000))
        #expect(status?.recording?.state == "finished")
        #expect(daemon.end() == nil)
        #expect(daemon.session.state.withLock { $0.closed } == 1)
        #expect(!daemon.socketIsThere)
    }

    @Test func `when the camera fails, the recording is finished, and all learn why`() throws {
        let daemon = try DaemonUnderTest()
        let reason = CamdError(
            call: "VIDIOC_DQBUF", errno: .noDevice, subject: "camera usb-fake-1", reason: "it was unplugged")
        var follower = try daemon.connect()
        try follower.startAndFollow(RecordingRequest(file: "/tmp/a.mkv"))
        daemon.session.fail(reason)
        let told = #expect(throws: CamdError.self) { try follower.nextOfStart(Deadline(afterMilliseconds: 5_000)) }
        #expect(told == reason)
        #expect(daemon.end() == reason)
        #expect(daemon.session.state.withLock { $0.recording?.state } == "failed")
        #expect(!daemon.socketIsThere)
    }

    @Test func `a camera that failed before anybody called ends it too`() throws {
        let daemon = try DaemonUnderTest()
        let reason = CamdError(.noInput, subject: "camera usb-fake-1", reason: "it was unplugged")
        daemon.session.fail(reason)
        #expect(daemon.end() == reason)
    }

    @Test func `a second daemon on the same socket is refused`() throws {
        let daemon = try DaemonUnderTest()
        _ = try daemon.connect()
        let taken = #expect(throws: CamdError.self) { _ = try SocketFile(daemon.path) }
        #expect(taken?.errno == .addressInUse)
        var connection = try daemon.connect()
        #expect(try connection.status().count == 1)
        daemon.stop.signal()
        #expect(daemon.end() == nil)
    }
}

@Suite struct DaemonTests {
    @Test func `start, status and stop go their way`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        var connection = try DaemonConnection(daemon.path)
        #expect(try connection.status() == [CameraStatus.fake()])
        let started = try connection.start(RecordingRequest(file: "/tmp/a.mkv", encoder: "libx264"))
        #expect(started.first?.recording?.state == "recording")
        #expect(try connection.status().first?.recording?.file == "/tmp/a.mkv")
        let again = #expect(throws: CamdError.self) { try connection.start(RecordingRequest(file: "/tmp/b.mkv")) }
        #expect(again == CamdError(.temporary, subject: "camera fake", reason: "it is being recorded already"))
        let stopped = try connection.stop()
        #expect(stopped.recording?.state == "finished")
        #expect(stopped.recording?.frames == 42)
        let twice = #expect(throws: CamdError.self) { try connection.stop() }
        #expect(twice?.kind == .unavailable)
    }

    @Test func `segments and splits go their way`() throws {
        let rule = SegmentRule(seconds: 2.5, bytes: 70_000, clockSeconds: 3600)
        let service = try ServiceUnderTest()
        defer { service.end() }
        var daemon = try DaemonConnection(service.path)
        #expect(throws: CamdError.self) { try daemon.split() }
        var wish = RecordingRequest(file: "/tmp/%s.mkv")
        wish.segments = rule
        _ = try daemon.start(wish)
        #expect(service.session.state.withLock { $0.segments } == [rule])
        #expect(try daemon.split().recording?.files == 2)
    }

    @Test func `a photo is taken`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        var connection = try DaemonConnection(daemon.path)
        let photo = try connection.snapshot(file: "/tmp/a.jpg", quality: 90)
        #expect(photo.file == "/tmp/a.jpg" && photo.width == 640)
        #expect(daemon.session.state.withLock { $0.photos } == ["/tmp/a.jpg"])
    }

    @Test func `who follows a recording learns of its end by another`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        var follower = try DaemonConnection(daemon.path)
        try follower.startAndFollow(RecordingRequest(file: "/tmp/a.mkv"))
        var other = try DaemonConnection(daemon.path)
        _ = try other.stop()
        let status = try follower.nextOfStart(Deadline(afterMilliseconds: 5_000))
        #expect(status?.recording?.state == "finished")
    }

    @Test func `a recording that is followed ends when its client goes away`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        do {
            var follower = try DaemonConnection(daemon.path)
            try follower.startAndFollow(RecordingRequest(file: "/tmp/a.mkv"))
        }
        #expect(daemon.wait { $0.recording?.state == "finished" })
    }

    @Test func `a recording that is not followed goes on when its client goes away`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        do {
            var starter = try DaemonConnection(daemon.path)
            _ = try starter.start(RecordingRequest(file: "/tmp/a.mkv"))
        }
        usleep(100_000)
        var other = try DaemonConnection(daemon.path)
        #expect(try other.status().first?.recording?.state == "recording")
    }

    @Test func `a recording that fails by itself is ended, and its follower gets the reason word for word`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        let reason = CamdError(
            call: "write", errno: .noSpace, subject: "/tmp/a.mkv", remedy: "Make room on the disk.")
        var follower = try DaemonConnection(daemon.path)
        try follower.startAndFollow(RecordingRequest(file: "/tmp/a.mkv"))
        daemon.session.failRecording(reason)
        let error = #expect(throws: CamdError.self) {
            try follower.nextOfStart(Deadline(afterMilliseconds: 5_000))
        }
        #expect(error == reason)
        #expect(error?.kind.exitCode == 74)
        var other = try DaemonConnection(daemon.path)
        #expect(try other.status().first?.recording?.state == "failed")
        _ = try other.start(RecordingRequest(file: "/tmp/b.mkv"))
        #expect(try other.stop().recording?.state == "finished")
    }

    @Test(arguments: [
        ("Start", #"{}"#, "file"), ("Start", #"{"file":5}"#, "file"), ("Start", #"{"file":"/a.mkv","x":1}"#, "x"),
        ("Start", #"{"file":"/a.mkv","width":640}"#, "height"), ("Start", #"{"file":"/a.mkv","height":480}"#, "width"),
        ("Start", #"{"file":"/a.mkv","width":1,"height":480}"#, "width"),
        ("Start", #"{"file":"/a.mkv","width":640.5,"height":480}"#, "width"),
        ("Start", #"{"file":"/a.mkv","width":640,"height":1e300}"#, "height"),
        ("Start", #"{"file":"/a.mkv","width":"640","height":480}"#, "width"),
        ("Start", #"{"file":"/a.mkv","fps":0}"#, "fps"), ("Start", #"{"file":"/a.mkv","fps":-30}"#, "fps"),
        ("Start", #"{"file":"/a.mkv","fps":1e9}"#, "fps"), ("Start", #"{"file":"/a.mkv","format":""}"#, "format"),
        ("Start", #"{"file":"/a.mkv","format":"YUYVYUYV"}"#, "format"),
        ("Start", #"{"file":"/a.mkv","view":{"rotate":45}}"#, "view.rotate"),
        ("Start", #"{"file":"/a.mkv","view":{"x":1}}"#, "view.x"),
        ("Start", #"{"file":"/a.mkv","view":90}"#, "view"),
        ("Start", #"{"file":"/a.mkv","encoder":1}"#, "encoder"), ("Stop", #"{"file":"/a"}"#, "file"),
        ("Status", #"{"camera":"x"}"#, "camera"), ("List", #"{"x":null}"#, "x"),
        ("Snapshot", #"{"file":"/a.jpg","quality":"high"}"#, "quality"),
        ("Snapshot", #"{"file":"/a.jpg","quality":1.5}"#, "quality"),
    ])
    func `parameters that do not fit are named`(method: String, text: String, parameter: String) throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        var client = try Client(connecting: daemon.path)
        let parameters = try JSONValue(parsing: Array(text.utf8))
        let error = #expect(throws: CamdError.self) { try client.call("io.camd.Camera.\(method)", parameters) }
        #expect(error?.kind == .usage)
        #expect(error?.reason.hasSuffix("the parameter \(parameter)") == true, "\(error?.reason ?? "")")
    }

    @Test(arguments: [
        ("Start", #"{"file":"relative.mkv"}"#), ("Start", #"{"file":""}"#), ("Start", #"{"file":"/a\u0000.mkv"}"#),
        ("Snapshot", #"{"file":"/a.png"}"#), ("Snapshot", #"{"file":"/a.jpg","quality":0}"#),
        ("Snapshot", #"{"file":"/a.jpg","quality":101}"#), ("Snapshot", #"{"file":"a.jpg"}"#),
        ("Start", #"{"file":"/a.mkv","camera":"another"}"#), ("Stop", #"{"camera":"/dev/video98"}"#),
    ])
    func `values that are not allowed get the reason, and nothing is done`(method: String, text: String) throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        var client = try Client(connecting: daemon.path)
        let parameters = try JSONValue(parsing: Array(text.utf8))
        let error = #expect(throws: CamdError.self) { try client.call("io.camd.Camera.\(method)", parameters) }
        #expect(error?.kind == .usage || error?.kind == .noInput)
        #expect(daemon.session.state.withLock { $0.files.isEmpty && $0.photos.isEmpty })
    }

    @Test func `a camera may be named by its id or its node`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        var client = try Client(connecting: daemon.path)
        for name in ["usb-fake-1", "/dev/video99", "video99"] {
            _ = try client.call("io.camd.Camera.Start", ["file": "/tmp/a.mkv", "camera": .string(name)])
            _ = try client.call("io.camd.Camera.Stop", ["camera": .string(name)])
        }
    }

    @Test func `slow photos hold up neither the status nor each other's order, and too many are refused`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        daemon.session.state.withLock { $0.photoMilliseconds = 300 }
        var clients: [Box] = []
        for _ in 0..<(CameraService.queueLength + 4) { clients.append(Box(try Client(connecting: daemon.path))) }
        for (number, box) in clients.enumerated() {
            try box.client.send(
                "io.camd.Camera.Snapshot", ["file": .string("/tmp/\(number).jpg")],
                deadline: Deadline(afterMilliseconds: 5_000))
        }
        var connection = try DaemonConnection(daemon.path)
        let began = Clock.monotonicNanoseconds()
        _ = try connection.status()
        #expect(Clock.monotonicNanoseconds() - began < 1_000_000_000)
        var refused = 0
        for box in clients {
            do {
                _ = try box.client.receive("io.camd.Camera.Snapshot", deadline: Deadline(afterMilliseconds: 20_000))
            } catch {
                #expect(error.kind == .temporary)
                refused += 1
            }
        }
        #expect((1...4).contains(refused))
    }

    private final class Box {
        var client: Client
        init(_ client: consuming Client) { self.client = client }
    }

    @Test func `when it ends, a recording is finished, who follows it is told, and the camera is let go`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        var follower = try DaemonConnection(daemon.path)
        try follower.startAndFollow(RecordingRequest(file: "/tmp/a.mkv"))
        let done = Mutex(false)
        daemon.service.end { done.withLock { $0 = true } }
        let status = try follower.nextOfStart(Deadline(afterMilliseconds: 5_000))
        #expect(status?.recording?.state == "finished")
        #expect(daemon.wait { $0.closed == 1 })
        var late = try DaemonConnection(daemon.path)
        let error = #expect(throws: CamdError.self) { try late.snapshot(file: "/tmp/a.jpg", quality: 90) }
        #expect(error?.kind == .temporary)
        let deadline = Deadline(afterMilliseconds: 5_000)
        while !done.withLock({ $0 }), !deadline.hasPassed { usleep(1_000) }
        #expect(done.withLock { $0 })
    }

    @Test func `only root and the daemon's own user control`() throws {
        func may(_ user: UInt32, _ method: String) -> Bool {
            CameraService.mayCall(user: user, method, ownUser: 1000)
        }
        #expect(may(0, "io.camd.Camera.Stop") && may(1000, "io.camd.Camera.Stop"))
        #expect(!may(1001, "io.camd.Camera.Stop") && !may(1001, "io.camd.Camera.Status"))
        #expect(may(1001, "org.varlink.service.GetInfo"))
    }

    @Test func `the interface that is served is the one in docs`() throws {
        var path = "\(#filePath)"
        for _ in 0..<3 { path = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }
        let file = try FileDescriptor.open(path + "/docs/io.camd.Camera.varlink", O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(file.rawValue, &bytes, bytes.count)
        #expect(String(decoding: bytes[..<max(0, count)], as: UTF8.self) == CameraInterface.text)
    }

    @Test func `every method of the interface has a handler`() throws {
        let daemon = try ServiceUnderTest()
        defer { daemon.end() }
        var client = try Client(connecting: daemon.path)
        for method in ["List", "Status", "Start", "Stop", "Snapshot"] {
            #expect(CameraInterface.text.contains("\nmethod \(method)("))
            let error = #expect(throws: CamdError.self) {
                try client.call("io.camd.Camera.\(method)", ["no such": 1])
            }
            #expect(error?.kind == .usage)
        }
        #expect(CameraInterface.text.split(separator: "\n").filter { $0.hasPrefix("method ") }.count == 6)
    }
}
