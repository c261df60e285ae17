import Glibc
import LinuxSystem
import Recording
import Testing

/// What a recording does with its folder, on a disk that somebody else fills and empties.
@Suite(.serialized) struct RetentionTests {
    private static let fragmentBytes = 40_000
    private static let fragments = 10

    /// One segment's bytes, which say whose they are and where.
    private static func pattern(_ segment: Int, _ fragment: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: segment &* 31 &+ fragment &* 7), count: fragmentBytes)
    }

    /// Writes all, or fails with the errno and what is there of it cut off, as a recorder would.
    private static func write(_ bytes: [UInt8], to fd: CInt, at offset: Int) throws(Errno) {
        var done = 0
        while done < bytes.count {
            let result = bytes.withUnsafeBytes { pwrite(fd, $0.baseAddress! + done, bytes.count - done, offset + done) }
            guard result > 0 else {
                let errno = Errno.current
                ftruncate(fd, offset)
                throw errno
            }
            done += result
        }
    }

    /// Simulated seconds, a fragment each; the neighbour takes most of the disk, all of it, and gives it back.
    @Test(
        "a recording on a tmpfs that others fill pauses, resumes by itself, and leaves only whole segments and their files"
    )
    func fullDisk() throws {
        let folder = try Scratch.folder() + "/disk"
        #expect(mkdir(folder, 0o755) == 0)
        try #require(mount("tmpfs", folder, "tmpfs", 0, "size=8m") == 0, "\(Errno.current)")
        defer { umount2(folder, CInt(MNT_DETACH)) }
        let floor = 1 << 20
        let keeper = try Retention(
            folder: folder, rules: RetentionRules(bytes: 5 << 20, freeBytes: floor, segmentBytes: 400_000))
        var watch = SpaceWatch(floorBytes: floor, segmentBytes: 400_000)
        let neighbour = folder + "/0000-theirs.mkv"
        // Older than all of ours, and named as if it were one.
        let theirs = open(neighbour, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        defer { close(theirs) }

        var segment = 0
        var fragment = 0
        var file: CInt = -1
        defer { if file >= 0 { close(file) } }
        var whole: [String: Int] = [:]
        var removed = 0
        var resumed: [Int] = []
        var paused: [Int] = []

        func pause(_ second: Int, _ room: Room) {
            paused.append(second)
            watch.pause(.noSpace, space: room.space, nowNanoseconds: UInt64(second) * 1_000_000_000)
        }
        func count(_ room: Room) {
            removed += room.removed.count
            for name in room.removed { #expect(whole.removeValue(forKey: name) != nil, "\(name) was removed open") }
        }
        for second in 0..<1200 {
            let now = UInt64(second) * 1_000_000_000
            // The neighbour takes a part, then all that it can get, and then shrinks.
            switch second % 300 {
            case 100: _ = posix_fallocate(theirs, 0, 3 << 20)
            case 150..<200: while posix_fallocate(theirs, lseek(theirs, 0, SEEK_END), 4096) == 0 {}
            case 200: #expect(ftruncate(theirs, 4096) == 0)
            default: break
            }
            if case .paused = watch.state {
                let room = keeper.makeRoom(openBytes: fragment * Self.fragmentBytes)
                count(room)
                guard let next = watch.nextLookNanoseconds, next <= now else { continue }
                if watch.look(
                    DiskSpace.of(keeper.folderDescriptor), rulesHold: room.outcome == .holds, nowNanoseconds: now)
                {
                    resumed.append(second)
                }
                continue
            }
            let room = keeper.makeRoom(openBytes: (fragment + 1) * Self.fragmentBytes)
            count(room)
            if case .short = room.outcome {
                pause(second, room)
                continue
            }
            do {
                if file < 0 {
                    file = try FileDescriptor.open(
                        String(10_000 + segment), in: keeper.folderDescriptor, O_RDWR | O_CREAT | O_EXCL
                    ).take()
                    try keeper.begin(String(10_000 + segment))
                }
                try Self.write(Self.pattern(segment, fragment), to: file, at: fragment * Self.fragmentBytes)
            } catch {
                let errno = (error as? CamdError)?.errno ?? error as? Errno
                try #require(errno == .noSpace, "\(error)")
                switch keeper.diskFull(needed: Self.fragmentBytes) {
                case .retry(let room): count(room)
                case .pause(let room):
                    count(room)
                    pause(second, room)
                }
                continue
            }
            fragment += 1
            guard fragment == Self.fragments else { continue }
            close(file)
            file = -1
            try keeper.finish(String(10_000 + segment))
            whole[String(10_000 + segment)] = segment
            segment += 1
            fragment = 0
        }
        #expect((3...8).contains(paused.count), "paused at \(paused), resumed at \(resumed)")
        #expect(resumed.count == paused.count, "paused at \(paused), resumed at \(resumed)")
        #expect(segment > 50)
        #expect(removed > 30)
        #expect(keeper.status.removedSegments == removed)
        #expect(keeper.status.segments == whole.count)
        #expect(whole.count >= 3)
        // Each is what was written, to the byte.
        for (name, segment) in whole {
            let file = try InputFile(folder + "/" + name)
            #expect(try file.bytes(file.size) == (0..<Self.fragments).flatMap { Self.pattern(segment, $0) }, "\(name)")
        }
        var status = stat()
        #expect(stat(neighbour, &status) == 0 && status.st_size == 4096)
    }
}
