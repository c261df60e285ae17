import Glibc
import LinuxSystem
import Logging
import Testing
import Varlink

@testable import camd

@Suite struct OutputTests {
    @Test func `an error is one line with all that is known`() {
        let error = CamdError(
            call: "VIDIOC_STREAMON", errno: Errno(EPIPE), subject: "camera usb-1", reason: "formats differ",
            remedy: "Set them.")
        #expect(error.description == "camera usb-1: VIDIOC_STREAMON: EPIPE: formats differ. Set them.")
    }

    @Test func `the summary has the camera's keys at the top and in a list`() throws {
        let recording = CameraStatus.Recording(
            file: "/tmp/a.mkv", state: "finished", frames: 300, lost: ["encoder": 2], bytes: 1_234_567, seconds: 10,
            encoder: "libx264", error: nil)
        let status = CameraStatus.fake(recording: recording)
        let summary = try Summary.json(status)
        for key in [
            "frames", "dropped", "corrupt", "starved", "late", "bytes_copied_per_frame", "path", "heap", "format",
            "fps",
            "recording",
        ] { #expect(summary[key] != nil, "\(key)") }
        #expect(summary["path"]?["capture"] == "import:system")
        let cameras = try #require(summary["cameras"]?.array)
        #expect(cameras.count == 1)
        #expect(try cameras[0].decode(CameraStatus.self) == status)
        #expect(
            Summary.recording(status)
                == "/tmp/a.mkv: 300 frames in 10.0 s, 640x480 YUYV by libx264, 1.2 MB; 2 dropped, 1 corrupt, 2 lost, "
                + "0 bytes copied for each frame")
        #expect(Summary.text(status).contains("import:system -> eglimage -> heap:system"))
    }

    @Test(arguments: [
        (0.0, 1, "0.0"), (1.25, 1, "1.3"), (-1.25, 1, "-1.3"), (29.97, 2, "29.97"), (9.999, 2, "10.00"), (5, 0, "5"),
        (0.04, 1, "0.0"), (-0.04, 1, "0.0"), (1.05, 3, "1.050"), (.nan, 1, "nan"), (.infinity, 1, "inf"),
    ])
    func `numbers are written with so many digits`(value: Double, digits: Int, text: String) {
        #expect(Console.fixed(value, digits) == text)
    }

    @Test func `columns line up`() {
        #expect(Console.table([["A", "LONG", "C"], ["aaa", "b", "c"]]) == "A    LONG  C\naaa  b     c")
    }

    @Test func `a log line carries its priority to the journal, and stays one line`() {
        #expect(ConsoleLog.line(.info, "a\nb\r\nc", isJournal: true) == "<6>a b c\n")
        #expect(ConsoleLog.line(.error, "x", isJournal: true) == "<3>x\n")
        #expect(ConsoleLog.line(.error, "x", isJournal: false) == "camd: x\n")
    }

    @Test func `the journal is only where stderr leads to it`() throws {
        let event = try EventFD()
        var status = stat()
        #expect(fstat(event.descriptor.rawValue, &status) == 0)
        #expect(ConsoleLog.isJournal("\(status.st_dev):\(status.st_ino)", event.descriptor.rawValue))
        #expect(!ConsoleLog.isJournal("1:2", event.descriptor.rawValue))
        #expect(!ConsoleLog.isJournal(nil, event.descriptor.rawValue))
        #expect(!ConsoleLog.isJournal("nonsense", event.descriptor.rawValue))
    }

    @Test func `a flood of messages is held back and counted`() {
        var limit = RateLimit(events: 2, milliseconds: 1_000)
        #expect(limit.pass(now: 1) == 0)
        #expect(limit.pass(now: 2) == 0)
        for moment in 3..<10 as Range<UInt64> { #expect(limit.pass(now: moment) == nil) }
        #expect(limit.pass(now: 2_000_000_000) == 7)
        #expect(limit.pass(now: 2_000_000_001) == 0)
    }

    @Test func `the service manager is told by one datagram, also in the abstract name space`() throws {
        let folder = try Folder()
        defer { folder.remove() }
        for name in ["@camd-test-\(getpid())", folder.path + "/file"] {
            let receiver = try receiver(name)
            try ServiceManager.notify("READY=1", socket: name)
            var bytes = [UInt8](repeating: 0, count: 100)
            let count = recv(receiver.rawValue, &bytes, bytes.count, CInt(MSG_DONTWAIT))
            #expect(String(decoding: bytes[..<max(0, count)], as: UTF8.self) == "READY=1")
            unlink(name)
        }
        for name in ["", "relative", "/" + String(repeating: "x", count: 200), "@camd-nobody-is-there", "vsock:1:2"] {
            #expect(throws: CamdError.self, "\(name)") { try ServiceManager.notify("READY=1", socket: name) }
        }
    }

    private func receiver(_ name: String) throws -> FileDescriptor {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = FileDescriptor(owning: socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0))
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor.rawValue, $0, socklen_t(2 + bytes.count))
            }
        }
        try #require(result == 0)
        return descriptor
    }

    @Test func `a relative path is put under the current folder`() throws {
        #expect(try FilePaths.absolute("/a/../b") == "/a/../b")
        let absolute = try FilePaths.absolute("x.mkv")
        #expect(absolute.hasPrefix("/") && absolute.hasSuffix("/x.mkv"))
    }
}

@Suite struct DaemonChoiceTests {
    @Test func `what the daemon streams is taken, and what it does not is refused with what to do`() throws {
        let status = CameraStatus.fake()
        try DaemonChoice.check(status, against: SessionRequest())
        try DaemonChoice.check(
            status,
            against: SessionRequest(
                width: 640, height: 480, framesPerSecond: 15, pixelFormat: .yuyv, heaps: ["a", "system"],
                requireZeroCopy: true))
        for request in [
            SessionRequest(width: 1280, height: 720), SessionRequest(pixelFormat: .nv12), SessionRequest(heaps: ["a"]),
        ] {
            let error = #expect(throws: CamdError.self) { try DaemonChoice.check(status, against: request) }
            #expect(error?.kind == .unavailable)
            #expect(error?.remedy?.contains("camd serve") == true)
        }
        var copying = status
        copying.bytesCopiedPerFrame = 100
        #expect(throws: CamdError.self) {
            try DaemonChoice.check(copying, against: SessionRequest(requireZeroCopy: true))
        }
    }

    @Test func `a recording may ask for another mode, a photo may not`() throws {
        let other = SessionRequest(width: 320, height: 240, pixelFormat: .nv12)
        try DaemonChoice.check(.fake(), against: other, changesMode: true)
        #expect(throws: CamdError.self) { try DaemonChoice.check(.fake(), against: other) }
        // What buffers come from is settled when the daemon starts.
        #expect(throws: CamdError.self) {
            try DaemonChoice.check(.fake(), against: SessionRequest(heaps: ["other"]), changesMode: true)
        }
    }
}

@Suite struct SocketFileTests {
    @Test func `its folder is made, and the file goes at the end`() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/sub/control"
        let file = try SocketFile(path)
        var status = stat()
        #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o660)
        #expect(stat(folder.path + "/sub", &status) == 0 && status.st_mode & 0o777 == 0o755)
        let taken = #expect(throws: CamdError.self) { _ = try SocketFile(path) }
        #expect(taken?.errno == .addressInUse)
        file.remove()
        #expect(lstat(path, &status) != 0)
    }

    @Test func `a file that has taken its place is left alone`() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/control"
        let first = try SocketFile(path)
        unlink(path)
        let second = try SocketFile(path)
        first.remove()
        var status = stat()
        #expect(lstat(path, &status) == 0)
        second.remove()
    }

    @Test func `a folder whose parent is missing is an error that names it`() throws {
        let error = #expect(throws: CamdError.self) { _ = try SocketFile("/tmp/camd-no-such/deeper/control") }
        #expect(error?.kind == .cannotCreate)
        #expect(error?.subject == "/tmp/camd-no-such/deeper")
    }
}
