import Glibc
import LinuxSystem
import Testing

@testable import CaptureCore

/// Calls on dma-bufs that fail as no kernel of the lab makes them fail (Tests/Lab/faults.c), and what is called when a
/// body throws (Tests/Lab/witness.c).
@Suite(.serialized) struct SyncTests {
    private static let vivid = "/dev/camera/vivid0"

    private func preload(_ name: String) throws -> String {
        let library = try Scratch.folder() + "/\(name).so"
        let compiled = try run(["cc", "-shared", "-fPIC", "-O2", "-o", library, "Tests/Lab/\(name).c", "-ldl"])
        try #require(compiled.status == 0, "\(compiled.errors)")
        return library
    }

    /// `seconds`: how long it may take.
    private func record(
        _ fault: String, _ more: [String] = ["--heap", "system"], seconds: Double = 40
    ) throws -> Program.Result {
        let file = try Scratch.folder() + "/video.mkv"
        return try run(
            [
                Program.camd, "record", "--camera", Self.vivid, "--size", "320x180", "--pixel-format", "YUYV",
                "--duration", "1", "-o", file, "--json",
            ] + more, environment: ["LD_PRELOAD=\(preload("faults"))", "XDG_CACHE_HOME=\(Scratch.folder())", fault],
            limitSeconds: seconds)
    }

    @Test(arguments: [EINTR, EAGAIN])
    func `SYNC that is interrupted some times is made again, and nothing is lost`(_ error: CInt) throws {
        let status = try decode(Status.self, record("FAULT_SYNC=\(error):3"))
        #expect(status.path.capture == "import:heap:system")
        #expect(status.path.output == "heap:system")
        let recording = try #require(status.recording)
        #expect(recording.state == "finished")
        #expect(recording.frames > 10)
    }

    @Test(arguments: [(EINTR, "EINTR"), (EAGAIN, "EAGAIN")])
    func `SYNC that is interrupted for ever ends with a message`(_ error: CInt, _ symbol: String) throws {
        let result = try record("FAULT_SYNC=\(error):-1")
        #expect(result.status == 69, "\(result.errors)")
        for word in ["DMA_BUF_IOCTL_SYNC", symbol, "again and again for 2000 ms"] {
            #expect(result.errors.contains(word), "\(word) in: \(result.errors)")
        }
    }

    @Test func `SYNC that fails ends with a message, at once`() throws {
        let result = try record("FAULT_SYNC=\(EIO):-1")
        #expect(result.status == 74, "\(result.errors)")
        for word in ["dma-buf (heap system)", "DMA_BUF_IOCTL_SYNC START", "EIO"] {
            #expect(result.errors.contains(word), "\(word) in: \(result.errors)")
        }
    }

    @Test func `memory that cannot be synced is not chosen, and that is told`() throws {
        let environment = try ["LD_PRELOAD=\(preload("faults"))", "FAULT_SYNC=\(EIO):-1"]
        let words = try camd("heaps", environment: environment + ["XDG_CACHE_HOME=\(Scratch.folder())"]).text
        #expect(words.contains("chosen: none"), "\(words)")
        #expect(words.contains("refused: system: dma-buf (heap system): DMA_BUF_IOCTL_SYNC START: EIO"), "\(words)")
    }

    @Test(arguments: [("system", "import:udmabuf"), ("udmabuf", "import:heap:system")])
    func `a buffer that is smaller than what was asked for is never used`(_ source: String, _ path: String) throws {
        let named = try record("FAULT_LENGTH=\(source):4096", ["--heap", source])
        #expect(named.status == 78, "\(named.errors)")
        #expect(named.errors.contains("a buffer of 4096 bytes is smaller than"), "\(named.errors)")
        let status = try decode(Status.self, record("FAULT_LENGTH=\(source):4096", []))
        #expect(status.path.capture == path)
        if source == "system" {
            #expect(
                status.refused.contains { $0.path == "import:heap:system" && $0.reason.contains("is smaller than") },
                "\(status.refused)")
        }
    }

    @Test func `a body that throws is closed with END all the same`() async throws {
        let folder = try Scratch.folder()
        setenv("LD_PRELOAD", try preload("witness"), 1)
        setenv("WITNESS", folder + "/log", 1)
        defer {
            unsetenv("LD_PRELOAD")
            unsetenv("WITNESS")
        }
        await #expect(processExitsWith: .success) {
            let buffer = try BufferSource.heap(Heap(name: "system")).allocate(4096)
            let error = CamdError(.software, subject: "test", reason: "thrown")
            try? buffer.withBytes { (_) throws(CamdError) in throw error }
            try? buffer.withMutableBytes(.write) { (_) throws(CamdError) in throw error }
            try? buffer.withMutableBytes(.readWrite) { (_) throws(CamdError) in throw error }
            _ = try buffer.withBytes { (_) throws(CamdError) in }
            try buffer.publishDriverWrites()
        }
        let log = String(decoding: try Program.read(folder + "/log"), as: UTF8.self)
        let lines = log.split(separator: "\n").map { $0.split(separator: " ") }
        let flags: [UInt64] =
            lines
            .compactMap { words in words.count == 5 && words[1] == "sync" ? UInt64(words[4]) : nil }
        // READ is 1, WRITE 2, END 4.
        let expected: [UInt64] = [1, 5, 2, 6, 3, 7, 1, 5, 2, 6]
        #expect(flags == expected)
    }

    @Test func `a START that fails opens nothing`() async throws {
        setenv("LD_PRELOAD", try preload("faults"), 1)
        setenv("FAULT_SYNC", "\(EAGAIN):-1", 1)
        defer {
            unsetenv("LD_PRELOAD")
            unsetenv("FAULT_SYNC")
        }
        await #expect(processExitsWith: .success) {
            let buffer = try BufferSource.heap(Heap(name: "system")).allocate(4096)
            let began = Clock.monotonicNanoseconds()
            var hasRun = false
            var failure: CamdError?
            do throws(CamdError) {
                try buffer.withBytes { (_) throws(CamdError) in hasRun = true }
            } catch {
                failure = error
            }
            guard !hasRun, failure?.errno == .tryAgain, failure?.kind == .unavailable else {
                fatalError("\(String(describing: failure))")
            }
            let milliseconds = (Clock.monotonicNanoseconds() - began) / 1_000_000
            guard (1990..<4000).contains(milliseconds) else { fatalError("\(milliseconds) ms") }
            // The CPU is not inside.
            buffer.setOwnedByDriver(true)
        }
    }
}
