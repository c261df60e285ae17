import Glibc
import LinuxSystem
import Testing

/// What the kernel sees of a frame: counted from outside.
@Suite(.serialized) struct FramePathTests {
    /// One line of strace's output: the call, its arguments as text, its thread.
    private struct Call {
        var name: Substring
        var line: Substring
    }

    /// The system calls of a recording of some seconds, by thread name, between its second and its last second.
    private func trace(_ camera: String, seconds: Int) throws -> (calls: [Call], frames: Int) {
        let folder = try Scratch.folder()
        let result = try run(
            [
                "strace", "-f", "-y", "-e", "trace=mmap,read,pread64,readv,ioctl", "-o", folder + "/trace",
                Program.camd,
                "record", "--camera", camera, "-o", folder + "/video.mkv", "--size", "640x360", "--duration",
                "\(seconds)", "--json",
            ])
        let status = try decode(Status.self, result)
        let lines = String(decoding: try Program.read(folder + "/trace"), as: UTF8.self).split(separator: "\n")
        let calls = lines.compactMap { line -> Call? in
            // PID CALL(ARGUMENTS
            let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard parts.count == 2, let open = parts[1].firstIndex(of: "(") else { return nil }
            return Call(name: parts[1][..<open], line: parts[1])
        }
        return (calls, status.frames)
    }

    @Test(arguments: ["/dev/camera/vivid0", "/dev/camera/vivid1"])
    func `a frame costs no mmap and no read of the video node`(_ camera: String) throws {
        let node = try #require(realpath(camera, nil))
        defer { free(node) }
        let path = String(cString: node)
        let (calls, frames) = try trace(camera, seconds: 6)
        #expect(frames > 60)
        let ofNode = calls.filter { $0.line.contains("<\(path)>") || $0.line.contains("<\(path)<") }
        let dequeued = ofNode.filter { $0.line.contains("VIDIOC_DQBUF") }
        #expect(dequeued.count >= frames, "the trace sees the node's calls")
        #expect(ofNode.filter { ["read", "pread64", "readv", "mmap"].contains($0.name) }.isEmpty)
        // Buffers are mapped once each, whatever they are: after the first second of frames nothing is.
        let index = try #require(calls.lastIndex { $0.line.contains("VIDIOC_DQBUF") && $0.line.contains("<\(path)") })
        let half = calls.indices.filter { calls[$0].line.contains("VIDIOC_DQBUF") }[dequeued.count / 2]
        let dmaBufMaps = calls[half...index].filter { $0.name == "mmap" && $0.line.contains("dmabuf") }
        #expect(dmaBufMaps.isEmpty, "a dma-buf is mapped for a frame: \(dmaBufMaps.first?.line ?? "")")
        #expect(calls.contains { $0.line.contains("DMA_BUF_IOCTL_SYNC") || $0.line.contains("0x62, 0, 0x8") })
    }

    @Test func `open descriptors do not grow over 1,000 frames with a recording and photos`() throws {
        let daemon = try Daemon("--size", "640x360", "--fps", "60")
        #expect(try daemon.call("start", "-o", daemon.folder + "/video.mkv").status == 0)
        #expect(try daemon.call("snapshot", "-o", daemon.folder + "/first.jpg").status == 0)
        let start = try daemon.status().frames
        // Fences come and go with frames: the most of several looks is compared.
        func most() -> Int {
            (0..<20).map { _ in
                usleep(7000); return daemon.descriptors
            }.max() ?? 0
        }
        let before = most()
        for number in 0..<5 { #expect(try daemon.call("snapshot", "-o", daemon.folder + "/\(number).jpg").status == 0) }
        #expect(try eventually(limitSeconds: 60) { try daemon.status().frames >= start + 1000 })
        let after = most()
        #expect(after <= before, "\(before) descriptors became \(after)")
        #expect(try daemon.call("stop").status == 0)
        #expect(try daemon.stop().status == 0)
    }
}
