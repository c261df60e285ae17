import FoundationEssentials
import Glibc
import LinuxSystem
import Synchronization
import Testing

/// Recordings that end in the middle, and those in segments. Power cuts come from outside the guest: Tests/Lab/power-cuts.
@Suite(.serialized) struct SurvivalTests {
    /// How often, of each kind; `CAMD_KILLS` says another number. Four at a time.
    private static let kills = getenv("CAMD_KILLS").flatMap { Int(String(cString: $0)) } ?? 8

    /// What came of one kill.
    private struct Kill: Sendable {
        var file: String
        /// What the last status told.
        var frames = 0
        var seconds = 0.0
        /// The times of the pictures that ffprobe finds in the file as it is.
        var times: [Double] = []
        var failure: String?
    }

    @Test(arguments: ["mkv", "mp4"])
    func
        `a daemon that is killed at any moment leaves a file that plays, at most a second short of what it told, and the next start finishes it`(
            _ ending: String
        ) throws
    {
        let folder = try Scratch.folder()
        let results = Mutex<[Kill]>([])
        let next = Atomic<Int>(0)
        let threads = try (0..<4).map { _ in
            try OSThread("kill") {
                while case let number = next.add(1, ordering: .relaxed).oldValue, number < Self.kills {
                    // Each in a folder of its own: the start of another one would finish what this one leaves.
                    let kill = Self.kill("\(folder)/\(number).\(ending)")
                    results.withLock { $0.append(kill) }
                }
            }
        }
        for thread in threads { thread.join() }
        let all = results.withLock { $0 }
        try #require(all.count == Self.kills)
        var worst = 0.0
        for kill in all {
            #expect(kill.failure == nil)
            // The first second of a recording may be lost as a whole.
            guard kill.seconds > 1 else { continue }
            let end = (kill.times.last ?? -1) + 0.034
            worst = max(worst, kill.seconds - end)
            #expect(kill.seconds - end <= 1, "\(kill.file): told \(kill.seconds) s, has \(end) s")
            #expect(kill.times.count + 31 >= kill.frames)
            #expect(kill.times.first == 0)
        }
        print("kills of \(ending): \(all.count), at most \(worst) s short of what was told")

        let result = try camd("record", "--camera", "test", "-o", "\(folder)/last.\(ending)", "--duration", "2")
        #expect(result.status == 0)
        for kill in all where kill.seconds > 1 {
            #expect(try Self.times(kill.file, isFinished: true) == kill.times)
        }
        let told = result.errors.split(separator: "\n").filter { $0.contains("had not come to its end") }
        #expect(told.count == all.count, "\(result.errors)")
    }

    private static func kill(_ file: String) -> Kill {
        var kill = Kill(file: file)
        do {
            let daemon = try Daemon("--size", "160x120", "--fps", "30", camera: "test")
            let video = "\(daemon.folder)/video.\(file.suffix(3))"
            guard try daemon.call("start", "-o", video).status == 0 else { throw Failure("it does not start") }
            let end = Clock.monotonicNanoseconds() + UInt64.random(in: 0...2_500_000_000)
            let socket = try VarlinkSocket(daemon.socket)
            while Clock.monotonicNanoseconds() < end {
                guard let recording = try socket.status() else { throw Failure("it tells of no recording") }
                (kill.frames, kill.seconds) = (recording.frames, recording.seconds)
                usleep(5000)
            }
            daemon.program.signal(SIGKILL)
            _ = try daemon.program.wait(limitSeconds: 20)
            if kill.seconds > 1 { kill.times = try times(video) }
            guard rename(video, file) == 0 else { throw Failure("rename: \(Errno.current)") }
        } catch {
            kill.failure = "\(error)"
        }
        return kill
    }

    private struct Failure: Error {
        var reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// The times of all pictures of a file, as it is.
    private static func times(_ file: String, isFinished: Bool = false) throws -> [Double] {
        let result = try run([
            "ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", file,
        ])
        #expect(result.status == 0, "\(result.errors)")
        if isFinished { #expect(result.errors == "", "\(file)") }
        return result.text.split(separator: "\n").compactMap { Double($0.split(separator: ",")[0]) }
    }

    @Test func `all frames of a recording in segments are in one of them, and each plays alone`() throws {
        let seconds = getenv("CAMD_SEGMENT_SECONDS").flatMap { Int(String(cString: $0)) } ?? 15
        let folder = try Scratch.folder()
        let result = try camd(
            "record", "--camera", "/dev/camera/vivid0", "--size", "640x360", "--fps", "30", "--duration", "\(seconds)",
            "--segment-seconds", "3", "-o", "\(folder)/cam-%Y%m%d-%H%M%S.mkv", "--json",
            limitSeconds: Double(seconds + 60))
        let status = try decode(Status.self, result)
        let recording = try #require(status.recording)
        #expect(recording.state == "finished")
        #expect(recording.lost == [:])
        let files = Directory.names(in: folder).sorted()
        #expect(files.count == recording.files)
        #expect((seconds / 3...seconds / 3 + 1).contains(files.count), "\(files)")
        var (frames, sum, first) = (0, 0.0, 0.0)
        for name in files {
            let file = "\(folder)/\(name)"
            let probe = try run([
                "ffprobe", "-v", "error", "-show_entries", "frame=key_frame,pts_time:format_tags=creation_time", "-of",
                "default=nw=1", file,
            ])
            #expect(probe.errors == "")
            let lines = probe.text.split(separator: "\n")
            let times = lines.filter { $0.hasPrefix("pts_time=") }.compactMap { Double($0.dropFirst(9)) }
            #expect(lines.first { $0.hasPrefix("key_frame=") } == "key_frame=1")
            try #require(times.first == 0)
            for (before, after) in zip(times, times.dropFirst()) { #expect(after > before) }
            frames += times.count
            let tag = try #require(lines.first { $0.hasPrefix("TAG:creation_time=") })
            // Minutes and seconds are enough.
            let clock = tag.suffix(13).dropLast()
            let start = try #require(Double(clock.prefix(2))) * 60 + #require(Double(clock.suffix(9)))
            if name == files.first { first = start }
            let offset = (start - first + 3600).truncatingRemainder(dividingBy: 3600)
            // It begins where the one before ends, later only where the driver left frames out.
            if name != files.first {
                #expect(offset - sum > -0.01 && (offset - sum < 0.1 || status.dropped > 0), "\(name): \(offset) \(sum)")
            }
            sum = offset + (times.last ?? 0) + 1.0 / 30
        }
        #expect(frames == recording.frames)
        #expect(status.imbalance(atEnd: true) == nil)
        print(
            "\(files.count) segments of \(seconds) s, \(frames) frames, \(status.frames) delivered from the camera's start to its end"
        )
    }

    @Test func `a running recording is split, and its status tells of all files`() throws {
        let daemon = try Daemon("--size", "320x240", "--fps", "30", camera: "test")
        #expect(try daemon.call("split").status == 69)
        #expect(try daemon.call("start", "-o", "\(daemon.folder)/a.mkv", "--segment-seconds", "5").status == 64)
        #expect(try daemon.call("start", "-o", "\(daemon.folder)/a.mkv").status == 0)
        sleep(1)
        let split = try daemon.call("split", "--json")
        #expect(try decode(Status.self, split).recording?.file == "\(daemon.folder)/a-2.mkv")
        sleep(1)
        let stopped = try #require(try decode(Status.self, daemon.call("stop", "--json")).recording)
        #expect(stopped.files == 2)
        #expect(stopped.syncedFrames == stopped.frames)
        let counts = try ["a.mkv", "a-2.mkv"].map { try Self.times("\(daemon.folder)/\($0)", isFinished: true).count }
        #expect(counts.reduce(0, +) == stopped.frames)
        #expect(counts.allSatisfy { $0 > 10 }, "\(counts)")
        #expect(try daemon.stop().status == 0)
    }

    @Test func `on a terminal one line tells how far a recording is, and nothing is told elsewhere`() throws {
        let folder = try Scratch.folder()
        let command = "\(try Program.camd) record --camera test --size 320x240 -o \(folder)/a.mkv --duration 2.2"
        let result = try run(["script", "-qec", command, "\(folder)/typescript"], environment: ["TERM=vt100"])
        #expect(result.status == 0)
        let shown = String(decoding: try Program.read("\(folder)/typescript"), as: UTF8.self)
        let lines = shown.split(separator: "\r").filter { $0.contains("frames/s") && $0.contains("0 lost") }
        #expect((3...5).contains(lines.count), "\(shown)")
        #expect(lines.last?.contains("0:00:0") == true, "\(shown)")
        let piped = try camd("record", "--camera", "test", "-o", "\(folder)/b.mkv", "--duration", "1.2")
        #expect(piped.status == 0)
        #expect(piped.errors == "")
    }
}

/// The control socket, asked directly: a program that is started for each question would take too long.
private final class VarlinkSocket {
    private let descriptor: CInt

    private struct Reply: Decodable { var parameters: StatusAnswer }

    init(_ path: String) throws {
        let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        try #require(fd >= 0)
        descriptor = fd
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    deinit { close(descriptor) }

    func status() throws -> Status.Recording? {
        let request = Array(#"{"method":"io.camd.Camera.Status"}"#.utf8) + [0]
        try #require(write(descriptor, request, request.count) == request.count)
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while answer.last != 0 {
            let count = read(descriptor, &chunk, chunk.count)
            try #require(count > 0)
            answer += chunk[..<count]
        }
        let reply = try JSONDecoder().decode(Reply.self, from: Data(answer.dropLast()))
        return reply.parameters.cameras.first?.recording
    }
}
