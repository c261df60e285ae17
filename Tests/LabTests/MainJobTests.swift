import Glibc
import LinuxSystem
import Testing

/// The main job on vivid: a video without a copied byte, a photo meanwhile.
@Suite(.serialized) struct MainJobTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var camera: String
        var format: String
        var testDescription: String { "\(format) of \(camera)" }
    }

    private func record(
        _ camera: String, _ format: String, _ file: String, seconds: Int, _ more: [String] = []
    ) throws -> Status {
        let result = try run(
            [
                Program.camd, "record", "--camera", camera, "-o", file, "--duration", "\(seconds)", "--size",
                "1280x720",
                "--fps", "30", "--pixel-format", format, "--json",
            ] + more)
        return try decode(Status.self, result)
    }

    @Test(arguments: ["YUYV", "RGGB"])
    func `10 s of 720p are recorded through heap import, at least 295 frames, no byte copied, colours true`(
        _ format: String
    ) throws {
        let file = try Scratch.folder() + "/video.mkv"
        var status = try record("/dev/camera/vivid0", format, file, seconds: 10, ["--require-zero-copy"])
        // The test camera itself leaves frames out when this machine's CPUs are taken by others: it gets three tries.
        for _ in 0..<2 where (status.recording?.frames ?? 0) < 295 {
            status = try record("/dev/camera/vivid0", format, file, seconds: 10, ["--require-zero-copy"])
        }
        #expect(status.path.capture == "import:heap:system")
        #expect(status.path.gpu == "eglimage")
        #expect(status.path.output == "heap:system")
        #expect(status.heap == "system")
        #expect(status.bytesCopiedPerFrame == 0)
        #expect(status.format == format)
        let recording = try #require(status.recording)
        #expect(recording.state == "finished")
        #expect(recording.lost == [:])
        let seen = try Pictures.probe(file)
        #expect(seen.frames >= 295, "the driver dropped \(status.dropped), starved \(status.starved)")
        #expect(seen.frames == recording.frames)
        #expect((seen.stream.width, seen.stream.height) == (1280, 720))
        let bars = try Pictures.barsOfVideo(file, frame: 100)
        #expect(Pictures.worst(bars) <= 3, "\(bars)")
    }

    @Test func `times in the file rise as the driver's do`() throws {
        let file = try Scratch.folder() + "/video.mkv"
        _ = try record("/dev/camera/vivid0", "NV12", file, seconds: 3)
        let times = try Pictures.probe(file).seconds
        try #require(times.count > 60)
        #expect(times[0] == 0)
        for (before, after) in zip(times, times.dropFirst()) { #expect(after > before) }
        // 30 frames a second, apart from frames that the test camera itself leaves out.
        let average = (times.last! - times[0]) / Double(times.count - 1)
        #expect(abs(average - 1.0 / 30) < 0.004)
    }

    @Test func `a camera that refuses imported buffers is recorded through its own, and the reason is told`() throws {
        let file = try Scratch.folder() + "/video.mkv"
        let status = try record("/dev/camera/vivid1", "YUYV", file, seconds: 5)
        #expect(status.path.capture == "mmap")
        #expect(status.heap == nil)
        #expect(status.bytesCopiedPerFrame == 0)
        let refusal = try #require(status.refused.first { $0.path == "import:heap:system" })
        #expect(refusal.reason.contains("EFAULT"))
        #expect(refusal.reason.contains("contiguous"))
        #expect(try Pictures.probe(file).frames >= 140)
        let bars = try Pictures.barsOfVideo(file, frame: 30)
        #expect(Pictures.worst(bars) <= 3, "\(bars)")
    }

    @Test(arguments: ["YUYV", "RGGB"])
    func `photos during a recording lose no frame of it, and their colours are true`(_ format: String) throws {
        let daemon = try Daemon("--size", "1280x720", "--fps", "30", "--pixel-format", format)
        let video = daemon.folder + "/video.mkv"
        #expect(try daemon.call("start", "-o", video).status == 0)
        sleep(1)
        for number in 1...5 {
            let photo = daemon.folder + "/photo\(number).jpg"
            let answer = try decode(SnapshotAnswer.self, daemon.call("snapshot", "-o", photo, "--json"))
            #expect((answer.width, answer.height) == (1280, 720))
            let picture = try Pictures.barsOfPhoto(photo)
            #expect((picture.width, picture.height) == (1280, 720))
            #expect(Pictures.worst(picture.bars) <= 3, "\(picture.bars)")
        }
        sleep(1)
        #expect(try daemon.status().recording?.state == "recording")
        #expect(try daemon.call("stop").status == 0)
        let status = try daemon.status()
        let recording = try #require(status.recording)
        #expect(recording.state == "finished")
        #expect(recording.lost == [:])
        #expect(status.starved == 0)
        #expect(status.bytesCopiedPerFrame == 0)
        #expect(try Pictures.probe(video).frames == recording.frames)
        #expect(try daemon.stop().status == 0)
    }

    @Test func `snapshot takes a photo without a daemon`() throws {
        let photo = try Scratch.folder() + "/photo.jpg"
        let result = try camd("snapshot", "--camera", "/dev/camera/vivid0", "-o", photo, "--size", "1920x1080")
        #expect(result.status == 0, "\(result.errors)")
        let picture = try Pictures.barsOfPhoto(photo)
        #expect((picture.width, picture.height) == (1920, 1080))
        #expect(Pictures.worst(picture.bars) <= 3)
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `a signal finishes the file`(_ signal: CInt) throws {
        let file = try Scratch.folder() + "/video.mkv"
        let program = try Program([Program.camd, "record", "--camera", "/dev/camera/vivid0", "-o", file, "--json"])
        var status = stat()
        #expect(eventually { stat(file, &status) == 0 && status.st_size > 10_000 })
        program.signal(signal)
        let summary = try decode(Status.self, try program.wait(limitSeconds: 15))
        #expect(try Pictures.probe(file).frames == summary.recording?.frames)
    }

    @Test func `a second signal ends at once`() throws {
        let file = try Scratch.folder() + "/video.mkv"
        let program = try Program([Program.camd, "record", "--camera", "/dev/camera/vivid0", "-o", file])
        var status = stat()
        #expect(eventually { stat(file, &status) == 0 && status.st_size > 0 })
        // Both before it can have finished.
        program.signal(SIGSTOP)
        program.signal(SIGINT)
        program.signal(SIGTERM)
        program.signal(SIGCONT)
        let result = try program.wait(limitSeconds: 15)
        #expect([130, 143].contains(result.status))
    }

    @Test func `the daemon finishes its file when it is asked to end`() throws {
        let daemon = try Daemon()
        let video = daemon.folder + "/video.mkv"
        #expect(try daemon.call("start", "-o", video).status == 0)
        sleep(2)
        #expect(try daemon.stop().status == 0)
        #expect(try Pictures.probe(video).frames > 30)
        #expect(access(daemon.socket, F_OK) != 0, "the socket is gone")
    }

    @Test func `the pattern camera is recorded on a machine with udmabuf without a copy to the GPU`() throws {
        let file = try Scratch.folder() + "/video.mkv"
        let result = try camd(
            "record", "--camera", "test", "--heap", "udmabuf", "-o", file, "--duration", "2", "--json")
        let status = try decode(Status.self, result)
        #expect(status.path.capture == "pattern:udmabuf")
        #expect(status.bytesCopiedPerFrame == 0)
        #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: 10)) <= 3)
    }
}
