import CaptureCore
import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import Recording

private let interval: UInt64 = 33_366_700

@Suite("A recording that is cut off")
struct SurvivalTests {
    /// What a kill leaves: a copy of the file, with its mark, when so many frames had been told of.
    private func cutOff(_ folder: TemporaryFolder, _ ending: String, frames: Int = 100) throws -> (String, UInt64) {
        let studio = try Studio()
        let path = folder.path("running.\(ending)")
        let recorder = try Recorder(path: path, layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        for index in 0..<frames { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        let deadline = Deadline(afterMilliseconds: 10_000)
        while recorder.status.frames < frames - 1 {
            try #require(!deadline.hasPassed)
            usleep(1000)
        }
        let status = recorder.status
        #expect(status.syncedFrames + 31 >= status.frames)
        #expect(status.syncedSeconds + 1 >= status.seconds)
        let copy = folder.path("left.\(ending)")
        try write(try bytes(of: path), to: copy, isMarked: true)
        try recorder.finish(limitMilliseconds: 10_000)
        return (copy, status.syncedFrames)
    }

    private func write(_ bytes: some Sequence<UInt8>, to path: String, isMarked: Bool) throws {
        let bytes = Array(bytes)
        let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        try #require(fd >= 0)
        defer { close(fd) }
        #expect(Glibc.write(fd, bytes, bytes.count) == bytes.count)
        if isMarked { try #require(OutputFile.mark.put(on: fd)) }
    }

    private func isMarked(_ path: String) throws -> Bool {
        let fd = open(path, O_RDONLY)
        try #require(fd >= 0)
        defer { close(fd) }
        return OutputFile.mark.isOn(fd)
    }

    @Test("plays as it is up to any byte, and is finished by the next start", arguments: ["mkv", "mp4", "ts"])
    func anyByte(ending: String) throws {
        let folder = try TemporaryFolder()
        let (path, synced) = try cutOff(folder, ending)
        let whole = try bytes(of: path)
        let all = try Probe(path)
        #expect(all.complaints == "")
        #expect(all.seconds.count >= Int(synced))
        // From the second cluster on; prime numbers, so that each kind of place is met.
        for offset in stride(from: whole.count / 3, to: whole.count, by: whole.count / 9 | 1) {
            let cut = folder.path("cut.\(ending)")
            try write(whole[..<offset], to: cut, isMarked: true)
            let before = try Probe(cut)
            #expect(before.seconds.count > 0, "\(offset) of \(whole.count)")
            #expect(before.seconds == Array(all.seconds.prefix(before.seconds.count)), "\(offset)")
            let outcomes = Leftovers.finish(in: folder.path)
            #expect(outcomes.contains { $0.path == cut && $0.failure == nil })
            let after = try Probe(cut)
            #expect(after.complaints == "", "\(offset)")
            #expect(after.seconds.count + 31 >= before.seconds.count)
            #expect(after.seconds == Array(all.seconds.prefix(after.seconds.count)))
            #expect(try !isMarked(cut))
            if ending == "mkv" {
                let seconds = try duration(cut)
                #expect(abs(seconds - (after.seconds.last! + 0.0333667)) < 0.005)
            }
        }
    }

    private func duration(_ path: String) throws -> Double {
        let told = try run("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path)
        #expect(told.errors == "")
        return Double(told.output.split(separator: "\n").first ?? "") ?? -1
    }

    @Test("gets an index that leads to its key frames")
    func index() throws {
        let folder = try TemporaryFolder()
        let (path, _) = try cutOff(folder, "mkv", frames: 200)
        #expect(Leftovers.finish(in: folder.path).map(\.path) == [path])
        // Seeking goes by the index.
        let sought = try run(
            "ffprobe", "-v", "error", "-read_intervals", "4.5%+#1", "-show_entries", "frame=pts_time,key_frame", "-of",
            "csv=p=0", path)
        #expect(sought.errors == "")
        #expect(sought.output.hasPrefix("1,4.004") || sought.output.hasPrefix("4.004"), "\(sought.output)")
        let told = try run("ffprobe", "-v", "debug", path)
        #expect(!told.errors.contains("File ended prematurely"))
        // Once more: nothing to do, and nothing done.
        let finished = try bytes(of: path)
        #expect(Leftovers.finish(in: folder.path).isEmpty)
        try write(finished, to: path, isMarked: true)
        #expect(Leftovers.finish(in: folder.path).count == 1)
        #expect(try bytes(of: path) == finished)
    }

    @Test("is finished also when finishing it was cut off", arguments: ["mkv", "mp4"])
    func cutAgain(ending: String) throws {
        let folder = try TemporaryFolder()
        let (path, _) = try cutOff(folder, ending)
        let frames = try Probe(path).seconds.count
        let before = try bytes(of: path)
        Leftovers.finish(in: folder.path)
        let after = try bytes(of: path)
        // What was written is a prefix of the index and some of the patches at the head.
        for offset in stride(from: before.count, through: after.count, by: 7) {
            try write(before + after[before.count..<max(before.count, offset)], to: path, isMarked: true)
            Leftovers.finish(in: folder.path)
            #expect(try bytes(of: path) == after)
        }
        #expect(try Probe(path).seconds.count == frames)
    }

    @Test("leaves alone what is not ours, or still written to")
    func notOurs() throws {
        let folder = try TemporaryFolder()
        let (path, _) = try cutOff(folder, "mkv")
        let torn = try bytes(of: path).dropLast(100)
        unlink(path)
        // No mark; a lock; a name that is no video's; what only claims to be one.
        try write(torn, to: folder.path("theirs.mkv"), isMarked: false)
        try write(torn, to: folder.path("running-still.mkv"), isMarked: true)
        let fd = open(folder.path("running-still.mkv"), O_RDONLY)
        defer { close(fd) }
        #expect(flock(fd, LOCK_EX) == 0)
        try write(torn, to: folder.path("b.txt"), isMarked: true)
        try write("no video at all".utf8, to: folder.path("odd.mkv"), isMarked: true)
        try write("no video at all".utf8, to: folder.path("odd.mp4"), isMarked: true)
        #expect(mkfifo(folder.path("pipe.mkv"), 0o600) == 0)
        symlink(folder.path("b.txt"), folder.path("link.mkv"))
        Leftovers.finish(in: folder.path)
        for name in ["theirs.mkv", "running-still.mkv", "b.txt"] {
            #expect(try bytes(of: folder.path(name)) == Array(torn), "\(name)")
        }
        for name in ["odd.mkv", "odd.mp4"] {
            #expect(try bytes(of: folder.path(name)) == Array("no video at all".utf8))
        }
        #expect(Leftovers.finish(in: "/no/such/folder").isEmpty)
    }

    @Test("does not trip over a damaged file", arguments: ["mkv", "mp4"])
    func damaged(ending: String) throws {
        let folder = try TemporaryFolder()
        let (path, _) = try cutOff(folder, ending, frames: 40)
        let whole = try bytes(of: path)
        var dice = Dice(seed: 7)
        for _ in 0..<300 {
            var bytes = whole
            for _ in 0..<4 {
                bytes[Int(dice.next() % UInt64(min(bytes.count, 900)))] = UInt8(truncatingIfNeeded: dice.next())
            }
            try write(bytes, to: path, isMarked: true)
            Leftovers.finish(in: folder.path)
        }
    }

    @Test("syncs each second of video, a new file's folder once, and tells what it synced")
    func syncs() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let counts = SyncCounts()
        var calls = OutputFile.Calls()
        calls.sync = { fd in
            counts.syncs.add(1, ordering: .relaxed)
            return fdatasync(fd)
        }
        calls.syncFolder = { fd in
            counts.folders.add(1, ordering: .relaxed)
            return fsync(fd)
        }
        let recorder = try Recorder(
            path: folder.path("a.mkv"), layout: studio.layout, nominalFrameRate: 30, encoder: EncoderSettings(),
            slotCount: 4, failureBell: nil, limits: nil, calls: calls)
        for index in 0..<150 {
            recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval))
            let deadline = Deadline(afterMilliseconds: 10_000)
            while recorder.status.frames < index, !deadline.hasPassed { usleep(200) }
            let status = recorder.status
            #expect(status.seconds - status.syncedSeconds <= 1)
        }
        #expect((4...6).contains(counts.syncs.load(ordering: .relaxed)))
        #expect(counts.folders.load(ordering: .relaxed) == 1)
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.syncedFrames == 150)
    }

    @Test("has on the disk what a camera gave a second ago, when no more comes", arguments: ["mkv", "mp4"])
    func idle(ending: String) throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let path = folder.path("a.\(ending)")
        let recorder = try Recorder(path: path, layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        for index in 0..<10 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        let deadline = Deadline(afterMilliseconds: 10_000)
        // x264 keeps one.
        while recorder.status.syncedFrames < 9 {
            try #require(!deadline.hasPassed)
            usleep(5000)
        }
        #expect(try Probe(path).seconds.count == 9)
        // It goes on with a gap, and its times are right.
        for index in 100..<130 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        try recorder.finish(limitMilliseconds: 10_000)
        let probe = try Probe(path)
        try #require(probe.seconds.count == 40)
        #expect(abs(probe.seconds[10] - 100 * 0.0333667) < 0.001)
        #expect(abs(probe.seconds[39] - 129 * 0.0333667) < 0.001)
    }

    @Test("makes few syncs on a disk that is slow at them, and loses nothing")
    func slowSyncs() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let counts = SyncCounts()
        var calls = OutputFile.Calls()
        calls.sync = { fd in
            counts.syncs.add(1, ordering: .relaxed)
            usleep(300_000)
            return fdatasync(fd)
        }
        let recorder = try Recorder(
            path: folder.path("a.mkv"), layout: studio.layout, nominalFrameRate: 30, encoder: EncoderSettings(),
            slotCount: 4, failureBell: nil, limits: nil, calls: calls)
        // Twenty seconds of video in less than two.
        for index in 0..<600 {
            recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval))
            #expect(studio.allBack())
            usleep(2000)
            let status = recorder.status
            #expect(status.seconds - status.syncedSeconds <= 1)
        }
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.frames == 600)
        #expect(summary.lost == [:])
        #expect(counts.syncs.load(ordering: .relaxed) < 12)
    }
}

final class SyncCounts: Sendable {
    let syncs = Atomic<Int>(0)
    let folders = Atomic<Int>(0)
}
