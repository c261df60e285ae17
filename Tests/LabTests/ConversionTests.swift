import Glibc
import Testing

/// Cameras whose frames the CPU has to decode or convert.
@Suite struct ConversionTests {
    private func record(
        _ node: String, _ options: String..., seconds: Double = 1
    ) throws -> (status: Status, file: String) {
        let file = try Scratch.folder() + "/a.mkv"
        let result = try run(
            [Program.camd, "record", "--camera", node, "-o", file, "--duration", "\(seconds)", "--json"] + options)
        return (try decode(Status.self, result), file)
    }

    /// YUYV comes first where it has the rate; this camera has 5 frames/s of it.
    @Test(arguments: ["420", "422"])
    func `A USB camera's JPEGs become a video and photos in the right colours`(sampling: String) throws {
        let camera = try USBCamera("-s", sampling)
        let (status, file) = try record(camera.node)
        #expect(status.format == "MJPG")
        #expect((status.width, status.height) == (1280, 720))
        #expect(status.corrupt == 0)
        let recording = try #require(status.recording)
        #expect(try Pictures.probe(file).frames == recording.frames)
        #expect(recording.frames > 5)
        #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: 3)) <= 6)
        let photo = try Scratch.folder() + "/a.jpg"
        try #require(try camd("snapshot", "--camera", camera.node, "-o", photo).status == 0)
        let seen = try Pictures.barsOfPhoto(photo)
        #expect((seen.width, seen.height) == (1280, 720))
        #expect(Pictures.worst(seen.bars) <= 6)
    }

    /// No planar format of camd's has the shape of it.
    @Test func `A JPEG with all of its chroma keeps its colours`() throws {
        let camera = try USBCamera("-s", "444", "-z", "638x478")
        let (_, file) = try record(camera.node, "--pixel-format", "MJPG")
        #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: 3)) <= 6)
    }

    @Test func `A grey JPEG is a grey picture`() throws {
        let camera = try USBCamera("-s", "grey", "-z", "638x478")
        let (status, file) = try record(camera.node, "--pixel-format", "MJPG")
        #expect((status.width, status.height) == (638, 478))
        let luma = Pictures.bars.map { (bar: Pictures.Color) -> Pictures.Color in
            let y = Int((0.299 * Double(bar.r) + 0.587 * Double(bar.g) + 0.114 * Double(bar.b)).rounded())
            return (y, y, y)
        }
        #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: 3), luma) <= 6)
    }

    @Test func `What is decoded counts as copied, and is told`() throws {
        let camera = try USBCamera()
        let daemon = try Daemon([], camera: camera.node)
        let idle = try daemon.status()
        #expect(idle.bytesCopiedPerFrame == 0, "nobody wants a frame, and none is decoded")
        let file = daemon.folder + "/a.mkv"
        try #require(try daemon.call("start", "-o", file).status == 0)
        #expect(try eventually { try daemon.status().recording?.frames ?? 0 > 10 })
        let status = try daemon.status()
        #expect(status.bytesCopiedPerFrame > 0)
        #expect(status.path.convert?.hasPrefix("jpeg:") == true)
        let refusal = try #require(status.refused.first { $0.stage == "convert" })
        #expect(refusal.reason.contains("MJPG") && refusal.reason.contains("YUYV has 1280x720 at 5 frames/s"))
        // The mode is the one that it has: nothing begins anew.
        #expect(try daemon.call("stop").status == 0)
        let before = try daemon.status().numbered
        try #require(try daemon.call("start", "-o", file, "--pixel-format", "MJPG").status == 0)
        #expect(try daemon.status().numbered >= before)
        #expect(try daemon.call("stop").status == 0)
        try daemon.stop()
    }

    @Test func `The capture thread allocates nothing for a frame that is decoded`() throws {
        let camera = try USBCamera("-z", "640x480")
        let file = try Scratch.folder() + "/a.mkv"
        let (witness, result) = try Witness.run([
            "record", "--camera", camera.node, "--pixel-format", "MJPG", "-o", file, "--duration", "2", "--json",
        ])
        #expect(try decode(Status.self, result).corrupt == 0)
        let capture = witness.events.filter { $0.thread == "camd-capture" }
        let frames = capture.filter { $0.name == "dequeue" }.count
        #expect(frames > 10)
        let first = try #require(capture.firstIndex { $0.name == "dequeue" })
        #expect(capture[first...].filter { $0.name == "allocate" }.isEmpty)
        // The converter's reads and writes are bracketed: START and END of the frame and of its picture.
        let syncs = witness.events.filter { $0.thread == "camd-convert" && $0.name == "sync" }
        #expect(syncs.count >= 4 * (frames - 4))
        let (starts, ends) = (
            syncs.filter { $0.value & Witness.end == 0 }.count, syncs.filter { $0.value & Witness.end != 0 }.count
        )
        #expect(starts == ends)
    }

    @Test func `An uncompressed format comes first where it has the rate, and without copies always`() throws {
        do {
            let camera = try USBCamera("-z", "320x240", "-y", "30")
            let (status, _) = try record(camera.node)
            #expect(status.format == "YUYV")
            #expect((status.bytesCopiedPerFrame, status.path.convert) == (0, nil))
        }
        let camera = try USBCamera("-z", "320x240")
        let (decoded, _) = try record(camera.node)
        #expect(decoded.format == "MJPG")
        let (slow, _) = try record(camera.node, "--fps", "5")
        #expect(slow.format == "YUYV")
        let (free, _) = try record(camera.node, "--require-zero-copy")
        #expect((free.format, free.bytesCopiedPerFrame) == ("YUYV", 0))
        let refused = try camd(
            "record", "--camera", camera.node, "-o", "/tmp/none.mkv", "--duration", "1", "--require-zero-copy",
            "--pixel-format", "MJPG")
        #expect(refused.status == 69)
        #expect(refused.errors.contains("libturbojpeg decodes MJPG"))
        #expect(access("/tmp/none.mkv", F_OK) != 0)
    }

    @Test func `Damaged JPEGs are counted, and the stream goes on`() throws {
        // At each number the first that divides it.
        let camera = try USBCamera(
            "-z", "640x480", "-b", "truncated:3", "-b", "stub:8", "-b", "garbage:4", "-b", "noise:5", "-b",
            "wrong-size:7", "-b",
            "huge:11", "-b", "other-sampling:13")
        let (status, file) = try record(camera.node, "--pixel-format", "MJPG", seconds: 2)
        let recording = try #require(status.recording)
        // Nearly two thirds. A driver may hold back what it sees itself.
        #expect(status.corrupt > 5)
        #expect(recording.frames > status.corrupt / 4)
        #expect(recording.state == "finished")
        #expect(try Pictures.probe(file).frames == recording.frames)
        for frame in 0..<min(4, recording.frames) {
            #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: frame)) <= 6)
        }
    }

    @Test func `What many cameras leave out or add is no damage`() throws {
        let camera = try USBCamera("-z", "640x480", "-b", "tail:2", "-b", "no-tables")
        let (status, file) = try record(camera.node, "--pixel-format", "MJPG")
        #expect(status.corrupt == 0)
        #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: 3)) <= 6)
    }

    @Test func `A camera that sends no JPEG at all is an error that says so`() throws {
        let camera = try USBCamera("-z", "640x480", "-b", "garbage")
        let result = try camd(
            "record", "--camera", camera.node, "-o", "/tmp/none.mkv", "--duration", "1", "--pixel-format", "MJPG")
        #expect(result.status == 69)
        #expect(result.errors.contains("is a JPEG that libturbojpeg reads"))
        #expect(result.errors.contains("--pixel-format"))
    }

    @Test func `A camera that is unplugged while its JPEGs are recorded leaves a whole file`() throws {
        let camera = try USBCamera("-z", "640x480", "-d", "40")
        let file = try Scratch.folder() + "/a.mkv"
        let result = try camd("record", "--camera", camera.node, "-o", file, "--duration", "20", "--json")
        #expect(result.status != 0)
        #expect(result.errors.contains("the camera is gone"))
        #expect(try Pictures.probe(file).frames > 5)
    }

    @Test(arguments: [("vivid0", "HSV3"), ("vivid2", "HSV4")])
    func `A format that only libv4lconvert knows is recorded in the right colours`(
        camera: String, format: String
    ) throws {
        let (status, file) = try record(
            "/dev/camera/\(camera)", "--pixel-format", format, "--size", "640x480")
        #expect(status.format == format)
        #expect(status.path.convert?.hasPrefix("v4lconvert:") == true)
        #expect(status.bytesCopiedPerFrame > 640 * 480 * 3 / 2)
        let bars = try Pictures.barsOfVideo(file, frame: 3)
        #expect(Pictures.worst(bars) <= 10, "\(bars)")
    }

    @Test func `A format that nobody knows is refused by name, with those that are known`() throws {
        let result = try camd(
            "record", "--camera", "/dev/camera/vimc-raw0", "-o", "/tmp/none.mkv", "--duration", "1", "--pixel-format",
            "aBA8")
        #expect(result.status == 69)
        #expect(result.errors.contains("camd cannot read the pixel format aBA8"))
        #expect(result.errors.contains("Choose one of: "))
        #expect(result.errors.contains("RGGB"))
    }

    @Test func `The list says of each format who reads it`() throws {
        let camera = try USBCamera()
        let answer = try decode(ListAnswer.self, camd("list", "--json"))
        func reader(_ driver: String, _ fourcc: String) throws -> String? {
            let camera = try #require(answer.cameras.first { $0.driver == driver })
            return try #require(camera.formats.first { $0.fourcc == fourcc }).reader
        }
        #expect(answer.cameras.contains { $0.node == camera.node })
        #expect(try reader("uvcvideo", "MJPG") == "jpeg")
        #expect(try reader("uvcvideo", "YUYV") == "gpu")
        #expect(try reader("vivid", "HSV3") == "v4lconvert")
        #expect(try reader("vimc", "aBA8") == nil)
    }
}
