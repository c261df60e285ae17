import Glibc
import LinuxSystem
import Testing

/// Whatever is wrong, the answer is a message that helps and an exit code of sysexits.h.
@Suite(.serialized) struct BadInputTests {
    private let vivid = "/dev/camera/vivid0"

    /// Expects failure with a code, and words in the message; and no trap.
    private func expect(
        _ result: Program.Result, _ code: Int32, _ words: String..., location: SourceLocation = #_sourceLocation
    ) {
        #expect(result.status == code, "\(result.errors)", sourceLocation: location)
        #expect(
            result.errors.hasPrefix("camd: ") || result.errors.hasPrefix("Error: "), "\(result.errors)",
            sourceLocation: location)
        for word in words {
            #expect(result.errors.contains(word), "\(word) in: \(result.errors)", sourceLocation: location)
        }
    }

    private func record(
        _ arguments: String..., file: String? = nil, environment: [String] = []
    ) throws -> Program.Result {
        let file = try file ?? Scratch.folder() + "/video.mkv"
        return try run(
            [Program.camd, "record", "--duration", "1", "-o", file] + arguments, environment: environment,
            limitSeconds: 30)
    }

    @Test func `no such camera`() throws {
        expect(try record("--camera", "/dev/video99"), 66, "/dev/video99", "camd list")
        expect(try record("--camera", "nobody"), 66, "nobody", "There are:")
    }

    @Test func `what is no capture device`() throws {
        expect(try record("--camera", "/dev/camera/vivid-out0"), 66, "captures no pictures")
        expect(try record("--camera", "/dev/null"), 66, "not a video device")
        expect(try record("--camera", "/etc/passwd"), 66, "not a device")
        expect(try record("--camera", "/dev/camera/encoder"), 66, "captures no pictures")
    }

    @Test func `a camera that is busy`() throws {
        let daemon = try Daemon()
        let result = try record("--camera", vivid, "--socket", "/run/nobody/control")
        expect(result, 75, "in use", "fuser")
        #expect(try daemon.stop().status == 0)
    }

    @Test func `a size that it does not have is answered with the nearest it has`() throws {
        expect(try record("--camera", vivid, "--size", "1281x721"), 64, "1281x721", "1280x720")
    }

    @Test(arguments: ["0x0", "-1x5", "axb", "1280", "99999999999999999999x1", "1280x720x3"])
    func `a size that is none`(_ size: String) throws {
        #expect(try record("--camera", vivid, "--size=\(size)").status == 64)
    }

    @Test(arguments: ["0", "-3", "nan", "inf", "1e400", "x"])
    func `a duration or a rate that is none`(_ value: String) throws {
        let file = try Scratch.folder() + "/video.mkv"
        #expect(try camd("record", "--camera", vivid, "-o", file, "--duration=\(value)").status == 64)
        #expect(try camd("record", "--camera", vivid, "-o", file, "--duration=1", "--fps=\(value)").status == 64)
    }

    @Test func `a pixel format that it does not have, or that camd does not read`() throws {
        expect(try record("--camera", vivid, "--pixel-format", "XXXX"), 64, "XXXX", "YUYV")
        expect(try record("--camera", "/dev/camera/vimc-raw0", "--pixel-format", "aBA8"), 69, "aBA8", "RGGB")
    }

    @Test func `a rate that it does not have`() throws {
        expect(try record("--camera", vivid, "--size", "1280x720", "--fps", "1000"), 64, "nearest")
    }

    @Test func `an output folder that is missing, read-only or full`() throws {
        expect(try record("--camera", vivid, file: "/nowhere/at/all/video.mkv"), 73, "/nowhere/at/all")
        let folder = try Scratch.folder()
        try #require(try run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder]).status == 0)
        #expect([73, 74].contains(try record("--camera", vivid, file: folder + "/video.mkv").status))
        try #require(try run(["mount", "-o", "remount,rw,size=64k", folder]).status == 0)
        let result = try run(
            [Program.camd, "record", "--camera", vivid, "--duration", "20", "-o", folder + "/video.mkv"],
            limitSeconds: 40)
        expect(result, 74, "ENOSPC", "video.mkv")
        let photo = try camd("snapshot", "--camera", vivid, "-o", folder + "/photo.jpg")
        expect(photo, 74, "ENOSPC")
        #expect(Directory.names(in: folder) == ["video.mkv"], "no half photo is left")
        try run(["umount", folder])
    }

    @Test func `a disk that fills ends the recording, and the daemon goes on`() throws {
        let daemon = try Daemon("--size", "640x360")
        let folder = try Scratch.folder()
        try #require(try run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", folder]).status == 0)
        #expect(try daemon.call("start", "-o", folder + "/video.mkv").status == 0)
        #expect(try eventually(limitSeconds: 30) { try daemon.status().recording?.state == "failed" })
        #expect(try daemon.status().recording?.error?.contains("ENOSPC") == true)
        #expect(try Pictures.probe(folder + "/video.mkv").frames > 0, "what was written plays")
        _ = try daemon.call("stop")
        #expect(try daemon.call("start", "-o", daemon.folder + "/video.mkv").status == 0)
        sleep(1)
        #expect(try daemon.call("stop").status == 0)
        #expect(try Pictures.probe(daemon.folder + "/video.mkv").frames > 10)
        #expect(try daemon.stop().status == 0)
        try run(["umount", folder])
    }

    @Test func `an unknown encoder, with those that there are`() throws {
        let file = try Scratch.folder() + "/video.mkv"
        expect(try record("--camera", vivid, "--encoder", "libnothing", file: file), 69, "libnothing", "libx264")
        #expect(access(file, F_OK) != 0, "no file is left")
    }

    @Test func `a file ending that stands for no container`() throws {
        expect(try record("--camera", vivid, file: "/tmp/video.avi"), 64, ".avi", ".mkv")
        expect(try camd("snapshot", "--camera", vivid, "-o", "/tmp/photo.png"), 64, ".png", ".jpg")
    }

    @Test func `no EGL`() throws {
        let result = try record(
            "--camera", vivid, "--pixel-format", "YUYV", environment: ["__EGL_VENDOR_LIBRARY_DIRS=/nowhere"])
        expect(result, 69, "EGL", "libegl-mesa0")
    }

    @Test func `a heap that does not exist, with those that do`() throws {
        expect(try record("--camera", vivid, "--heap", "nothere"), 78, "nothere", "system")
        expect(try record("--camera", vivid, "--heap", "../null"), 78, "not the name of a heap")
    }

    @Test func `no heap at all is no end: the camera's own memory is used, and said`() throws {
        let folder = try Scratch.folder()
        let result = try run(
            Daemon.hiding(["/dev/dma_heap", "/dev/udmabuf"]) + [
                Program.camd, "record", "--camera", vivid, "-o", folder + "/video.mkv", "--duration", "2", "--json",
            ])
        let status = try decode(Status.self, result)
        #expect(status.path.capture == "mmap")
        #expect(status.refused.contains { $0.path == "import:udmabuf" && $0.reason.contains("ENOENT") })
        #expect(try Pictures.probe(folder + "/video.mkv").frames > 30)
    }

    @Test func `a socket path that is taken, by a daemon or by a file`() throws {
        let daemon = try Daemon()
        let second = try run([Program.camd, "serve", "--camera", "test", "--socket", daemon.socket], limitSeconds: 20)
        expect(second, 75, daemon.socket, "EADDRINUSE")
        let file = daemon.folder + "/file"
        try run(["touch", file])
        expect(
            try run([Program.camd, "serve", "--camera", "test", "--socket", file], limitSeconds: 20), 73, "not a socket"
        )
        #expect(try daemon.stop().status == 0)
    }

    @Test func `no daemon where one is needed`() throws {
        let socket = try Scratch.folder() + "/control"
        for command in [["status"], ["stop"], ["start", "-o", "/tmp/x.mkv"]] {
            expect(try run([Program.camd] + command + ["--socket", socket]), 69, socket, "camd serve")
        }
    }

    @Test func `no permission, with the group to join`() throws {
        let folder = try Scratch.folder()
        try run(["chmod", "777", folder])
        let node = String(cString: try #require(realpath(vivid, nil)))
        try run(["chmod", "600", node])
        let result = try run([
            "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", Program.camd, "record", "--camera",
            node, "-o",
            folder + "/video.mkv", "--duration", "1",
        ])
        expect(result, 77, "EACCES", "group")
    }

    @Test func `another user may not control the daemon`() throws {
        let daemon = try Daemon()
        try run(["chmod", "755", daemon.folder])
        try run(["chmod", "666", daemon.socket])
        let result = try run([
            "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", Program.camd, "stop", "--socket",
            daemon.socket,
        ])
        expect(result, 77)
        #expect(try daemon.stop().status == 0)
    }
}
