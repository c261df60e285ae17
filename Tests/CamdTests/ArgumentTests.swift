import ArgumentParser
import CaptureCore
import LinuxSystem
import Testing

@testable import camd

@Suite struct ArgumentTests {
    /// What the program says to these arguments, and the code with which it ends; nil: they are right.
    private func complaint(_ arguments: [String]) -> (text: String, code: Int32)? {
        do {
            var command = try Camd.parseAsRoot(arguments)
            // Only help is a command that may be run here.
            if "\(type(of: command))".hasPrefix("Help") { try command.run() }
            return nil
        } catch {
            return (Camd.complaint(error), Camd.exitCode(for: error).rawValue)
        }
    }

    @Test(arguments: [("1280x720", 1280, 720), ("2x2", 2, 2), ("16384x16384", 16384, 16384)])
    func `a size is two numbers`(text: String, width: Int, height: Int) throws {
        #expect(try Arguments.size(text) == FrameSize(width, height))
    }

    @Test(arguments: [
        "x", "1280", "1280x", "x720", "0x0", "1x1", "-640x480", "640x-480", "640X480", "640x480x3", " 640x480",
        "640x480 ", "6.4x480", "16385x2", "99999999999999999999x2", "٦x٤", "0x10x20", "+2x2",
    ])
    func `any other size is refused, and what is allowed is said`(text: String) throws {
        #expect(throws: ValidationError.self) { try Arguments.size(text) }
        let answer = try #require(complaint(["record", "-o", "a.mkv", "--size=" + text]))
        #expect(answer.code == 64)
        #expect(answer.text.hasPrefix("camd: "))
        #expect(answer.text.contains("WIDTHxHEIGHT"))
    }

    @Test func `options of the encoder are pairs, and a value may have anything in it`() throws {
        let setting = try Arguments.setting("x264-params=keyint=30:scenecut=0")
        #expect((setting.name, setting.value) == ("x264-params", "keyint=30:scenecut=0"))
        #expect(try Arguments.setting("tune=").value == "")
        for text in ["", "=", "=3", "preset"] {
            #expect(throws: ValidationError.self) { try Arguments.setting(text) }
        }
        let command = try #require(
            try Camd.parseAsRoot(["record", "-o", "a.mkv", "--encoder-option", "a=1", "--encoder-option", "b=2"])
                as? RecordCommand)
        var wish = RecordingRequest(file: "a.mkv")
        command.encoding.apply(to: &wish)
        #expect(wish.encoder == "libx264")
        #expect(wish.encoderOptions == ["a": "1", "b": "2"])
    }

    @Test(arguments: [("10", 10.0), ("0.5", 0.5), ("2.", 2.0), ("31536000", 31_536_000.0)])
    func `a duration is in seconds`(text: String, seconds: Double) throws {
        #expect(try Arguments.duration(text) == seconds)
    }

    @Test(arguments: ["0", "0.0", "-1", "nan", "inf", "1e3", "0x10", "10s", "31536001", "1.2.3", ".", " 1", "+1"])
    func `any other duration is refused, and what is allowed is said`(text: String) throws {
        #expect(throws: ValidationError.self) { try Arguments.duration(text) }
        let answer = try #require(complaint(["record", "-o", "a.mkv", "--duration=" + text]))
        #expect(answer.code == 64)
        #expect(answer.text.contains("in seconds, more than 0"))
    }

    @Test(arguments: [
        ["record"], ["record", "-o"], ["record", "-o", ""], ["record", "-o", "a", "--size="],
        ["record", "-o", "a.mkv", "--fps", "0"],
        ["record", "-o", "a.mkv", "--fps", "1001"], ["record", "-o", "a.mkv", "--fps", "nan"],
        ["record", "-o", "a.mkv", "--pixel-format", ""], ["record", "-o", "a.mkv", "--pixel-format", "YUYVV"],
        ["record", "-o", "a.mkv", "--camera", ""], ["record", "-o", "a.mkv", "extra"],
        ["record", "-o", "a.mkv", "--no-such"], ["snapshot"], ["snapshot", "-o", "a.jpg", "--quality", "0"],
        ["develop"], ["develop", "a.dng"], ["develop", "-o", "a.jpg"], ["develop", "", "-o", "a.jpg"],
        ["develop", "a.dng", "-o", "a.jpg", "--quality", "best"], ["develop", "a.dng", "b.dng", "-o", "a.jpg"],
        ["develop", "a.dng", "-o", "a.jpg", "--jpeg-quality", "0"],
        ["develop", "a.raw", "-o", "a.jpg", "--size", "0x0"],
        ["develop", "a.raw", "-o", "a.jpg", "--pixel-format", "RGGBB"],
        ["snapshot", "-o", "a.jpg", "--quality", "101"], ["snapshot", "-o", "a.jpg", "--quality", "x"],
        ["serve", "--size", "big"], ["nonsense"], ["call"], ["call", ""], ["call", "Status", "[]"],
        ["call", "Status", "{"], ["call", "Status", "5"], ["list", "extra"], ["status", "--socket", ""],
    ])
    func `wrong usage ends with 64 and a message`(arguments: [String]) throws {
        let answer = try #require(complaint(arguments), "\(arguments) was taken")
        #expect(answer.code == 64)
        #expect(answer.text.hasPrefix("camd: "), "\(answer.text)")
    }

    @Test(arguments: [
        ["serve"], ["record", "-o", "a.mkv"], ["snapshot", "-o", "a.jpg"], ["doctor"],
        ["develop", "a.dng", "-o", "a.jpg"],
    ])
    func `every command that draws takes the GPU's node, by its whole path`(command: [String]) throws {
        let parsed = try Camd.parseAsRoot(command + ["--gpu", "/dev/dri/renderD129"])
        let node =
            switch parsed {
            case let serve as ServeCommand: serve.motion.request(serve.stream).gpu
            case let record as RecordCommand: record.motion.request(record.stream).gpu
            case let snapshot as SnapshotCommand: snapshot.stream.request.gpu
            case let doctor as DoctorCommand: doctor.gpu.node
            case let develop as DevelopCommand: develop.request.gpu
            default: nil as String?
            }
        #expect(node == "/dev/dri/renderD129")
        for wrong in ["renderD129", ""] {
            let answer = try #require(complaint(command + ["--gpu", wrong]))
            #expect(answer.code == 64)
            #expect(answer.text.contains("such as /dev/dri/renderD128"))
        }
    }

    @Test func `help and version are no errors`() throws {
        #expect(complaint(["--help"])?.code == 0)
        #expect(complaint(["record", "--help"])?.code == 0)
        #expect(complaint(["--version"])?.text == Camd.version)
    }

    @Test func `record takes all that the contract has`() throws {
        let command = try #require(
            try Camd.parseAsRoot([
                "record", "--camera", "test", "-o", "a.mkv", "--duration", "2.5", "--size", "640x480", "--fps", "30",
                "--pixel-format", "YUYV", "--encoder", "libx264", "--heap", "system", "linux,cma",
                "--require-zero-copy", "--json", "--socket", "/tmp/s",
            ]) as? RecordCommand)
        let request = command.motion.request(command.stream)
        #expect(request.camera == "test")
        #expect(request.width == 640 && request.height == 480)
        #expect(request.framesPerSecond == 30)
        #expect(request.pixelFormat == .yuyv)
        #expect(request.heaps == ["system", "linux,cma"])
        #expect(request.requireZeroCopy)
        #expect(
            command.duration == 2.5 && command.output == "a.mkv" && command.encoding.encoder == "libx264"
                && command.json)
        #expect(command.socket.path == "/tmp/s")
    }

    @Test(arguments: [
        ["list", "--json"], ["heaps", "--probe", "--json"], ["doctor", "--camera", "test", "--json"],
        [
            "snapshot", "--camera", "test", "-o", "a.jpg", "--size", "640x480", "--pixel-format", "YUYV", "--quality",
            "80",
        ],
        ["develop", "a.dng", "-o", "a.jpg"],
        ["develop", "a.dng", "--output", "a.ppm", "--neutral", "--quality", "video"],
        [
            "develop", "a.raw", "-o", "a.jpg", "--size", "640x480", "--pixel-format", "RG10", "--jpeg-quality", "80",
            "--json",
        ],
        ["serve", "--camera", "test", "--heap", "a", "--heap", "b", "--fps", "29.97", "--socket", "/tmp/s"],
        ["start", "-o", "a.mkv", "--encoder", "libx264"], ["stop", "--json"], ["status", "--json"],
        ["call", "Status"], ["call", "Snapshot", #"{"file":"/tmp/a.jpg"}"#, "--more", "--timeout", "5"],
    ])
    func `every other command takes what the contract has`(arguments: [String]) {
        #expect(complaint(arguments)?.text == nil)
    }

    @Test func `a method without an interface is one of ours`() {
        #expect(CallCommand.fullName("Status") == "io.camd.Camera.Status")
        #expect(CallCommand.fullName("org.varlink.service.GetInfo") == "org.varlink.service.GetInfo")
    }

    @Test func `a photo is a JPEG, and other endings are told so`() throws {
        for name in ["a.jpg", "/x/a.JPEG", "a.b.Jpg"] { try Limits.checkPhoto(name) }
        for name in ["a.png", "a.dng", "jpg", "a", "a.jpg.tmp"] {
            let error = #expect(throws: CamdError.self) { try Limits.checkPhoto(name) }
            #expect(error?.kind == .usage)
            #expect(error?.description.contains(".jpg or .jpeg") == true)
        }
    }

    @Test func `the socket's place goes by who runs it and what is there`() {
        func path(_ exists: Bool, _ root: Bool, _ folder: String?) -> String {
            SocketPath.standard(systemExists: exists, isRoot: root, runtimeFolder: folder)
        }
        #expect(path(false, false, "/run/user/1000") == "/run/user/1000/camd/control")
        #expect(path(false, false, "/run/user/1000/") == "/run/user/1000/camd/control")
        #expect(path(true, false, "/run/user/1000") == "/run/camd/control")
        #expect(path(false, true, "/run/user/0") == "/run/camd/control")
        #expect(path(false, false, nil) == "/run/camd/control")
        #expect(path(false, false, "relative") == "/run/camd/control")
    }
}
