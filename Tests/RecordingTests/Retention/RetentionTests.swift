import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import Recording

@Suite("Rules of what is kept")
struct RetentionRulesTests {
    @Test(
        "refuse a quota or an age that does not hold two segments, and say what would",
        arguments: [(10, "less than a segment"), (99, "less than a segment"), (199, "two segments")])
    func tooSmall(value: Int, words: String) throws {
        let bytes = try #require(throws: CamdError.self) { try RetentionRules(bytes: value, segmentBytes: 100) }
        #expect(bytes.description.contains(words))
        #expect(bytes.remedy?.contains("200 bytes") == true)
        #expect(bytes.kind == .configuration)
        let age = try #require(throws: CamdError.self) { try RetentionRules(ageSeconds: value, segmentSeconds: 100) }
        #expect(age.description.contains(words))
    }

    @Test("refuse what is no amount", arguments: [0, -1, Int.min, .max])
    func nonsense(value: Int) {
        #expect(throws: CamdError.self) { try RetentionRules(bytes: value) }
        #expect(throws: CamdError.self) { try RetentionRules(freeBytes: value) }
        #expect(throws: CamdError.self) { try RetentionRules(ageSeconds: value) }
        #expect(throws: CamdError.self) { try RetentionRules(bytes: 1000, segmentBytes: value) }
    }

    @Test("take a quota that holds two segments")
    func enough() throws {
        #expect(try RetentionRules(bytes: 200, segmentBytes: 100).bytes == 200)
        #expect(try RetentionRules().isEmpty)
    }

    @Test("refuse a floor that the whole disk does not have")
    func floorBeyondTheDisk() throws {
        let folder = try TemporaryFolder()
        let error = try #require(throws: CamdError.self) { try Retention(folder, freeBytes: 1 << 50, World()) }
        #expect(error.reason.contains("in all"))
    }
}

@Suite("Retention")
struct RetentionTests {
    @Test("removes the oldest first, by when they were begun, until the bytes fit with the open one")
    func bytes() throws {
        let folder = try TemporaryFolder()
        let keeper = try Retention(folder, bytes: 1000, World())
        // The names do not rise, and neither do the times of the files.
        for (place, name) in ["d", "a", "c", "b"].enumerated() {
            try keeper.record(name, 250)
            #expect(keeper.status.bytes == 250 * (place + 1))
        }
        #expect(keeper.makeRoom().outcome == .holds)
        #expect(keeper.makeRoom().removed.isEmpty)
        #expect(keeper.fits(openBytes: 0))
        #expect(!keeper.fits(openBytes: 1))
        let room = keeper.makeRoom(openBytes: 251)
        #expect(room.outcome == .holds)
        #expect(room.removed == ["d", "a"])
        #expect(room.removedBytes == 500)
        #expect(folder.files == ["b", "c"])
        #expect(keeper.status.removedSegments == 2)
        #expect(keeper.expectedSegmentBytes == 312)
    }

    @Test("never removes an open segment, even when nothing else is left")
    func openSegment() throws {
        let folder = try TemporaryFolder()
        let keeper = try Retention(folder, bytes: 1000, World())
        let fd = try keeper.make("open")
        defer { close(fd) }
        try keeper.record("b", 600)
        #expect(keeper.makeRoom(openBytes: 900).removed == ["b"])
        // It would not help.
        try keeper.record("c", 1)
        let room = keeper.makeRoom(openBytes: 1001)
        #expect(room.outcome == .short(.bytes))
        #expect(room.removed.isEmpty)
        guard case .retry(let freed) = keeper.diskFull(needed: 1 << 40) else { throw Errno.noSpace }
        #expect(freed.removed == ["c"])
        guard case .pause(let none) = keeper.diskFull(needed: 1) else { throw Errno.noSpace }
        #expect(none.outcome == .short(.freeSpace))
        #expect(folder.files == ["open"])
        try keeper.finish("open")
        #expect(keeper.status.segments == 1)
    }

    @Test("keeps within an age, whatever the order of times is")
    func age() throws {
        let folder = try TemporaryFolder()
        let world = World()
        let keeper = try Retention(folder, ageSeconds: 100, world)
        try keeper.record("a", 1)
        world.pass(seconds: 50)
        // The clock was wrong for a while: that one is from the future.
        world.realtime.wrappingAdd(1_000_000_000_000, ordering: .relaxed)
        try keeper.record("future", 1)
        world.realtime.wrappingSubtract(1_000_000_000_000, ordering: .relaxed)
        try keeper.record("b", 1)
        world.pass(seconds: 49)
        #expect(keeper.makeRoom().removed.isEmpty)
        world.pass(seconds: 1)
        #expect(keeper.makeRoom().removed == ["a"])
        world.pass(seconds: 60)
        #expect(keeper.makeRoom().removed == ["b"])
        #expect(folder.files == ["future"])
    }

    @Test("does not take a segment for old that was begun before the clock was set")
    func clockThatWasNotSet() throws {
        let folder = try TemporaryFolder()
        let world = World()
        world.realtime.store(20_000_000_000, ordering: .relaxed)
        let keeper = try Retention(folder, ageSeconds: 100, world)
        // Its file's own time is of this machine's clock, which is set.
        try keeper.record("a", 1)
        world.realtime.store(Clock.realtimeNanoseconds(), ordering: .relaxed)
        #expect(keeper.makeRoom().removed.isEmpty)
        world.pass(seconds: 101)
        #expect(keeper.makeRoom().removed == ["a"])
    }

    @Test("removes at most 64 in one call, and says that there is more")
    func bounded() throws {
        let folder = try TemporaryFolder()
        let keeper = try Retention(folder, bytes: 1000, World())
        for index in 0..<200 { try keeper.record("\(index)", 10) }
        let room = keeper.makeRoom()
        #expect(room.outcome == .unfinished)
        #expect(room.removed == (0..<64).map(String.init))
        let rest = keeper.makeAllRoom()
        #expect(rest.outcome == .holds)
        #expect(rest.removed == (64..<100).map(String.init))
    }

    @Test("knows what earlier runs left, and the names that they did not finish")
    func laterRun() throws {
        let folder = try TemporaryFolder()
        do {
            let keeper = try Retention(folder, World())
            for index in 0..<5 { try keeper.record("\(index) ä%.mkv", 100) }
            let fd = try keeper.make("left.mkv")
            try write(fd, 70)
            close(fd)
        }
        let keeper = try Retention(folder, bytes: 300, World())
        #expect(keeper.leftovers == ["left.mkv"])
        #expect(keeper.status.bytes == 570)
        // Repaired by another file that took its place.
        try put(folder.path("mended"), 80)
        #expect(rename(folder.path("mended"), folder.path("left.mkv")) == 0)
        try keeper.replace("left.mkv")
        #expect(keeper.status.bytes == 580)
        let room = keeper.makeRoom()
        #expect(room.outcome == .holds)
        #expect(room.removed == ["0 ä%.mkv", "1 ä%.mkv", "2 ä%.mkv"])
        #expect(keeper.makeRoom(openBytes: 300).removed == ["3 ä%.mkv", "4 ä%.mkv", "left.mkv"])
    }

    @Test("removes nothing where there are no rules, also when the disk is full")
    func noRules() throws {
        let folder = try TemporaryFolder()
        let keeper = try Retention(folder, World())
        try keeper.record("a", 100)
        #expect(keeper.makeRoom(openBytes: .max).outcome == .holds)
        guard case .pause = keeper.diskFull(needed: 1) else { throw Errno.noSpace }
        #expect(folder.files == ["a"])
    }

    @Test("does not remove others for what somebody removed by hand")
    func removedByHand() throws {
        let folder = try TemporaryFolder()
        let keeper = try Retention(folder, bytes: 1000, World())
        for index in 0..<10 { try keeper.record("\(index)", 100) }
        for index in 5..<10 { unlink(folder.path("\(index)")) }
        let room = keeper.makeRoom(openBytes: 500)
        #expect(room.outcome == .holds)
        #expect(room.removed.isEmpty)
        #expect(keeper.status.bytes == 500)
    }

    @Test("lets a file be that it may not remove, goes on with the next, and comes back to it")
    func refusedFile() throws {
        let folder = try TemporaryFolder()
        let world = World()
        let keeper = try Retention(folder, bytes: 100, world)
        for index in 0..<3 { try keeper.record("\(index)", 50) }
        world.refusal.store(EPERM, ordering: .relaxed)
        let room = keeper.makeRoom()
        #expect(room.outcome == .short(.bytes))
        #expect(room.refusal?.errno == .notPermitted)
        #expect(room.refusal?.subject == folder.path("0"))
        world.refusal.store(0, ordering: .relaxed)
        #expect(keeper.makeRoom().outcome == .short(.bytes))
        world.pass(seconds: 61)
        #expect(keeper.makeRoom().removed == ["0"])
        // A disk that can be written no more is another matter.
        world.refusal.store(EROFS, ordering: .relaxed)
        guard case .failed(let error) = keeper.makeRoom(openBytes: 50).outcome else { throw Errno.readOnly }
        #expect(error.errno == .readOnly)
        #expect(error.reason.contains("read-only"))
    }

    @Test("does not remove all when the disk gives space free later")
    func lateSpace() throws {
        let folder = try TemporaryFolder()
        let world = World()
        world.free.store(1_000_000, ordering: .relaxed)
        let keeper = try Retention(folder, freeBytes: 1_000_000, world)
        for index in 0..<20 { try keeper.record("\(index)", 10_000, solid: true) }
        #expect(keeper.makeRoom().outcome == .holds)
        world.free.store(985_000, ordering: .relaxed)
        // Of 12288 bytes on a disk of usual blocks.
        let room = keeper.makeRoom()
        #expect(room.outcome == .settling)
        #expect(room.removed == ["0", "1"])
        for _ in 0..<20 {
            world.pass(seconds: 1)
            let room = keeper.makeRoom()
            #expect(room.outcome == .settling)
            #expect(room.removed.isEmpty)
        }
        // It came, and then somebody else took it.
        world.free.store(1_009_576, ordering: .relaxed)
        #expect(keeper.makeRoom().outcome == .holds)
        world.free.store(990_000, ordering: .relaxed)
        #expect(keeper.makeRoom().removed == ["2"])
        // It never comes: somebody reads the file.
        world.pass(seconds: 31)
        #expect(keeper.makeRoom().removed == ["3"])
    }

    @Test("looks at each file a few times, however many there are")
    func linear() throws {
        let folder = try TemporaryFolder()
        let world = World()
        let keeper = try Retention(folder, bytes: 3000, world)
        for index in 0..<3000 { try keeper.record("\(index)", 1) }
        world.looks.store(0, ordering: .relaxed)
        let all = keeper.makeAllRoom(openBytes: 3000)
        #expect(all.outcome == .holds)
        #expect(all.removed.count == 3000)
        // One look for each that goes, and 512 for each call.
        #expect(world.looks.load(ordering: .relaxed) <= 3000 + 512 * 48)
        #expect(keeper.entries.count < 3000)
        #expect(folder.files == [])
    }

    @Test("keeps the list short, and bounded")
    func shortList() throws {
        let folder = try TemporaryFolder()
        let world = World()
        var limits = RetentionLimits()
        limits.manifestSlack = 1000
        limits.segments = 20
        let keeper = try Retention(folder, bytes: 100, world, limits: limits)
        for index in 0..<500 {
            try keeper.record("\(index)", index < 250 ? 10 : 0)
            keeper.makeAllRoom()
            #expect(folder.bytes([SegmentManifest.name]) < 8000)
            #expect(folder.names.count <= 22)
        }
        #expect(keeper.status.segments == 20)
        #expect(folder.files.count == 20)
    }

    @Test("waits for no other recording that looks after the folder, and says so")
    func twice() throws {
        let folder = try TemporaryFolder()
        do {
            let keeper = try Retention(folder, World())
            let error = try #require(throws: CamdError.self) { try Retention(folder, World()) }
            #expect(error.kind == .temporary)
            #expect(error.reason.contains("another recording"))
            _ = keeper.status
        }
        _ = try Retention(folder, World())
    }
}
