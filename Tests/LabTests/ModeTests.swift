import Glibc
import LinuxSystem
import Testing

/// Another size, rate or format for the next recording: what is large enough of the buffers is kept.
@Suite(.serialized) struct ModeTests {
    /// How many buffers the program has allocated from heaps so far, as the kernel was asked (DMA_HEAP_IOCTL_ALLOC).
    private func allocations(_ trace: String) throws -> Int {
        String(decoding: try Program.read(trace), as: UTF8.self).split(separator: "\n")
            .count { ($0.contains("DMA_HEAP_IOCTL_ALLOC") || $0.contains("0x48, 0, 0x18")) && !$0.contains("resumed>") }
    }

    private func record(_ daemon: Daemon, _ name: String, _ arguments: [String]) throws -> Program.Result {
        let file = daemon.folder + "/" + name
        let started = try run(
            [Program.camd, "start", "-o", file, "--socket", daemon.socket] + arguments)
        guard started.status == 0 else { return started }
        usleep(700_000)
        return try daemon.call("stop")
    }

    private func size(_ file: String) throws -> String {
        try run([
            "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of",
            "csv=p=0:s=x", file,
        ]).text.trimmed
    }

    @Test func `a mode that fits takes no new buffer, and each recording has its own`() throws {
        let folder = try Scratch.folder()
        let trace = folder + "/trace"
        let daemon = try Daemon(
            // Measuring under strace would tell what system calls cost.
            ["--size", "1280x720", "--fps", "30", "--heap", "system", "--pixel-format", "YUYV"],
            camera: "/dev/camera/vivid0",
            through: ["strace", "-D", "-f", "--seccomp-bpf", "-e", "trace=ioctl", "-o", trace])
        let first = try record(daemon, "a.mkv", [])
        #expect(first.status == 0, "\(first.errors)")
        let before = try allocations(trace)
        // 8 capture buffers, 12 pictures for the encoder, 2 for photos.
        #expect(before >= 22)

        let smaller = try record(daemon, "b.mkv", ["--size", "640x360", "--fps", "60"])
        #expect(smaller.status == 0, "\(smaller.errors)")
        #expect(try allocations(trace) == before, "a smaller mode takes no new memory")
        #expect(try daemon.status().width == 640)
        let back = try record(daemon, "c.mkv", ["--size", "1280x720", "--pixel-format", "UYVY"])
        #expect(back.status == 0, "\(back.errors)")
        #expect(try allocations(trace) == before, "what was large enough is there still")
        #expect(try daemon.status().format == "UYVY", "what was asked for stays")
        let larger = try record(daemon, "d.mkv", ["--size", "1920x1080"])
        #expect(larger.status == 0, "\(larger.errors)")
        #expect(try allocations(trace) > before, "the trace sees new buffers")

        #expect(try size(daemon.folder + "/a.mkv") == "1280x720")
        #expect(try size(daemon.folder + "/b.mkv") == "640x360")
        #expect(try size(daemon.folder + "/c.mkv") == "1280x720")
        #expect(try size(daemon.folder + "/d.mkv") == "1920x1080")
        let status = try daemon.status()
        #expect(status.path.capture == "import:heap:system")
        #expect(try daemon.stop().status == 0)
    }

    @Test func `descriptors and memory are as before after 20 changes`() throws {
        let daemon = try Daemon("--size", "640x360", "--fps", "30")
        func change(_ size: String) throws {
            let result = try run(
                [Program.camd, "start", "-o", daemon.folder + "/a.mkv", "--socket", daemon.socket, "--size", size])
            #expect(result.status == 0, "\(result.errors)")
            #expect(try daemon.call("stop").status == 0)
        }
        // The allocator's arenas fill up over the first changes.
        for _ in 0..<8 {
            try change("1280x720")
            try change("640x360")
        }
        let descriptors = daemon.descriptors
        let memory = try daemon.residentKilobytes
        for _ in 0..<10 {
            try change("1280x720")
            try change("640x360")
        }
        #expect(daemon.descriptors <= descriptors)
        let grown = try daemon.residentKilobytes - memory
        #expect(grown <= 4096)
        #expect(try daemon.stop().status == 0)
    }

    @Test func `a mode that the camera does not have is refused, and the stream is as it was`() throws {
        let daemon = try Daemon("--size", "640x360", "--fps", "30")
        let refused = try record(daemon, "a.mkv", ["--size", "641x360"])
        #expect(refused.status == 64, "\(refused.errors)")
        #expect(refused.errors.contains("640x360"))
        #expect(try record(daemon, "a.mkv", ["--pixel-format", "XYZW"]).status == 64)
        let status = try daemon.status()
        #expect(status.width == 640)
        #expect(status.format == "NV12" || status.format == "YUYV")
        let frames = status.frames
        #expect(try eventually { try daemon.status().frames > frames }, "frames still come")
        #expect(try record(daemon, "b.mkv", []).status == 0)
        #expect(try daemon.stop().status == 0)
    }

    @Test func `a camera that is being recorded keeps its mode`() throws {
        let daemon = try Daemon("--size", "640x360", "--fps", "30")
        #expect(try daemon.call("start", "-o", daemon.folder + "/a.mkv").status == 0)
        let refused = try daemon.call("start", "-o", daemon.folder + "/b.mkv", "--size", "1280x720")
        #expect(refused.status == 75, "\(refused.errors)")
        #expect(refused.errors.contains("recorded already"))
        #expect(try daemon.status().width == 640)
        #expect(try daemon.call("stop").status == 0)
        #expect(try daemon.stop().status == 0)
    }

    @Test func `record through the daemon has the size that it asks for`() throws {
        let daemon = try Daemon("--size", "640x360", "--fps", "30")
        let file = daemon.folder + "/a.mkv"
        let result = try daemon.call("record", "-o", file, "--size", "320x180", "--duration", "1", "--json")
        let status = try decode(Status.self, result)
        #expect(status.width == 320)
        #expect(try size(file) == "320x180")
        #expect(try daemon.stop().status == 0)
    }
}

extension String {
    /// Without white space at its ends.
    fileprivate var trimmed: String { String(split(whereSeparator: \.isWhitespace).joined(separator: " ")) }
}
