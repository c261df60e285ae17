import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import Recording

/// Retention against what it is to do, told in the simplest way.
@Suite("Retention over a long time")
struct RetentionModelTests {
    private struct Segment: Equatable {
        var name: String
        var size: Int
        var start: UInt64
    }

    @Test(
        "keeps what a simple model keeps, in any sequence of what can happen", arguments: 1...30 as ClosedRange<UInt64>)
    func model(seed: UInt64) throws {
        var random = Seeded(seed)
        let folder = try TemporaryFolder()
        let world = World()
        let bytes = Bool.random(using: &random) ? Int.random(in: 1000...4000, using: &random) : nil
        let age = Bool.random(using: &random) ? Int.random(in: 100...400, using: &random) : nil
        var limits = RetentionLimits()
        limits.manifestSlack = 500
        limits.removals = 1 << Int.random(in: 0...6, using: &random)
        func start() throws -> Retention {
            try Retention(folder, bytes: bytes, ageSeconds: age, world, limits: limits)
        }
        var keeper: Retention? = try start()
        var ours: [Segment] = []
        var theirs: Set<String> = []
        var name = 0
        for _ in 0..<300 {
            world.pass(seconds: Double.random(in: 0...10, using: &random))
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<8:
                name += 1
                let size = Int.random(in: 0...500, using: &random)
                ours.append(
                    Segment(name: "s\(name)", size: size, start: world.realtime.load(ordering: .relaxed)))
                try keeper?.record("s\(name)", size)
            case 8:
                guard let gone = ours.randomElement(using: &random) else { break }
                unlink(folder.path(gone.name))
                ours.removeAll { $0 == gone }
            case 9:
                guard let lost = ours.randomElement(using: &random) else { break }
                unlink(folder.path(lost.name))
                try put(folder.path(lost.name), 1 + lost.size)
                ours.removeAll { $0 == lost }
                theirs.insert(lost.name)
            case 10:
                try put(folder.path("t\(name)"))
                theirs.insert("t\(name)")
            case 11:
                keeper = nil
                keeper = try start()
            case 12:
                // The same name again is another segment.
                guard let old = ours.randomElement(using: &random) else { break }
                ours.removeAll { $0 == old }
                unlink(folder.path(old.name))
                ours.append(Segment(name: old.name, size: 7, start: world.realtime.load(ordering: .relaxed)))
                try keeper?.record(old.name, 7)
            default:
                let open = Int.random(in: 0...1000, using: &random)
                let all = try #require(keeper).makeAllRoom(openBytes: open)
                let now = world.realtime.load(ordering: .relaxed)
                if let age { ours.removeAll { (now - $0.start) / 1_000_000_000 >= UInt64(age) } }
                if let bytes { while ours.reduce(open, { $0 + $1.size }) > bytes { ours.removeFirst() } }
                #expect(all.outcome == .holds)
                #expect(Set(folder.files) == Set(ours.map(\.name)).union(theirs))
            }
        }
        keeper = nil
        keeper = try start()
        #expect(keeper?.status.segments == ours.count)
        #expect(keeper?.status.bytes == ours.reduce(0) { $0 + $1.size })
        #expect(theirs.isSubset(of: folder.files))
    }

    /// 360 segments of ten seconds, a fragment each second, of a camera whose rate changes as it likes. The sum is taken
    /// after each call that changes a file.
    @Test("is at no moment of an hour over the quota", arguments: 1...4 as ClosedRange<UInt64>)
    func hour(seed: UInt64) throws {
        var random = Seeded(seed)
        let folder = try TemporaryFolder()
        let world = World()
        try put(folder.path("decoy.mkv"), 1234)
        let quota = 50_000_000
        var keeper: Retention? = try Retention(folder, bytes: quota, world)
        var most = 0
        var removed = 0
        func measure() {
            most = max(most, folder.bytes(folder.files) - 1234)
        }
        for segment in 0..<360 {
            let name = "segment \(segment).mkv"
            // Another run, now and then.
            if segment % 100 == 99 {
                keeper = nil
                keeper = try Retention(folder, bytes: quota, world)
            }
            let now = try #require(keeper)
            removed += now.makeAllRoom(openBytes: now.expectedSegmentBytes ?? 0).removed.count
            measure()
            let fd = try now.make(name)
            defer { close(fd) }
            var size = 0
            let rate = Int.random(in: 1_000...1_000_000, using: &random)
            for _ in 0..<10 {
                let fragment = Int.random(in: 0...2 * rate, using: &random)
                if !now.fits(openBytes: size + fragment) {
                    let room = now.makeAllRoom(openBytes: size + fragment)
                    #expect(room.outcome == .holds)
                    removed += room.removed.count
                }
                size += fragment
                #expect(ftruncate(fd, size) == 0)
                measure()
                world.pass(seconds: 1)
            }
            try now.finish(name)
            #expect(folder.files.contains(name))
        }
        #expect(most <= quota)
        // And not far below either: what was removed had to go.
        #expect(most > quota / 2)
        #expect(removed > 100)
        #expect(folder.bytes(["decoy.mkv"]) == 1234)
    }
}
