import LinuxSystem
import Testing

/// Parts of frames, turned, mirrored and scaled, in videos and photos of the released program.
@Suite(.serialized) struct ViewTests {
    private static let camera = "/dev/camera/vivid0"

    /// The bars that vivid's frame of 640x360 shows from column `from` to `to`, seen at eight places.
    private static func bars(_ places: [Double]) -> [Pictures.Color] {
        places.map { Pictures.bars[min(7, Int($0 / 80))] }
    }

    /// The middles of eight equal parts of this range of columns.
    private static func places(_ from: Double, _ to: Double) -> [Double] {
        (0..<8).map { from + (to - from) * (Double($0) + 0.5) / 8 }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var arguments: [String]
        /// Columns of the frame, from the picture's left to its right.
        var from: Double
        var to: Double
        var size: (Int, Int)
        var photo: (Int, Int)
        var testDescription: String { arguments.joined(separator: " ") }
    }

    static let cases = [
        Case(arguments: ["--mirror"], from: 640, to: 0, size: (640, 360), photo: (640, 360)),
        Case(arguments: ["--rotate", "180"], from: 640, to: 0, size: (640, 360), photo: (640, 360)),
        Case(arguments: ["--mirror", "--rotate", "180"], from: 0, to: 640, size: (640, 360), photo: (640, 360)),
        Case(arguments: ["--scale", "320x180"], from: 0, to: 640, size: (320, 180), photo: (640, 360)),
        Case(arguments: ["--zoom", "2"], from: 160, to: 480, size: (320, 180), photo: (320, 180)),
        Case(
            arguments: ["--crop", "320x200+320+80", "--scale", "640x400"], from: 320, to: 640, size: (640, 400),
            photo: (320, 200)),
    ]

    @Test(arguments: cases)
    func `a daemon's videos and photos show what it was told to`(_ of: Case) throws {
        // No words in the picture.
        #expect(try run(["v4l2-ctl", "-d", Self.camera, "-c", "osd_text_mode=2"]).status == 0)
        let daemon = try Daemon(
            ["--size", "640x360", "--fps", "30"] + of.arguments, camera: Self.camera)
        let (video, photo) = (daemon.folder + "/a.mkv", daemon.folder + "/a.jpg")
        #expect(try daemon.call("start", "-o", video).status == 0)
        #expect(try daemon.call("snapshot", "-o", photo).status == 0)
        #expect(try eventually { try daemon.status().recording?.frames ?? 0 >= 5 })
        let status = try daemon.status()
        #expect(status.path.video == "gpu")
        #expect((status.view.width, status.view.height) == of.size)
        #expect(status.bytesCopiedPerFrame == 0)
        #expect(try daemon.call("stop").status == 0)
        let stream = try Pictures.probe(video).stream
        #expect((stream.width, stream.height) == of.size)
        let wanted = Self.bars(Self.places(of.from, of.to))
        let bars = try Pictures.barsOfVideo(video, frame: 3)
        #expect(Pictures.worst(bars, wanted) <= 3, "\(bars)")
        let picture = try Pictures.barsOfPhoto(photo)
        #expect((picture.width, picture.height) == of.photo)
        #expect(Pictures.worst(picture.bars, wanted) <= 3, "\(picture.bars)")
        #expect(try daemon.stop().status == 0)
    }

    /// Colours of a photo down its middle column, at eight places.
    private func column(_ file: String) throws -> [Pictures.Color] {
        let script = """
            import sys
            from PIL import Image
            i = Image.open(sys.argv[1]).convert("RGB")
            for b in range(8): print(*i.getpixel((i.width // 2, b * i.height // 8 + i.height // 16)))
            """
        let result = try run(["/usr/bin/python3", "-c", script, file])
        try #require(result.status == 0, "Pillow: \(result.errors)")
        return result.text.split(separator: "\n").map { line in
            let c = line.split(separator: " ").compactMap { Int($0) }
            return (c[0], c[1], c[2])
        }
    }

    @Test(arguments: [("90", false), ("270", true)])
    func `a frame on its side stands upright`(_ degrees: String, _ isReversed: Bool) throws {
        let folder = try Scratch.folder()
        let result = try camd(
            "snapshot", "--camera", Self.camera, "--size", "640x360", "--rotate", degrees, "-o", folder + "/a.jpg",
            "--json")
        let answer = try decode(SnapshotAnswer.self, result)
        #expect((answer.width, answer.height) == (360, 640))
        // Clockwise by 90 degrees, what was left is above.
        let wanted = isReversed ? Pictures.bars.reversed() : Pictures.bars
        let seen = try column(folder + "/a.jpg")
        #expect(Pictures.worst(seen, wanted) <= 3, "\(seen)")
    }

    @Test func `start changes what is shown, and refuses what is not in the frame`() throws {
        let daemon = try Daemon("--size", "640x360", "--fps", "30")
        let file = daemon.folder + "/a.mkv"
        let refused = try daemon.call("start", "-o", file, "--crop", "640x360+2+0")
        #expect(refused.status == 64, "\(refused.errors)")
        #expect(refused.errors.contains("640x360"))
        #expect(try daemon.status().view.crop == "640x360+0+0")
        let started = try daemon.call("start", "-o", file, "--rotate", "90", "--scale", "180x320")
        #expect(started.status == 0, "\(started.errors)")
        #expect(try eventually { try daemon.status().recording?.frames ?? 0 >= 3 })
        let status = try daemon.status()
        #expect((status.view.width, status.view.height, status.view.rotate) == (180, 320, 90))
        #expect(try daemon.call("stop").status == 0)
        let stream = try Pictures.probe(file).stream
        #expect((stream.width, stream.height) == (180, 320))
        let other = try daemon.call("snapshot", "-o", daemon.folder + "/a.jpg", "--rotate", "180")
        #expect(other.status == 69, "\(other.errors)")
        #expect(other.errors.contains("--rotate"))
        #expect(try daemon.stop().status == 0)
    }
}

/// Frames that the encoder takes as the camera gives them.
@Suite(.serialized) struct DirectTests {
    @Test(arguments: [
        ("vivid0", "NV12"), ("vivid0", "YU12"), ("vivid1", "NV12"), ("vivid2", "NM12"), ("vivid2", "YM12"),
    ])
    func `the GPU is left out where the encoder takes the camera's format`(_ camera: String, _ format: String) throws {
        let folder = try Scratch.folder()
        let (witness, result) = try Witness.run([
            "record", "--camera", "/dev/camera/\(camera)", "-o", folder + "/a.mkv", "--size", "640x360", "--fps", "30",
            "--pixel-format", format, "--duration", "1", "--require-zero-copy", "--json",
        ])
        let status = try decode(Status.self, result)
        #expect(status.path.video == "direct")
        #expect(status.path.gpu == "none")
        #expect(status.bytesCopiedPerFrame == 0)
        #expect(!witness.events.contains { $0.thread == "camd-gl" }, "there is no GL thread")
        let recording = try #require(status.recording)
        #expect(recording.frames > 10)
        #expect(recording.lost == [:])
        #expect(Pictures.worst(try Pictures.barsOfVideo(folder + "/a.mkv", frame: 5)) <= 3)
    }

    @Test func `the encoder's reads of capture buffers stand between START and END, never while the driver owns them`()
        throws
    {
        let folder = try Scratch.folder()
        let (witness, result) = try Witness.run([
            "record", "--camera", "/dev/camera/vivid0", "-o", folder + "/a.mkv", "--size", "640x360", "--fps", "30",
            "--pixel-format", "NV12", "--duration", "2", "--json",
        ])
        let frames = try #require(try decode(Status.self, result).recording?.frames)
        var slots: [Int: Int] = [:]
        for event in witness.events where event.name == "queue" { slots[event.descriptor] = event.slot }
        var isDrivers: [Int: Bool] = [:]
        var isOpen: [Int: Bool] = [:]
        var reads = 0
        for event in witness.events {
            switch event.name {
            case "queue":
                #expect(isOpen[event.slot] != true, "slot \(event.slot) is queued inside a bracket")
                isDrivers[event.slot] = true
            case "dequeue": isDrivers[event.slot] = false
            case "sync" where event.thread == "camd-encode":
                let slot = try #require(slots[event.descriptor], "the encoder reads capture buffers only")
                #expect(isDrivers[slot] == false, "slot \(slot) is synced while the driver owns it")
                let isEnd = event.value & Witness.end != 0
                #expect(isOpen[slot, default: false] == isEnd, "START and END take turns")
                isOpen[slot] = !isEnd
                if !isEnd { reads += 1 }
            default: break
            }
        }
        #expect(reads == frames)
        #expect(!isOpen.values.contains(true))
    }

    @Test func `a daemon records directly, and takes photos by the GPU meanwhile`() throws {
        let daemon = try Daemon("--size", "640x360", "--fps", "30", "--pixel-format", "NV12")
        let (video, photo) = (daemon.folder + "/a.mkv", daemon.folder + "/a.jpg")
        #expect(try daemon.call("start", "-o", video).status == 0)
        for _ in 0..<3 { #expect(try daemon.call("snapshot", "-o", photo).status == 0) }
        let status = try daemon.status()
        #expect(status.path.video == "direct")
        #expect(status.path.gpu == "eglimage")
        #expect(try daemon.call("stop").status == 0)
        let recording = try #require(try daemon.status().recording)
        #expect(recording.lost == [:])
        #expect(try Pictures.probe(video).frames == recording.frames)
        #expect(Pictures.worst(try Pictures.barsOfVideo(video, frame: 2)) <= 3)
        #expect(Pictures.worst(try Pictures.barsOfPhoto(photo).bars) <= 3)
        #expect(try daemon.stop().status == 0)
    }

    @Test func `what the encoder does not take is drawn, and what it does take is not any more`() throws {
        let daemon = try Daemon("--size", "640x360", "--fps", "30", "--pixel-format", "YU12", "--scale", "320x180")
        #expect(try daemon.status().path.video == "gpu")
        let file = daemon.folder + "/a.mkv"
        #expect(try daemon.call("start", "-o", file, "--scale", "640x360").status == 0)
        #expect(try daemon.status().path.video == "direct", "a size that is the camera's own asks for nothing")
        #expect(try daemon.call("stop").status == 0)
        #expect(try daemon.call("start", "-o", file, "--encoder", "ffv1").status == 0)
        #expect(try daemon.status().path.video == "direct", "FFV1 takes YU12 too")
        #expect(try eventually { try daemon.status().recording?.frames ?? 0 >= 3 })
        #expect(try daemon.call("stop").status == 0)
        #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: 1)) <= 3)
        #expect(try daemon.stop().status == 0)
    }
}
