import CaptureCore
import Glibc
import LinuxSystem
import Testing

@testable import Recording

private let interval: UInt64 = 33_366_700

@Suite("A recording in segments")
struct SegmentTests {
    @Test(
        "has each frame once, in files that each play alone and begin with a key frame at 0",
        arguments: ["mkv", "mp4", "ts"])
    func byTime(ending: String) throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let recorder = try Recorder(
            path: folder.path("a-%Y%m%d-%H%M%S.\(ending)"), layout: studio.layout, nominalFrameRate: 30,
            encoder: EncoderSettings(options: ["crf": "12"]), segments: SegmentRule(seconds: 1.5), slotCount: 4)
        // Uneven, and a gap.
        let times = (0..<160).map { index in
            UInt64(index) * interval + UInt64(index * 7919 % 7_000_000) + (index >= 100 ? 2_100_000_000 : 0)
        }
        for (index, time) in times.enumerated() { recorder.offer(try studio.frame(index, nanoseconds: time)) }
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.state == .finished)
        #expect(summary.frames == 160)
        #expect(summary.syncedFrames == 160)
        #expect(summary.lost == [:])

        let files = folder.byAge
        #expect(files.count == summary.files)
        // 5.3 s of frames and 2.1 s of nothing.
        #expect(files.count == 4 || files.count == 5, "\(files)")
        #expect(summary.path == files.last)
        let sizes = try files.map { try bytes(of: $0).count }
        #expect(summary.bytes == sizes.reduce(0, +))
        var next = 0
        for file in files {
            let probe = try Probe(file)
            #expect(probe.complaints == "")
            #expect(probe.keyFrames.first == true)
            try #require(!probe.seconds.isEmpty && next + probe.seconds.count <= 160)
            let origin = ending == "ts" ? probe.seconds[0] : 0
            for (place, seen) in probe.seconds.enumerated() {
                let wanted = Double(times[next + place] - times[next]) / 1e9
                #expect(abs(seen - origin - wanted) <= 0.001)
            }
            // Cut with the first frame from 1.5 s on.
            if file != files.last, next + probe.seconds.count < 100 {
                #expect(abs(Double(times[next + probe.seconds.count] - times[next]) / 1e9 - 1.5) < 0.05)
            }
            let size = 160 * 112 * 3 / 2
            let decoded = try decode(file, as: "nv12")
            try #require(decoded.count == probe.seconds.count * size)
            for place in [0, probe.seconds.count - 1] {
                let apart = difference(
                    decoded[place * size..<(place + 1) * size], studio.picture(next + place)[...])
                #expect(apart.most <= 3, "\(file) frame \(place)")
            }
            next += probe.seconds.count
        }
        #expect(next == 160)
    }

    @Test("tells each file's start as wall clock, as far apart as the driver's times are")
    func creationTimes() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let recorder = try Recorder(
            path: folder.path("a-%Y%m%d-%H%M%S.mkv"), layout: studio.layout, nominalFrameRate: 30,
            segments: SegmentRule(seconds: 1), slotCount: 4)
        for index in 0..<100 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        try recorder.finish(limitMilliseconds: 10_000)
        let starts = try folder.byAge.map { try #require(Probe($0).tags["creation_time"]) }
        try #require(starts.count == 4)
        let seconds = starts.map { Double($0.dropLast().suffix(9))! }
        for (one, other) in zip(seconds, seconds.dropFirst()) {
            let apart = (other - one + 60).truncatingRemainder(dividingBy: 60)
            // The first frame from 1 s on; the next cut lies on the grid.
            #expect(abs(apart - 30 * 0.0333667) < 0.034)
            let frames = (apart / 0.0333667).rounded()
            #expect(abs(apart - frames * 0.0333667) < 0.001)
        }
    }

    @Test("is cut when a file has its bytes")
    func bySize() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 640, height: 480)
        let recorder = try Recorder(
            path: folder.path("a-%H%M%S.ts"), layout: studio.layout, nominalFrameRate: 30,
            encoder: EncoderSettings(options: ["qp": "1"]),
            segments: SegmentRule(bytes: 65_536), slotCount: 4)
        for index in 0..<60 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.frames == 60)
        #expect(summary.files > 3)
        let sizes = try folder.byAge.map { try bytes(of: $0).count }
        for size in sizes.dropLast() { #expect(size > 65_536 && size < 131_072, "\(sizes)") }
    }

    @Test("is cut when somebody wants it, and numbers a name that is taken")
    func byHand() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let recorder = try Recorder(
            path: folder.path("a.mkv"), layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        for index in 0..<60 {
            if index == 10 || index == 25 {
                #expect(studio.allBack())
                recorder.cut()
            }
            recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval))
        }
        let summary = try recorder.finish(limitMilliseconds: 10_000)
        #expect(summary.files == 3)
        #expect(folder.names == ["a-2.mkv", "a-3.mkv", "a.mkv"])
        #expect(try Probe(folder.path("a.mkv")).seconds.count == 10)
        #expect(try Probe(folder.path("a-2.mkv")).seconds.count == 15)
        #expect(try Probe(folder.path("a-3.mkv")).seconds.count == 35)
        #expect(summary.path == folder.path("a-3.mkv"))
    }

    @Test("never replaces a file by one with the time in its name")
    func collision() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        var names: Set<String> = []
        for round in 0..<3 {
            let recorder = try Recorder(
                path: folder.path("a-%Y.mkv"), layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
            recorder.offer(try studio.frame(round, nanoseconds: 0))
            names.insert(try recorder.finish(limitMilliseconds: 10_000).path)
        }
        #expect(names.count == 3)
        #expect(folder.names.count == 3)
    }

    @Test("fails when its next file cannot be made, and keeps the one before whole")
    func noNextFile() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let recorder = try Recorder(
            path: folder.path("sub-%H%M%S.mkv"), layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        for index in 0..<10 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        #expect(studio.allBack())
        rename(folder.path, folder.path + "-moved")
        defer { rename(folder.path + "-moved", folder.path) }
        recorder.cut()
        for index in 10..<20 { recorder.offer(try studio.frame(index, nanoseconds: UInt64(index) * interval)) }
        let error = try #require(throws: CamdError.self) { try recorder.finish(limitMilliseconds: 10_000) }
        #expect(error.errno == .noEntry)
        let status = recorder.status
        #expect(status.frames == 10)
        #expect(status.frames + status.lostFrames == 20)
        rename(folder.path + "-moved", folder.path)
        let probe = try Probe(folder.path(try #require(folder.names.first)))
        #expect(probe.complaints == "")
        #expect(probe.seconds.count == 10)
    }
}

@Suite("The plan of cuts")
struct CutPlanTests {
    private let second: UInt64 = 1_000_000_000

    @Test("asks for a key frame at each step of a grid, and begins again after a gap or a wish")
    func grid() {
        var plan = CutPlan(SegmentRule(seconds: 10), wallNanoseconds: 0)
        var cuts: [Int64] = []
        for tenth in Int64(0)..<800 where !(450..<580).contains(tenth) {
            let time = tenth * 100_000 + 7
            if plan.isCut(at: time, wallNanoseconds: 0, isWanted: tenth == 255) { cuts.append(tenth) }
            _ = plan.isFirst(at: time, isKeyFrame: true, size: 1)
        }
        // The grid from 0 is met with the first frame from then on.
        #expect(cuts == [100, 200, 255, 355, 580, 680, 780])
    }

    @Test("begins a file with the first key frame from the cut on, whatever the encoder does")
    func lateKeyFrame() {
        var plan = CutPlan(SegmentRule(seconds: 1), wallNanoseconds: 0)
        let asked = [999_999, 1_000_000].map { plan.isCut(at: $0, wallNanoseconds: 0, isWanted: false) }
        #expect(asked == [false, true])
        // The first key frame was on its way already.
        let packets: [(Int64, Bool)] = [
            (900_000, true), (1_000_000, false), (1_500_000, true), (1_600_000, true),
        ]
        let first = packets.map { plan.isFirst(at: $0.0, isKeyFrame: $0.1, size: 1) }
        #expect(first == [false, false, true, false])
    }

    @Test("cuts on the hour of the local clock, also on the days when it is changed")
    func clock() {
        setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1)
        tzset()
        defer {
            unsetenv("TZ")
            tzset()
        }
        func cuts(from start: UInt64, hours: UInt64, step: Int) -> [UInt64] {
            var plan = CutPlan(SegmentRule(clockSeconds: step), wallNanoseconds: start * second)
            return (0..<hours * 3600 / 5).compactMap { index in
                let time = start + index * 5
                return plan.isCut(
                    at: Int64(index) * 5_000_000, wallNanoseconds: time * second + 3, isWanted: false) ? time : nil
            }
        }
        // 2026-10-24 12:00:10 UTC: local midnight is at 22:00 UTC, a day later at 23:00.
        #expect(cuts(from: 1_792_843_210, hours: 36, step: 86_400) == [1_792_879_200, 1_792_969_200])
        #expect(cuts(from: 1_792_843_210, hours: 3, step: 3600) == [1_792_846_800, 1_792_850_400, 1_792_854_000])
    }
}

@Suite("The names of files")
struct FileNameTests {
    @Test(
        "refuse what would overwrite, or is no conversion",
        arguments: [
            ("a.mkv", SegmentRule(seconds: 10), "this name"),
            ("a-%Y%m%d.mkv", SegmentRule(seconds: 10), "same name"),
            ("a-%H%M%S.mkv", SegmentRule(seconds: 10), "same name"),
            ("a-%d-%H%M%S.mkv", SegmentRule(seconds: 10), "same name"),
            ("a-%Y%m%d-%H.mkv", SegmentRule(clockSeconds: 1800), "same name"),
            ("a.mkv", SegmentRule(bytes: 100_000), "this name"),
            ("a-%Y%m%d-%H%M%S.mkv", SegmentRule(seconds: 0.5), "seconds"),
            ("a-%Y%m%d-%H%M%S.mkv", SegmentRule(seconds: .nan), "seconds"),
            ("a-%Y%m%d-%H%M%S.mkv", SegmentRule(bytes: 5), "bytes"),
            ("a-%Y%m%d-%H%M%S.mkv", SegmentRule(clockSeconds: 7000), "divide"),
        ])
    func refused(name: String, rule: SegmentRule, words: String) throws {
        let names = try FileNames("/srv/" + name)
        let error = try #require(throws: CamdError.self) { try names.check(rule) }
        #expect(error.kind == .usage)
        #expect(error.reason.contains(words), "\(error)")
    }

    @Test(
        "refuse a conversion that there is not, and one in a folder",
        arguments: [
            "/srv/a-%Q.mkv", "/srv/a-%D.mkv", "/srv/a-%c.mkv", "/srv/a-%", "/srv/%Y/a.mkv", "/srv/a-%E.mkv",
            "/srv/a%5Y.mkv",
        ])
    func conversions(name: String) throws {
        let error = try #require(throws: CamdError.self) { try FileNames(name) }
        #expect(error.kind == .usage)
    }

    @Test("are the time's, and plain ones stay as they are")
    func paths() throws {
        let noon: UInt64 = 1_792_843_210_000_000_000
        #expect(try FileNames("/srv/a.mkv").path(at: noon) == "/srv/a.mkv")
        #expect(try FileNames("b%%.mkv").path(at: noon) == "b%.mkv")
        #expect(try !FileNames("b%%.mkv").hasTime)
        let name = try FileNames("x/cam-%Y-%j.mkv").path(at: noon)
        #expect(name == "x/cam-2026-297.mkv")
        #expect(FileNames.numbered("/srv/a.b/c.mkv", 2) == "/srv/a.b/c-2.mkv")
        for good in ["/srv/%Y%m%d-%H%M%S.mkv", "/srv/%F_%H-%M-%S.mkv", "/srv/%s.mkv"] {
            try FileNames(good).check(SegmentRule(seconds: 1))
            try FileNames(good).check(SegmentRule(clockSeconds: 3600))
        }
    }
}

extension TemporaryFolder {
    /// Its files, in the order in which they were made.
    var byAge: [String] {
        names.map { path($0) }.sorted { one, other in age(one) < age(other) }
    }

    private func age(_ path: String) -> Int {
        var status = stat()
        stat(path, &status)
        // The inodes of a folder that is written by one process rise; names may be numbered.
        return Int(status.st_mtim.tv_sec) * 1_000_000_000 + status.st_mtim.tv_nsec
    }
}
