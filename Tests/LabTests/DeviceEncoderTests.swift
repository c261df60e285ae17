import Glibc
import LinuxSystem
import Testing

/// Recordings by a mem-to-mem encoder: vicodec, the kernel's own.
@Suite(.serialized) struct DeviceEncoderTests {
    private static func arguments(_ format: String, _ size: String, _ file: String, seconds: Int) -> [String] {
        [
            "record", "--camera", "/dev/camera/vivid0", "-o", file, "--duration", "\(seconds)", "--size", size, "--fps",
            "15", "--pixel-format", format, "--encoder", "v4l2", "--require-zero-copy", "--json",
        ]
    }

    private func record(
        _ format: String, _ size: String, seconds: Int, fault: String? = nil
    ) throws -> (status: Status, file: String, result: Program.Result) {
        let folder = try Scratch.folder()
        let file = folder + "/video.mkv"
        var environment: [String] = []
        if let fault {
            let library = folder + "/faults.so"
            let compiled = try run(["cc", "-shared", "-fPIC", "-O2", "-o", library, "Tests/Lab/faults.c", "-ldl"])
            try #require(compiled.status == 0, "\(compiled.errors)")
            environment = ["LD_PRELOAD=\(library)", "FAULT_ENCODER=\(fault)"]
        }
        let result = try run(
            [Program.camd] + Self.arguments(format, size, file, seconds: seconds), environment: environment)
        try #require(result.output.count > 0, "\(result.errors)")
        return (try decode(Status.self, result, status: result.status), file, result)
    }

    /// All frames of a file, by the kernel's own decoder: planes of YUV420P, of whole blocks where the size is not.
    private func frames(_ file: String, bytes: Int) throws -> [[UInt8]] {
        let folder = try Scratch.folder()
        let (stream, raw) = (folder + "/stream", folder + "/raw")
        let cut = try run([
            "ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-c", "copy", "-copy_unknown", "-f", "data", stream,
        ])
        #expect(cut.status == 0 && cut.errors == "", "\(cut.errors)")
        let decoded = try run([
            "v4l2-ctl", "-d", "/dev/camera/decoder", "--stream-mmap", "--stream-out-mmap", "--stream-from", stream,
            "--stream-to", raw,
        ])
        #expect(decoded.status == 0, "\(decoded.errors)")
        let all = try Program.read(raw)
        try #require(all.count % bytes == 0, "\(all.count) bytes are no whole frames of \(bytes)")
        return stride(from: 0, to: all.count, by: bytes).map { Array(all[$0..<$0 + bytes]) }
    }

    @Test func `the camera's own buffers go to the encoder, each at its index, and the CPU never looks into one`()
        throws
    {
        let file = try Scratch.folder() + "/video.mkv"
        let (witness, result) = try Witness.run(Self.arguments("NV12", "1280x720", file, seconds: 2))
        let status = try decode(Status.self, result)
        #expect(status.path.capture == "import:heap:system")
        #expect(status.path.video == "direct")
        let recording = try #require(status.recording)
        #expect(recording.encoder.hasPrefix("v4l2:fwht (/dev/video"))
        #expect(recording.bytesCopied == 0)
        #expect(recording.lost == [:])
        #expect(recording.frames >= 15)

        let captured = witness.events.filter { $0.name == "queue" && $0.thread.hasPrefix("camd-capture") }
        let encoded = witness.events.filter { $0.name == "queue" && $0.thread == "camd-encode" && $0.descriptor > 0 }
        #expect(encoded.count == recording.frames)
        let buffers = Set(captured.map(\.descriptor))
        var home: [Int: Int] = [:]
        for event in encoded {
            #expect(buffers.contains(event.descriptor), "a buffer that the camera never had")
            #expect(home[event.slot, default: event.descriptor] == event.descriptor, "the kernel maps it anew")
            home[event.slot] = event.descriptor
        }
        let looked = witness.events.filter {
            $0.name == "sync" && $0.thread.hasPrefix("camd-encode") && buffers.contains($0.descriptor)
        }
        #expect(looked.isEmpty)

        #expect(try Pictures.probe(file).frames == recording.frames)
        let frames = try frames(file, bytes: 1280 * 720 * 3 / 2)
        #expect(frames.count == recording.frames, "the encoder gave every frame when it was drained")
        let stream = try Pictures.probe(file).stream
        for frame in [try #require(frames.first), try #require(frames.last)] {
            let bars = try Pictures.bars(
                frame, width: 1280, height: 720, matrix: stream.matrix, isFull: stream.range == "pc")
            #expect(Pictures.worst(bars) <= 5, "\(bars)")
        }
    }

    /// vicodec counts in blocks of 8: the picture's chroma begins below row 360, where the camera has it.
    @Test(arguments: ["NV12", "YUYV"])
    func `frames that lie otherwise than the encoder wants are drawn as it wants them`(_ format: String) throws {
        let (status, file, _) = try record(format, "640x360", seconds: 2)
        #expect(status.path.video == "gpu")
        let recording = try #require(status.recording)
        #expect(recording.bytesCopied == 0)
        let frames = try frames(file, bytes: 640 * 360 * 3 / 2)
        #expect(frames.count == recording.frames)
        let stream = try Pictures.probe(file).stream
        #expect((stream.width, stream.height) == (640, 360))
        let bars = try Pictures.bars(
            try #require(frames.last), width: 640, height: 360, matrix: stream.matrix, isFull: stream.range == "pc")
        #expect(Pictures.worst(bars) <= 5, "\(bars)")
    }

    @Test func `an encoder that hangs is begun anew with a key frame, and no frame that it had is lost`() throws {
        let (status, file, _) = try record("YUYV", "640x360", seconds: 5, fault: "20:1")
        let recording = try #require(status.recording)
        #expect(recording.state == "finished")
        #expect(recording.encoderRestarts == 1)
        // While it hangs, frames are lost where they enter.
        #expect(Set(recording.lost.keys).isSubset(of: ["no output buffer", "encoder behind"]), "\(recording.lost)")
        #expect(recording.frames > 30)
        let frames = try frames(file, bytes: 640 * 360 * 3 / 2)
        #expect(frames.count == recording.frames)
        let seen = try run([
            "ffprobe", "-v", "error", "-show_entries", "packet=flags", "-of", "csv=p=0", file,
        ]).text.split(separator: "\n")
        try #require(seen.count > 20)
        #expect(seen[20].hasPrefix("K"), "the first frame of the new instance")
        let bars = try Pictures.bars(
            try #require(frames.last), width: 640, height: 360, matrix: try Pictures.probe(file).stream.matrix,
            isFull: false)
        #expect(Pictures.worst(bars) <= 5, "\(bars)")
    }

    @Test func `an encoder that hangs while it is drained gives every frame all the same`() throws {
        let (status, file, _) = try record("NV12", "1280x720", seconds: 1, fault: "12:1")
        let recording = try #require(status.recording)
        #expect(recording.state == "finished")
        #expect(recording.encoderRestarts == 1)
        #expect(recording.lost["encoder failed"] == nil)
        #expect(try frames(file, bytes: 1280 * 720 * 3 / 2).count == recording.frames)
    }

    @Test
    func `an encoder that hangs again and again ends the recording with the reason, and the file has what was before`()
        throws
    {
        let (status, _, result) = try record("NV12", "1280x720", seconds: 30, fault: "0:100")
        let recording = try #require(status.recording)
        #expect(result.status == 69)
        #expect(recording.state == "failed")
        #expect(recording.encoderRestarts == 3)
        #expect(recording.error?.contains("begun anew 3 times") == true, "\(recording.error ?? "")")
        #expect(status.imbalance(atEnd: true) == nil)
    }

    @Test func `an encoder that goes away ends the recording, and what it gave can be played`() throws {
        let file = try Scratch.folder() + "/video.mkv"
        let program = try Program(
            [Program.camd] + Self.arguments("NV12", "1280x720", file, seconds: 30))
        var status = stat()
        #expect(eventually { stat(file, &status) == 0 && status.st_size > 20_000 })
        let driver = "/sys/bus/platform/drivers/vicodec"
        #expect(try run(["sh", "-c", "echo vicodec.0 > \(driver)/unbind"]).status == 0)
        let result = try program.wait(limitSeconds: 15)
        #expect(try run(["sh", "-c", "echo vicodec.0 > \(driver)/bind"]).status == 0)
        #expect(result.status == 69)
        #expect(result.errors.contains("ENODEV"), "\(result.errors)")
        #expect(result.errors.contains("is gone"), "\(result.errors)")
        let recording = try #require(try decode(Status.self, result, status: result.status).recording)
        #expect(recording.state == "failed")
        #expect(try Pictures.probe(file).frames == recording.frames)
    }

    @Test(arguments: [
        (["--encoder", "v4l2:h264"], 69, "There are: /dev/video"),
        (["--encoder", "v4l2:/dev/camera/decoder"], 69, "does not compress"),
        (["--encoder", "v4l2:/dev/camera/vivid0"], 69, "no mem-to-mem device"),
        (["--encoder", "v4l2:/dev/nothing"], 66, "no such encoder"),
        (["--encoder", "v4l2:dirac"], 64, "v4l2:h264"),
        (["--encoder", "v4l2", "--encoder-option", "bitrate=1"], 64, "video_gop_size"),
        (["--encoder", "v4l2", "--encoder-option", "video_gop_size=17"], 64, "from 1 to 16"),
        (["--encoder", "v4l2", "--size", "64x64"], 69, "not 64x64"),
        (["--encoder", "v4l2", "-o", "/tmp/never.mp4"], 64, "Name it .mkv"),
    ])
    func `what cannot be is refused before there is a file, with what can`(
        _ arguments: [String], _ code: Int32, _ words: String
    ) throws {
        let file = arguments.contains("-o") ? [] : ["-o", "/tmp/never.mkv"]
        let result = try run(
            [Program.camd, "record", "--camera", "test", "--duration", "1"] + file + arguments)
        #expect(result.status == code)
        #expect(result.errors.contains(words), "\(result.errors)")
        #expect(access("/tmp/never.mkv", F_OK) != 0 && access("/tmp/never.mp4", F_OK) != 0)
    }
}
