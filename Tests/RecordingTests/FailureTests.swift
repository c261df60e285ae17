import CaptureCore
import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import Recording

private let interval: UInt64 = 33_366_700

/// A disk with so many bytes of space, which can also stand still.
final class Disk: Sendable {
    private let space: Atomic<Int>
    private let isStalled = Atomic<Bool>(false)

    init(bytes: Int = .max) { space = Atomic(bytes) }

    func stall(_ stalled: Bool) { isStalled.store(stalled, ordering: .sequentiallyConsistent) }

    var calls: OutputFile.Calls {
        var calls = OutputFile.Calls()
        calls.write = { [self] fd, bytes, count, offset in
            while isStalled.load(ordering: .sequentiallyConsistent) { usleep(500) }
            let left = space.load(ordering: .relaxed) - offset
            guard left > 0 else {
                errno = ENOSPC
                return -1
            }
            return pwrite(fd, bytes, min(count, left), offset)
        }
        return calls
    }
}

extension Recorder {
    fileprivate convenience init(
        _ path: String, _ studio: Studio, _ disk: Disk, slots: Int = 4, limits: RecorderCore.Limits? = nil,
        bell: EventCounter? = nil
    ) throws(CamdError) {
        try self.init(
            path: path, layout: studio.layout, nominalFrameRate: 30, encoder: EncoderSettings(), slotCount: slots,
            failureBell: bell, limits: limits, calls: disk.calls)
    }
}

@Suite("A recording that something goes wrong with")
struct FailureTests {
    @Test("fails when the disk is full, says so, and plays up to there", arguments: ["mkv", "mp4", "ts"])
    func diskFull(ending: String) throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let path = folder.path("a.\(ending)")
        let bell = try EventCounter()
        let recorder = try Recorder(path, studio, Disk(bytes: 60_000), bell: bell)
        for index in 0..<300 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        // By itself, before anyone asks.
        #expect(try wait(for: .input, on: bell.fileDescriptor, milliseconds: 10_000) != nil)
        let error = try #require(throws: CamdError.self) { try recorder.finish(limitMilliseconds: 10_000) }
        #expect(error.errno == .noSpace)
        #expect(error.subject == path)
        #expect(error.remedy?.contains(folder.path) == true)
        #expect(recorder.failure == error)

        let status = recorder.status
        #expect(status.state == .failed)
        #expect(status.failure == error)
        #expect(status.frames > 60)
        #expect(status.frames + status.lostFrames == 300)
        #expect(status.bytes <= 60_000)
        #expect(studio.allBack())

        let probe = try Probe(path)
        #expect(probe.complaints == "")
        #expect(probe.seconds.count == Int(status.frames))
        #expect(try decode(path, as: "nv12").count == Int(status.frames) * 160 * 112 * 3 / 2)
    }

    @Test("keeps all frames when only the index does not fit", arguments: ["mkv", "mp4"])
    func noSpaceForTheIndex(ending: String) throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        func record(_ name: String, _ disk: Disk) throws -> Recorder {
            let recorder = try Recorder(folder.path("\(name).\(ending)"), studio, disk)
            for index in 0..<45 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
            return recorder
        }
        let whole = try record("whole", Disk()).finish(limitMilliseconds: 10_000)
        let recorder = try record("cut", Disk(bytes: whole.bytes - 20))
        #expect(throws: CamdError.self) { try recorder.finish(limitMilliseconds: 10_000) }
        #expect(recorder.status.frames == 45)
        let probe = try Probe(folder.path("cut.\(ending)"))
        #expect(probe.complaints == "")
        #expect(probe.seconds.count == 45)
    }

    @Test("drops frames at the encoder's entry only when the disk stands still, and counts them")
    func slowDisk() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let path = folder.path("a.ts")
        let disk = Disk()
        let recorder = try Recorder(path, studio, disk, limits: RecorderCore.Limits(packets: 10, bytes: 1 << 30))
        for index in 0..<100 {
            if index == 20 { disk.stall(true) }
            if index == 60 { disk.stall(false) }
            recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval))
            // Neither encoder nor producer is what is slow here, and the disk only in between. (x264 holds the last
            // packet back.)
            #expect(studio.allBack())
            let deadline = Deadline(afterMilliseconds: 10_000)
            while !(20..<60).contains(index), recorder.status.frames + recorder.status.lostFrames < index {
                try #require(!deadline.hasPassed)
                usleep(200)
            }
        }
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.state == .finished)
        #expect(Set(summary.lost.keys) == [.diskBehind])
        #expect((25...31).contains(summary.lostFrames), "\(summary.lost)")
        #expect(summary.frames + summary.lostFrames == 100)
        // No packet is missing in the middle: each frame of the file decodes to the picture that it was.
        let probe = try Probe(path)
        #expect(probe.complaints == "")
        try #require(probe.seconds.count == Int(summary.frames))
        let decoded = try decode(path, as: "nv12")
        let size = 160 * 112 * 3 / 2
        for (place, time) in probe.seconds.enumerated() {
            let index = Int(((time - probe.seconds[0]) / 0.0333667).rounded())
            let apart = difference(decoded[place * size..<(place + 1) * size], studio.picture(index)[...])
            #expect(apart.mean < 2, "frame \(index)")
        }
        // What comes after the gap is a group of its own.
        let gap = zip(probe.seconds, probe.seconds.dropFirst()).enumerated().first { $0.element.1 - $0.element.0 > 0.5 }
        let after = try #require(gap).offset + 1
        #expect(probe.keyFrames[after])
    }

    @Test("loses nothing by a disk that stands still for five seconds", arguments: ["mkv", "mp4", "ts"])
    func fiveSeconds(ending: String) throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let disk = Disk()
        let recorder = try Recorder(folder.path("a.\(ending)"), studio, disk)
        // Five seconds of video, however long they take here.
        for index in 0..<240 {
            if index == 40 { disk.stall(true) }
            if index == 190 { disk.stall(false) }
            recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval))
            #expect(studio.allBack())
        }
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.lost == [:])
        #expect(summary.frames == 240)
        #expect(try Probe(folder.path("a.\(ending)")).seconds.count == 240)
    }

    @Test("bounds what waits for the disk by its bytes too")
    func slowDiskBytes() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let disk = Disk()
        let recorder = try Recorder(
            folder.path("a.ts"), studio, disk, limits: RecorderCore.Limits(packets: 1000, bytes: 4_000))
        disk.stall(true)
        for index in 0..<60 {
            recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval))
            #expect(studio.allBack())
        }
        #expect(recorder.status.lost[.diskBehind] ?? 0 > 10)
        disk.stall(false)
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.frames + summary.lostFrames == 60)
    }

    @Test("counts frames that the encoder had no time for")
    func slowEncoder() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 640, height: 480, slots: 8)
        let recorder = try Recorder(folder.path("a.mkv"), studio, Disk(), slots: 1)
        var leases = Ring<FrameLease>(capacity: 8)
        var offered: UInt64 = 0
        // Eight at once, into a queue of one; again, should this thread have been too slow for that.
        while recorder.status.lostFrames == 0, offered < 800 {
            for _ in 0..<8 {
                _ = leases.push(try studio.frame(0, nanoseconds: offered * interval))
                offered += 1
            }
            while let lease = leases.pop() { recorder.offer(lease) }
        }
        leases = Ring(capacity: 1)
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(Set(summary.lost.keys) == [.encoderBehind])
        #expect(summary.frames >= 1)
        #expect(summary.frames + summary.lostFrames == offered)
    }

    @Test("does not wait longer than the limit for a disk that hangs, and can be waited for again")
    func limit() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let disk = Disk()
        let recorder = try Recorder(folder.path("a.mkv"), studio, disk)
        for index in 0..<10 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        disk.stall(true)
        let begin = Clock.monotonicNanoseconds()
        let error = try #require(throws: CamdError.self) { try recorder.finish(limitMilliseconds: 200) }
        let took = Double(Clock.monotonicNanoseconds() - begin) / 1e6
        #expect(took >= 200 && took < 2000)
        #expect(error.kind == .temporary)
        #expect(error.reason.contains("0.2 s"))
        #expect(recorder.status.state == .recording)
        #expect(studio.allBack())
        // Too late.
        recorder.offer(try studio.frame(10, nanoseconds: 10 * interval))
        disk.stall(false)
        let summary = try recorder.finish(limitMilliseconds: 5000)
        #expect(summary.frames == 10)
        #expect(summary.lost == [.over: 1])
    }

    @Test("ends with its recorder, and leaves what was written")
    func forgotten() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let path = folder.path("a.mkv")
        do {
            let recorder = try Recorder(path, studio, Disk())
            for index in 0..<100 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        }
        #expect(studio.allBack())
        #expect(!(try run("sh", "-c", "ls -l /proc/\(getpid())/fd").output.contains(path)))
        let probe = try Probe(path)
        #expect(probe.complaints == "")
        #expect(probe.seconds.count >= 30)
    }
}
