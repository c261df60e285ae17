import Testing

/// Encoders that take other pictures than NV12.
@Suite(.serialized) struct PlanarEncoderTests {
    private func record(
        _ format: String, _ encoder: [String], _ file: String
    ) throws -> (status: Status, recording: Status.Recording) {
        let result = try run(
            [
                Program.camd, "record", "--camera", "/dev/camera/vivid0", "-o", file, "--duration", "1", "--size",
                "640x480", "--fps", "15", "--pixel-format", format, "--json", "--encoder",
            ] + encoder)
        let status = try decode(Status.self, result)
        return (status, try #require(status.recording))
    }

    @Test(arguments: ["NV12", "YU12", "YUYV", "RGGB"])
    func `mjpeg gets full range of JPEG's matrix, and its colours are true`(_ format: String) throws {
        let file = try Scratch.folder() + "/video.mkv"
        let (status, recording) = try record(format, ["mjpeg"], file)
        #expect(status.path.video == "gpu", "the camera's numbers are no JPEG's")
        #expect(recording.bytesCopied == 0)
        #expect(recording.frames > 5)
        #expect(try Pictures.probe(file).stream.range == "pc")
        let bars = try Pictures.barsOfVideo(file, frame: 4)
        #expect(Pictures.worst(bars) <= 5, "\(bars)")
    }

    @Test(arguments: ["YUYV", "RGGB"])
    func `ffv1 has the GPU's picture bit for bit, as a lossless encoder of NV12 has`(_ format: String) throws {
        let folder = try Scratch.folder()
        var pictures: [[UInt8]] = []
        for (index, encoder) in [["ffv1"], ["libx264", "--encoder-option", "qp=0"]].enumerated() {
            let file = "\(folder)/\(index).mkv"
            let (_, recording) = try record(format, encoder, file)
            #expect(recording.frames > 5)
            #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: 4)) <= 3)
            let frame = try run([
                "ffmpeg", "-v", "error", "-i", file, "-vframes", "1", "-f", "rawvideo", "-pix_fmt", "yuv420p",
                "-vf", "crop=640:160:0:300", "-",
            ])
            #expect(frame.errors == "")
            pictures.append(frame.output)
        }
        // The bars' lower part, where the test camera writes nothing.
        #expect(pictures[0].count == 640 * 160 * 3 / 2)
        #expect(pictures[0] == pictures[1])
    }

    @Test(arguments: ["NV21", "YV12"])
    func `cameras of NV21 and YV12 need no GPU where the encoder takes that, and U and V are not mistaken`(
        _ format: String
    ) throws {
        let file = try Scratch.folder() + "/video.mkv"
        let (status, recording) = try record(format, ["libx264"], file)
        #expect(status.path.video == "direct")
        #expect(recording.bytesCopied == 0)
        #expect(Pictures.worst(try Pictures.barsOfVideo(file, frame: 4)) <= 3)
    }

    @Test func `the daemon changes its stream over for another encoder, and takes its options`() throws {
        // With no words in it, no block of the picture is worth a reference to the one before: then all frames are key frames.
        #expect(try run(["v4l2-ctl", "-d", "/dev/camera/vivid0", "-c", "osd_text_mode=0"]).status == 0)
        let daemon = try Daemon("--size", "640x480", "--fps", "15", "--pixel-format", "YUYV")
        for (name, encoder) in [("a", "libx264"), ("b", "ffv1"), ("c", "mjpeg"), ("d", "v4l2")] {
            let file = daemon.folder + "/\(name).mkv"
            var arguments = ["start", "-o", file, "--encoder", encoder]
            if encoder == "v4l2" { arguments += ["--encoder-option", "video_gop_size=2"] }
            #expect(try run([Program.camd] + arguments + ["--socket", daemon.socket]).status == 0)
            #expect(try eventually { try daemon.status().recording?.frames ?? 0 > 4 })
            #expect(try daemon.call("stop").status == 0)
            #expect(try daemon.status().recording?.encoder.hasPrefix(encoder) == true)
            #expect(try Pictures.probe(file).frames > 4)
        }
        let flags = try run([
            "ffprobe", "-v", "error", "-show_entries", "packet=flags", "-of", "csv=p=0", daemon.folder + "/d.mkv",
        ]).text.split(separator: "\n")
        #expect(flags.prefix(4).map { $0.hasPrefix("K") } == [true, false, true, false])
        #expect(try daemon.stop().status == 0)
    }
}
