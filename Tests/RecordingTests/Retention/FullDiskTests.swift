import Glibc
import LinuxSystem
import Testing

@testable import Recording

/// A file system of its own in memory, where this user may mount one.
private final class SmallDisk {
    private let folder: TemporaryFolder
    var path: String { folder.path }

    init(bytes: Int, options: String = "") throws {
        folder = try TemporaryFolder()
        let size = "size=\(bytes)" + options
        try #require(mount("tmpfs", folder.path, "tmpfs", 0, size) == 0, "mount: \(Errno.current)")
    }

    func remount(readOnly: Bool) -> Bool {
        mount(nil, path, nil, UInt(MS_REMOUNT) | (readOnly ? UInt(MS_RDONLY) : 0), nil) == 0
    }

    deinit { umount2(folder.path, CInt(MNT_DETACH)) }

    /// Containers' root may not.
    static let isPossible = geteuid() == 0 && (try? SmallDisk(bytes: 1 << 20)) != nil
}

@Suite("Retention on a small disk", .enabled(if: SmallDisk.isPossible))
struct FullDiskTests {
    /// Writes as a recording does. Returns the segments that are whole.
    private func record(
        _ keeper: Retention, _ names: [String], fragments: Int = 10, fragmentBytes: Int = 50_000
    ) throws -> [String] {
        var whole: [String] = []
        for name in names {
            _ = keeper.makeAllRoom(openBytes: fragments * fragmentBytes)
            let fd = openat(keeper.folderDescriptor, name)
            try #require(fd >= 0)
            defer { close(fd) }
            while true {
                do throws(CamdError) {
                    try keeper.begin(name)
                    break
                } catch {
                    #expect(error.errno == .noSpace)
                    guard case .retry = keeper.diskFull(needed: 4096) else { return whole }
                }
            }
            for fragment in 1...fragments {
                while true {
                    do {
                        try write(fd, fragmentBytes * fragment - Int(lseek(fd, 0, SEEK_END)))
                        break
                    } catch {
                        #expect(error as? Errno == .noSpace)
                        guard case .retry = keeper.diskFull(needed: fragmentBytes) else { return whole }
                    }
                }
            }
            try keeper.finish(name)
            whole.append(name)
        }
        return whole
    }

    @Test("makes room when the disk is full, and every segment that is there is whole")
    func full() throws {
        let disk = try SmallDisk(bytes: 4 << 20)
        // A rule that does not come into it: the disk is full long before.
        let keeper = try Retention(folder: disk.path, rules: RetentionRules(bytes: 1 << 30))
        let names = (100..<160).map(String.init)
        #expect(try record(keeper, names) == names)
        let left = Directory.names(in: disk.path).filter { !$0.hasPrefix(".") }.sorted()
        #expect(left == names.suffix(left.count))
        #expect((5...8).contains(left.count))
        for name in left { #expect(FileIdentity.of(name, in: keeper.folderDescriptor)?.size == 500_000) }
        #expect(keeper.status.removedSegments == 60 - left.count)
    }

    @Test("keeps what is to stay free, at each moment but for the fragment that is being written")
    func floor() throws {
        let disk = try SmallDisk(bytes: 4 << 20)
        let keeper = try Retention(folder: disk.path, rules: RetentionRules(freeBytes: 1 << 20))
        for name in 100..<130 {
            let fd = try keeper.make("\(name)")
            defer { close(fd) }
            for _ in 0..<10 {
                #expect(keeper.makeAllRoom().outcome == .holds)
                try write(fd, 50_000)
                let free = try #require(DiskSpace.of(keeper.folderDescriptor)).freeBytes
                #expect(free >= (1 << 20) - 50_000 - 8192)
            }
            try keeper.finish("\(name)")
        }
        #expect(keeper.status.segments >= 5)
    }

    @Test("pauses when others have filled the disk, and goes on when they have gone")
    func others() throws {
        let disk = try SmallDisk(bytes: 4 << 20)
        let keeper = try Retention(folder: disk.path, rules: RetentionRules(freeBytes: 1 << 20))
        try keeper.record("a", 200_000, solid: true)
        try put(disk.path + "/theirs", 3 << 20)
        var watch = SpaceWatch(floorBytes: 1 << 20, segmentBytes: 500_000)
        let room = keeper.makeRoom()
        #expect(room.removed == ["a"])
        #expect(room.outcome == .short(.freeSpace))
        guard case .pause(let full) = keeper.diskFull(needed: 1) else { throw Errno.noSpace }
        watch.pause(.noSpace, space: full.space, nowNanoseconds: 0)
        for second in 1..<5 as Range<UInt64> {
            watch.expect(waits: DiskSpace.of(keeper.folderDescriptor), nowNanoseconds: second * 1_000_000_000)
        }
        #expect(access(disk.path + "/theirs", F_OK) == 0)
        unlink(disk.path + "/theirs")
        watch.expect(waits: DiskSpace.of(keeper.folderDescriptor), nowNanoseconds: 5_000_000_000)
        watch.expect(resumes: DiskSpace.of(keeper.folderDescriptor), nowNanoseconds: 6_000_000_000)
        #expect(keeper.makeRoom().outcome == .holds)
        try keeper.record("b", 200_000, solid: true)
    }

    @Test("starts on a full disk with the list that is there, and makes room")
    func startOnAFullDisk() throws {
        let disk = try SmallDisk(bytes: 1 << 20)
        do {
            let keeper = try Retention(folder: disk.path, rules: RetentionRules())
            for name in ["a", "b", "c"] { try keeper.record(name, 200_000, solid: true) }
        }
        #expect(throws: Errno.self) { try put(disk.path + "/theirs", 1 << 20) }
        let keeper = try Retention(folder: disk.path, rules: RetentionRules(bytes: 1 << 30))
        #expect(DiskSpace.of(keeper.folderDescriptor)?.freeBytes == 0)
        guard case .retry(let room) = keeper.diskFull(needed: 250_000) else { throw Errno.noSpace }
        #expect(room.removed == ["a", "b"])
        try keeper.record("d", 200_000, solid: true)
        #expect(keeper.status.segments == 2)
    }

    @Test("says that a full disk does not take its first list")
    func noSpaceForTheList() throws {
        let disk = try SmallDisk(bytes: 1 << 20)
        #expect(throws: Errno.self) { try put(disk.path + "/theirs", 2 << 20) }
        let error = try #require(throws: CamdError.self) {
            try Retention(folder: disk.path, rules: RetentionRules(bytes: 1 << 30))
        }
        #expect(error.errno == .noSpace)
        #expect(error.remedy?.contains("Free some space") == true)
        #expect(Directory.names(in: disk.path) == ["theirs"])
    }

    @Test("says that a disk became read-only, and that one was mounted over the folder or taken away")
    func otherDisk() throws {
        let disk = try SmallDisk(bytes: 1 << 20)
        do {
            let keeper = try Retention(folder: disk.path, rules: RetentionRules(bytes: 1000))
            for name in ["a", "b"] { try keeper.record(name, 400) }
        }
        #expect(disk.remount(readOnly: true))
        let error = try #require(throws: CamdError.self) {
            try Retention(folder: disk.path, rules: RetentionRules(bytes: 1000))
        }
        #expect(error.errno == .readOnly)
        #expect(error.reason.contains("read-only"))
        #expect(disk.remount(readOnly: false))
        let keeper = try Retention(folder: disk.path, rules: RetentionRules(bytes: 1000))
        #expect(keeper.makeRoom(openBytes: 500).removed == ["a"])
        func failure(_ room: Room) throws -> CamdError {
            guard case .failed(let error) = room.outcome else { throw Errno.invalid }
            return error
        }

        #expect(mount("tmpfs", disk.path, "tmpfs", 0, "size=1m") == 0)
        try put(disk.path + "/b", 400)
        #expect(try failure(keeper.makeRoom(openBytes: 1000)).reason.contains("another folder is there now"))
        guard case .pause(let room) = keeper.diskFull(needed: 1) else { throw Errno.noSpace }
        #expect(room.removed.isEmpty)
        #expect(access(disk.path + "/b", F_OK) == 0)
        #expect(umount2(disk.path, CInt(MNT_DETACH)) == 0)
        #expect(keeper.makeRoom(openBytes: 1000).removed == ["b"])
        // Gone, while we have it open.
        #expect(umount2(disk.path, CInt(MNT_DETACH)) == 0)
        #expect(try failure(keeper.makeRoom(openBytes: 1000)).reason.contains("another folder is there now"))
        #expect(mount("tmpfs", disk.path, "tmpfs", 0, "size=1m") == 0)
    }
}
