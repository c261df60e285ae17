import CaptureCore
import Glibc
import LinuxSystem
import Testing

@testable import Recording

/// 30 frames a second, in nanoseconds that do not divide evenly.
private let interval: UInt64 = 33_366_700

@Suite("A recording")
struct RecorderTests {
    @Test("has every frame, plays without a word, and has the colours that went in", arguments: ["mkv", "mp4", "ts"])
    func wholeFile(ending: String) throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let path = folder.path("a.\(ending)")
        let recorder = try Recorder(
            path: path, layout: studio.layout, nominalFrameRate: 30,
            encoder: EncoderSettings(options: ["crf": "12"]), slotCount: 4)
        for index in 0..<60 {
            recorder.offer(try studio.frame(index, nanoseconds: 5_000_000_000 + UInt64(index) * interval))
        }
        let summary = try recorder.finish(limitMilliseconds: 10_000)

        #expect(summary.state == .finished)
        #expect(summary.frames == 60)
        #expect(summary.lost == [:])
        #expect(summary.bytesCopied == 0)
        #expect(abs(summary.seconds - 60 * 0.0333667) < 0.01)
        #expect(summary.bytes == (try bytes(of: path)).count)
        #expect(studio.allBack())

        let probe = try Probe(path)
        #expect(probe.complaints == "")
        #expect(probe.seconds.count == 60)
        #expect(probe.stream["color_space"] == "bt709")
        #expect(probe.stream["color_transfer"] == "bt709")
        #expect(probe.stream["color_primaries"] == "bt709")
        #expect(probe.stream["color_range"] == "tv")
        #expect(probe.keyFrames.enumerated().filter(\.element).map(\.offset) == [0, 30])

        let decoded = try decode(path, as: "nv12")
        let size = 160 * 112 * 3 / 2
        try #require(decoded.count == 60 * size)
        for index in [0, 1, 29, 30, 59] {
            let apart = difference(decoded[index * size..<(index + 1) * size], studio.picture(index)[...])
            #expect(apart.most <= 3, "frame \(index)")
        }
    }

    @Test("has the driver's times, from 0 on, with gaps as gaps", arguments: ["mkv", "mp4", "ts"])
    func timestamps(ending: String) throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let path = folder.path("a.\(ending)")
        let recorder = try Recorder(path: path, layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        // Uneven by up to 7 ms, two frames that are 50 microseconds apart, and 2.5 s of nothing in the middle.
        let start: UInt64 = 77_123_456_789
        var times = (0..<20).map { start + UInt64($0) * interval + UInt64($0 * 7919 % 7_000_000) }
        times.append(times[19] + 50_000)
        times += (0..<20).map { times[20] + 2_500_000_000 + UInt64($0) * interval }
        for (index, time) in times.enumerated() { recorder.offer(try studio.frame(index, nanoseconds: time)) }
        try recorder.finish(limitMilliseconds: 10_000)

        let probe = try Probe(path)
        #expect(probe.complaints == "")
        try #require(probe.seconds.count == times.count)
        // MPEG-TS has no first time of its own: it begins where the muxer's buffer model says.
        let offset = ending == "ts" ? probe.seconds[0] : 0
        for (seen, time) in zip(probe.seconds, times) {
            #expect(abs(seen - offset - Double(time - start) / 1e9) <= 0.001)
        }
    }

    @Test("counts a frame whose time does not rise, and goes on")
    func timesThatDoNotRise() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let recorder = try Recorder(
            path: folder.path("a.mkv"), layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        for (index, time) in [1000, 2000, 2000, 1500, 500, 3000].enumerated() {
            recorder.offer(try studio.frame(index, nanoseconds: UInt64(time) * 1_000_000))
        }
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.frames == 3)
        #expect(summary.lost == [.timestamp: 3])
        let probe = try Probe(folder.path("a.mkv"))
        #expect(probe.seconds == [0, 1, 2])
    }

    @Test("tells when it began")
    func creationTime() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let before = WallClock.text(Clock.realtimeNanoseconds())
        let recorder = try Recorder(
            path: folder.path("a.mkv"), layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        let after = WallClock.text(Clock.realtimeNanoseconds())
        recorder.offer(try studio.frame(0, nanoseconds: 1))
        try recorder.finish(limitMilliseconds: 10_000)
        let told = try #require(Probe(folder.path("a.mkv")).tags["creation_time"])
        #expect(told >= before && told <= after, "\(before) \(told) \(after)")
        #expect(WallClock.text(1_764_237_845_000_123_999) == "2025-11-27T10:04:05.000123Z")
    }

    @Test("plays up to the last second while it is still written", arguments: ["mkv", "mp4", "ts"])
    func unfinished(ending: String) throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let recorder = try Recorder(
            path: folder.path("a.\(ending)"), layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        for index in 0..<100 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        // x264 holds the last packet back until it knows how long its frame lasts.
        let deadline = Deadline(afterMilliseconds: 10_000)
        while recorder.status.frames < 99 {
            try #require(!deadline.hasPassed)
            usleep(1000)
        }
        // What a kill -9 now would leave.
        let probe = try Probe(folder.path("a.\(ending)"))
        #expect(probe.complaints == "")
        #expect(probe.seconds.count >= 100 - 30)
        try recorder.finish(limitMilliseconds: 10_000)
        #expect(try Probe(folder.path("a.\(ending)")).seconds.count == 100)
    }

    @Test("keeps no descriptor, and its threads have names")
    func threads() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let recorder = try Recorder(
            path: folder.path("a.mkv"), layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        recorder.offer(try studio.frame(0, nanoseconds: 0))
        #expect(studio.allBack())
        // A thread takes its name on when it first runs.
        let deadline = Deadline(afterMilliseconds: 5000)
        var names: Set<Substring> = []
        while !names.isSuperset(of: ["camd-encode", "camd-write"]), !deadline.hasPassed {
            names = Set(try run("sh", "-c", "cat /proc/\(getpid())/task/*/comm").lines)
        }
        #expect(names.isSuperset(of: ["camd-encode", "camd-write"]), "\(names)")
        try recorder.finish(limitMilliseconds: 10_000)
        let open = try run("sh", "-c", "ls -l /proc/\(getpid())/fd").output
        #expect(!open.contains(folder.path))
    }

    @Test("gives frames back that wait when it is abandoned, and counts them")
    func abandoned() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(slots: 8)
        let path = folder.path("a.mkv")
        let recorder = try Recorder(path: path, layout: studio.layout, nominalFrameRate: 30, slotCount: 8)
        for index in 0..<200 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        recorder.abandon()
        let error = try #require(throws: CamdError.self) { try recorder.finish(limitMilliseconds: 5000) }
        #expect(error.reason.contains("broken off"))
        #expect(studio.allBack())
        let status = recorder.status
        #expect(status.state == .failed)
        #expect(status.frames + status.lostFrames == 200)
        let probe = try Probe(path)
        #expect(probe.complaints == "")
        #expect(probe.seconds.count == Int(status.frames))
    }

    @Test("loses no frame uncounted when it ends while frames still come")
    func endsWhileFramesCome() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64, slots: 8)
        for round in 0..<20 {
            let path = folder.path("\(round).ts")
            let recorder = try Recorder(path: path, layout: studio.layout, nominalFrameRate: 30, slotCount: 2)
            let offered = Counter()
            let producer = try OSThread("producer") {
                var index = 0
                while !offered.isStopped {
                    guard let lease = studio.pool.acquire() else { continue }
                    index += 1
                    lease.metadata = FrameMetadata(
                        sequence: 0, timestampNanoseconds: UInt64(index) * 1_000_000, bytesUsed: 0,
                        dequeuedNanoseconds: 0)
                    recorder.offer(lease)
                    offered.add()
                }
            }
            usleep(3000)
            try recorder.finish(limitMilliseconds: 5000)
            offered.stop()
            producer.join()
            let status = recorder.status
            #expect(status.frames + status.lostFrames == offered.count)
            #expect(studio.allBack())
        }
    }
}
