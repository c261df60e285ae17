import Glibc
import LinuxSystem
import Testing

@testable import Recording

/// Files that have our names, or might be ours, and are not.
@Suite("Retention lets be")
struct DecoyTests {
    /// Records three segments, lets somebody do something to the second, and asks for room for which all would have to go:
    /// once with the folder still looked after, once by the next run.
    private func expectUntouched(
        isCounted: Bool = false, location: SourceLocation = #_sourceLocation, _ change: (String) throws -> Void
    ) throws {
        for isLater in [false, true] {
            let folder = try TemporaryFolder()
            let world = World()
            var keeper: Retention? = try Retention(folder, bytes: 1000, world)
            for name in ["a", "b", "c"] { try keeper?.record(name, 100) }
            try change(folder.path("b"))
            defer {
                unlink(folder.path("b") + "/inside")
                rmdir(folder.path("b"))
            }
            let before = FileIdentity.of("b", in: try #require(keeper).folderDescriptor)
            if isLater {
                keeper = nil
                keeper = try Retention(folder, bytes: 1000, world)
            }
            let room = try #require(keeper).makeRoom(openBytes: 1000)
            #expect(room.removed == ["a", "c"], "later: \(isLater)", sourceLocation: location)
            #expect(room.outcome == .holds, sourceLocation: location)
            #expect(keeper?.status.segments == 0, sourceLocation: location)
            #expect(keeper?.status.foreignSegments == 1, sourceLocation: location)
            let after = FileIdentity.of("b", in: try #require(keeper).folderDescriptor)
            #expect(after != nil && after == before, "later: \(isLater)", sourceLocation: location)
        }
    }

    @Test("another file of the same name, size and time")
    func replaced() throws {
        try expectUntouched { path in
            var status = stat()
            #expect(stat(path, &status) == 0)
            unlink(path)
            // Made at once: ext4 gives it the same inode number.
            try put(path, 100)
            let times = [status.st_atim, status.st_mtim]
            #expect(utimensat(AT_FDCWD, path, times, 0) == 0)
        }
    }

    @Test("another file that was renamed over it")
    func renamedOver() throws {
        try expectUntouched { path in
            try put(path + ".theirs", 100)
            #expect(rename(path + ".theirs", path) == 0)
        }
    }

    @Test("a file of ours that somebody wrote to in place")
    func writtenTo() throws {
        try expectUntouched { path in
            let fd = open(path, O_WRONLY)
            defer { close(fd) }
            #expect(pwrite(fd, "theirs", 6, 10) == 6)
        }
        try expectUntouched { path in #expect(truncate(path, 99) == 0) }
    }

    @Test("a file of ours that somebody touched, to keep it")
    func touched() throws {
        try expectUntouched { path in #expect(utimensat(AT_FDCWD, path, nil, 0) == 0) }
    }

    @Test("a link, to wherever it leads")
    func link() throws {
        let other = try TemporaryFolder()
        try put(other.path("theirs"), 100)
        try expectUntouched { path in
            unlink(path)
            #expect(symlink(other.path("theirs"), path) == 0)
        }
        // To our own file under another name.
        try expectUntouched { path in
            #expect(rename(path, path + ".moved") == 0)
            #expect(symlink(path + ".moved", path) == 0)
        }
        #expect(other.names == ["theirs"])
    }

    @Test("a folder, a pipe")
    func otherKinds() throws {
        try expectUntouched { path in
            unlink(path)
            #expect(mkdir(path, 0o755) == 0)
            try put(path + "/inside")
        }
        try expectUntouched { path in
            unlink(path)
            #expect(mkfifo(path, 0o644) == 0)
        }
    }

    @Test("a hard link to a file of someone else")
    func hardLink() throws {
        try expectUntouched { path in
            try put(path + ".theirs", 100)
            unlink(path)
            #expect(Glibc.link(path + ".theirs", path) == 0)
        }
    }

    @Test("all that was never begun, whatever its name, its time, or how full the disk is")
    func neverBegun() throws {
        let folder = try TemporaryFolder()
        let world = World()
        world.free.store(0, ordering: .relaxed)
        let keeper = try Retention(folder, bytes: 1000, freeBytes: 1 << 30, ageSeconds: 1, world)
        for hour in 0..<24 { try put(folder.path("2026-11-22_\(hour)-00-00.mkv"), 100) }
        let names = folder.files
        try keeper.record("2026-11-22_24-00-00.mkv", 100)
        world.pass(seconds: 1000)
        #expect(keeper.makeRoom(openBytes: 1000).removed == ["2026-11-22_24-00-00.mkv"])
        _ = keeper.diskFull(needed: .max)
        #expect(folder.files == names)
    }

    @Test("the other names of a file; and it removes no name that gives nothing free when that is what is short of")
    func otherNames() throws {
        let folder = try TemporaryFolder()
        let world = World()
        let keeper = try Retention(folder, bytes: 1000, freeBytes: 1000, world)
        for name in ["a", "b"] { try keeper.record(name, 5000, solid: true) }
        #expect(Glibc.link(folder.path("a"), folder.path("kept")) == 0)
        world.free.store(0, ordering: .relaxed)
        guard case .retry(let room) = keeper.diskFull(needed: 1) else { throw Errno.noSpace }
        #expect(room.removed == ["b"])
        guard case .pause = keeper.diskFull(needed: 1) else { throw Errno.noSpace }
        world.pass(seconds: 61)
        // Bytes of ours are another rule.
        #expect(keeper.makeRoom().removed == ["a"])
        #expect(folder.files == ["kept"])
    }

    // MARK: - the list and the folder

    private let line = SegmentRecord(
        open: "x",
        FileIdentity(
            inode: 1, device: 1, size: 1, allocated: 0, bornNanoseconds: 1, modifiedNanoseconds: 1, mode: S_IFREG,
            links: 1, owner: 0), startNanoseconds: 1
    ).line

    @Test("a file that has the name of its list and is none, and says so")
    func foreignList() throws {
        let folder = try TemporaryFolder()
        let list = folder.path(SegmentManifest.name)
        func expectRefusal(_ words: String, location: SourceLocation = #_sourceLocation) throws {
            let error = try #require(throws: CamdError.self, sourceLocation: location) {
                try Retention(folder, World())
            }
            #expect(error.description.contains(words), sourceLocation: location)
            #expect(error.subject == list, sourceLocation: location)
        }
        try put(list)
        try expectRefusal("first line")
        #expect(try bytes(of: list) == [UInt8](repeating: 0x5a, count: 100))
        #expect(chmod(list, 0o666) == 0)
        try expectRefusal("others may write it")
        unlink(list)
        #expect(symlink("/etc/passwd", list) == 0)
        try expectRefusal("no file")
        unlink(list)
        #expect(mkfifo(list, 0o600) == 0)
        try expectRefusal("no file")
        unlink(list)
        #expect(mkdir(list, 0o700) == 0)
        try expectRefusal("no file")
        rmdir(list)
    }

    @Test("the files of a list that was copied with its folder")
    func copiedList() throws {
        let (folder, copy) = (try TemporaryFolder(), try TemporaryFolder())
        do {
            let keeper = try Retention(folder, World())
            try keeper.record("a", 100)
        }
        #expect(try run("cp", "-a", folder.path + "/.", copy.path).status == 0)
        do {
            let keeper = try Retention(copy, bytes: 1000, World())
            #expect(keeper.status.notice?.contains("another folder's") == true)
            #expect(keeper.makeRoom(openBytes: 1000).removed.isEmpty)
            #expect(copy.files == ["a"])
            try keeper.record("b", 100)
        }
        // It is a list of its own from now on.
        let keeper = try Retention(copy, bytes: 1000, World())
        #expect(keeper.status.notice == nil)
        #expect(keeper.makeRoom(openBytes: 1000).removed == ["b"])
        #expect(copy.files == ["a"])
    }

    @Test("segments whose lines are damaged, and knows the others", arguments: 0..<40)
    func damagedList(seed: Int) throws {
        var random = Seeded(UInt64(seed + 1))
        let folder = try TemporaryFolder()
        do {
            let keeper = try Retention(folder, World())
            for index in 0..<10 { try keeper.record("\(index)", 100) }
        }
        var list = try bytes(of: folder.path(SegmentManifest.name))
        // Not the title, which says whose list it is.
        let title = try #require(list.firstIndex(of: UInt8(ascii: "\n"))) + 1
        switch seed % 4 {
        case 0: list.removeLast(Int.random(in: 1..<(list.count - title), using: &random))
        case 1: list[Int.random(in: title..<list.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
        case 2: list.insert(contentsOf: [UInt8](repeating: 0, count: 100_000), at: list.count / 2)
        default: list += Array(line.dropLast(Int.random(in: 0..<line.utf8.count, using: &random)).utf8)
        }
        let fd = open(folder.path(SegmentManifest.name), O_WRONLY | O_TRUNC)
        list.withUnsafeBytes { #expect(Glibc.write(fd, $0.baseAddress!, $0.count) == $0.count) }
        close(fd)

        do {
            let keeper = try Retention(folder, bytes: 1000, World())
            let known = keeper.status.segments
            if seed % 4 != 0 { #expect(known >= 8) }
            // It goes on in it, over what was torn.
            close(try keeper.make("begun"))
            try keeper.record("new", 100)
            #expect(keeper.status.segments == known + 1)
        }
        let keeper = try Retention(folder, bytes: 1000, World())
        let known = keeper.status.segments
        #expect(keeper.leftovers.last == "begun")
        #expect(folder.files.contains("new"))
        #expect(keeper.makeRoom(openBytes: 1000).removed.count == known)
        #expect(!folder.files.contains("new"))
        #expect(folder.files.count == 12 - known)
    }

    @Test("a folder that was put in the place of the one that it knows")
    func otherFolder() throws {
        let parent = try TemporaryFolder()
        let path = parent.path("segments")
        #expect(mkdir(path, 0o755) == 0)
        let keeper = try Retention(
            folder: path, rules: RetentionRules(bytes: 1000), calls: World().calls)
        try keeper.record("a", 100)
        #expect(rename(path, path + ".old") == 0)
        func expectFailure(_ words: String, location: SourceLocation = #_sourceLocation) {
            guard case .failed(let error) = keeper.makeRoom(openBytes: 1000).outcome else {
                Issue.record("nothing failed", sourceLocation: location)
                return
            }
            #expect(error.description.contains(words), sourceLocation: location)
            #expect(error.subject == path, sourceLocation: location)
        }
        expectFailure("no such folder")
        #expect(mkdir(path, 0o755) == 0)
        try put(path + "/a", 100)
        expectFailure("another folder is there now")
        guard case .pause = keeper.diskFull(needed: 1) else { throw Errno.noSpace }
        #expect(access(path + "/a", F_OK) == 0)
        #expect(access(path + ".old/a", F_OK) == 0)
        _ = try run("rm", "-r", path, path + ".old")
    }

    @Test("a folder that is none, or that is not there, and says so")
    func noFolder() throws {
        let folder = try TemporaryFolder()
        try put(folder.path("file"))
        for (name, words) in [("file", "no folder"), ("nowhere", "no such folder"), ("", "not the name")] {
            let path = name.isEmpty ? "" : folder.path(name)
            let error = try #require(throws: CamdError.self) {
                try Retention(folder: path, rules: RetentionRules())
            }
            #expect(error.description.contains(words))
            #expect(error.remedy != nil)
        }
    }

    @Test("names that no segment can have", arguments: ["", ".", "..", "a/b", "/a", ".camd-segments"])
    func badNames(name: String) throws {
        let folder = try TemporaryFolder()
        let keeper = try Retention(folder, World())
        #expect(throws: CamdError.self) { try keeper.begin(name) }
        #expect(throws: CamdError.self) { try keeper.finish(name) }
        #expect(throws: CamdError.self) { try keeper.begin(String(repeating: "x", count: 256)) }
        #expect(throws: CamdError.self) { try keeper.begin("a\0b") }
        #expect(keeper.status.segments == 0)
    }

    @Test("what somebody put in the place of the open segment")
    func openSegmentReplaced() throws {
        let folder = try TemporaryFolder()
        let keeper = try Retention(folder, bytes: 1000, World())
        close(try keeper.make("a"))
        try put(folder.path("b"), 200)
        #expect(rename(folder.path("b"), folder.path("a")) == 0)
        let error = try #require(throws: CamdError.self) { try keeper.finish("a") }
        #expect(error.reason.contains("another file"))
        #expect(keeper.makeRoom(openBytes: 1000).removed.isEmpty)
        #expect(folder.files == ["a"])
        // A link where a segment should be begun.
        #expect(symlink("a", folder.path("link")) == 0)
        #expect(throws: CamdError.self) { try keeper.begin("link") }
    }
}
