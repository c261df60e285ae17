import LinuxSystem
import Testing

@testable import Recording

extension SpaceWatch {
    /// Expects that a look at the disk lets the recording go on.
    mutating func expect(
        resumes space: DiskSpace?, nowNanoseconds now: UInt64, location: SourceLocation = #_sourceLocation
    ) {
        let resumes = look(space, nowNanoseconds: now)
        #expect(resumes, sourceLocation: location)
    }

    /// Expects that it does not.
    mutating func expect(
        waits space: DiskSpace?, rulesHold: Bool = true, nowNanoseconds now: UInt64,
        location: SourceLocation = #_sourceLocation
    ) {
        let resumes = look(space, rulesHold: rulesHold, nowNanoseconds: now)
        #expect(!resumes, sourceLocation: location)
    }
}

@Suite("A recording that waits for space")
struct SpaceWatchTests {
    private let second: UInt64 = 1_000_000_000

    private func space(_ free: Int, files: Int? = nil) -> DiskSpace {
        DiskSpace(freeBytes: free, freeFiles: files, totalBytes: 1 << 40)
    }

    @Test("resumes at a higher mark than the floor, when it has seen that twice")
    func resumes() {
        var watch = SpaceWatch(floorBytes: 80 << 20, segmentBytes: 4 << 20)
        #expect(watch.resumeBytes == 90 << 20)
        #expect(watch.nextLookNanoseconds == nil)
        #expect(watch.status(nowNanoseconds: 0).text == nil)
        watch.pause(.noSpace, space: space(79 << 20), nowNanoseconds: 5 * second)
        #expect(watch.state == .paused(.noSpace, sinceNanoseconds: 5 * second))
        #expect(watch.nextLookNanoseconds == 6 * second)
        // Above the floor only.
        for now in 6..<20 {
            watch.expect(waits: space(89 << 20), nowNanoseconds: UInt64(now) * second)
            #expect(watch.nextLookNanoseconds == UInt64(now + 1) * second)
        }
        watch.expect(waits: space(90 << 20), nowNanoseconds: 20 * second)
        watch.expect(waits: space(1 << 20), nowNanoseconds: 21 * second)
        watch.expect(waits: space(90 << 20), nowNanoseconds: 22 * second)
        #expect(
            watch.status(nowNanoseconds: 22 * second).text
                == "paused: no space: \(90 << 20) bytes are free; goes on by itself at \(90 << 20) bytes")
        watch.expect(resumes: space(90 << 20), nowNanoseconds: 23 * second)
        #expect(watch.state == .recording)
        #expect(watch.nextLookNanoseconds == nil)
        let status = watch.status(nowNanoseconds: 30 * second)
        #expect(status.pauses == 1)
        #expect(status.pausedNanoseconds == 18 * second)
        #expect(status.text == nil)
        watch.expect(waits: space(0), nowNanoseconds: 24 * second)
    }

    @Test("does not resume while no files can be made, the rules do not hold, or nothing is known")
    func notYet() {
        var watch = SpaceWatch(floorBytes: 0, segmentBytes: 0)
        watch.pause(.noSpace, nowNanoseconds: 0)
        #expect(watch.status(nowNanoseconds: 0).text?.contains("nothing is known") == true)
        for now in 1..<10 {
            watch.expect(waits: space(1 << 30, files: 7), nowNanoseconds: UInt64(now) * second)
            watch.expect(waits: nil, nowNanoseconds: UInt64(now) * second)
            watch.expect(waits: space(1 << 30), rulesHold: false, nowNanoseconds: UInt64(now) * second)
        }
        watch.expect(waits: space(1 << 30, files: 8), nowNanoseconds: 10 * second)
        watch.expect(resumes: space(1 << 30, files: 8), nowNanoseconds: 11 * second)
    }

    @Test("waits longer each time that it pauses again soon, up to a minute, and is quick again after a while")
    func doesNotFlap() {
        var watch = SpaceWatch(floorBytes: 0, segmentBytes: 0)
        var now: UInt64 = 0
        func pause(_ watch: inout SpaceWatch, from now: UInt64) -> UInt64 {
            watch.pause(.noSpace, nowNanoseconds: now)
            var at = now
            repeat { at += second } while !watch.look(space(1 << 30), nowNanoseconds: at)
            return at - now
        }
        for seconds in [2, 2, 4, 8, 16, 32, 60, 60] as [UInt64] {
            let took = pause(&watch, from: now)
            #expect(took == seconds * second)
            now += took + second
        }
        now += 60 * second
        let took = pause(&watch, from: now)
        #expect(took == 2 * second)
        #expect(watch.status(nowNanoseconds: now).pauses == 9)
    }

    @Test(
        "never resumes more often than each second minute, whatever the disk does",
        arguments: 1...20 as ClosedRange<UInt64>)
    func anyDisk(seed: UInt64) {
        var random = Seeded(seed)
        var watch = SpaceWatch(floorBytes: 1 << 20, segmentBytes: 1 << 20)
        var resumed = 0
        for now in 0..<3600 as Range<UInt64> {
            let free = Int.random(in: 0...(4 << 20), using: &random)
            if watch.state == .recording {
                if Bool.random(using: &random) {
                    watch.pause(.noSpace, space: space(free), nowNanoseconds: now * second)
                }
            } else if watch.look(space(free), nowNanoseconds: now * second) {
                #expect(free >= watch.resumeBytes)
                resumed += 1
            }
        }
        // Six while it learns, then one a minute.
        #expect(resumed <= 66)
        #expect(resumed > 10)
    }

    @Test("tries again by itself after the user's disk quota was used up, of which no call tells")
    func diskQuota() {
        var watch = SpaceWatch(floorBytes: 0, segmentBytes: 0)
        watch.pause(.diskQuota, nowNanoseconds: 0)
        #expect(watch.status(nowNanoseconds: 0).text?.contains("disk quota") == true)
        for now in 1..<10 {
            watch.expect(waits: space(1 << 30), nowNanoseconds: UInt64(now) * second)
        }
        watch.expect(resumes: space(1 << 30), nowNanoseconds: 10 * second)
    }

    @Test("is content with half of a disk that is smaller than a segment, and with times that go backwards")
    func smallDisk() {
        var watch = SpaceWatch(floorBytes: 1 << 20, segmentBytes: 1 << 30)
        watch.pause(.noSpace, nowNanoseconds: 10 * second)
        let disk = DiskSpace(freeBytes: 5 << 20, totalBytes: 9 << 20)
        watch.expect(waits: disk, nowNanoseconds: 5 * second)
        #expect(watch.resumeBytes == 5 << 20)
        watch.expect(resumes: disk, nowNanoseconds: 11 * second)
        #expect(watch.status(nowNanoseconds: 0).pausedNanoseconds == second)
        var extreme = SpaceWatch(floorBytes: .max, segmentBytes: .max)
        extreme.pause(.rules, nowNanoseconds: 0)
        extreme.expect(waits: space(.max), rulesHold: false, nowNanoseconds: 1)
    }
}
