import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import Recording

/// A machine whose power goes at one call: half of a write is done, and nothing after it.
private final class Fuse: Sendable {
    private let left: Atomic<Int>
    let world = World()

    init(_ calls: Int) { left = Atomic(calls) }

    var isBlown: Bool { left.load(ordering: .relaxed) < 0 }

    /// Whether the call is still done: fully, in half, or not.
    private func burn() -> Int { left.wrappingSubtract(1, ordering: .relaxed).newValue }

    var calls: RetentionCalls {
        var calls = world.calls
        let remove = calls.remove
        let failed: @Sendable () -> CInt = {
            errno = EIO
            return -1
        }
        calls.remove = { [self] in burn() >= 0 ? remove($0, $1) : failed() }
        calls.rename = { [self] in burn() >= 0 ? renameat($0, $1, $0, $2) : failed() }
        calls.truncate = { [self] in burn() >= 0 ? ftruncate($0, $1) : failed() }
        calls.sync = { [self] _ in burn() >= 0 ? 0 : failed() }
        calls.write = { [self] fd, bytes, count, offset in
            let left = burn()
            if left > 0 { return pwrite(fd, bytes, count, offset) }
            if left == 0 { return pwrite(fd, bytes, count / 2, offset) }
            return Int(failed())
        }
        return calls
    }
}

private let child = "CAMD_RETENTION_CHILD"

@Suite("Retention that is interrupted")
struct RetentionCrashTests {
    private static let limits: RetentionLimits = {
        var limits = RetentionLimits()
        limits.manifestSlack = 200
        return limits
    }()

    /// Records twelve segments within a quota of five. Returns those that were told begun and finished.
    private func work(_ folder: TemporaryFolder, _ fuse: Fuse) -> (begun: [String], finished: [String]) {
        var begun: [String] = []
        var finished: [String] = []
        do {
            let keeper = try Retention(
                folder: folder.path, rules: RetentionRules(bytes: 500), limits: Self.limits, calls: fuse.calls)
            for index in 0..<12 {
                _ = keeper.makeRoom(openBytes: 100)
                let fd = openat(keeper.folderDescriptor, "\(index)")
                defer { close(fd) }
                try keeper.begin("\(index)")
                if !fuse.isBlown { begun.append("\(index)") }
                _ = ftruncate(fd, 100)
                try keeper.finish("\(index)")
                if !fuse.isBlown { finished.append("\(index)") }
            }
        } catch {}
        return (begun, finished)
    }

    @Test("at any call leaves a list that knows all segments that are there, and nothing else touched")
    func anyCall() throws {
        var calls = 0
        while true {
            let folder = try TemporaryFolder()
            try put(folder.path("decoy"))
            let fuse = Fuse(calls)
            let (begun, finished) = work(folder, fuse)
            let there = folder.files.filter { $0 != "decoy" }
            // In order: what is there of the finished ones are the last of them.
            let kept = finished.filter { there.contains($0) }
            #expect(kept == finished.suffix(kept.count), "at call \(calls)")

            let keeper = try Retention(folder, bytes: 500, World(), limits: Self.limits)
            let known = keeper.entries.filter { !$0.isGone }.map(\.record.name)
            // One may have been made and not yet been begun.
            #expect(Set(known).isSuperset(of: begun.filter { there.contains($0) }), "at call \(calls)")
            #expect(keeper.leftovers.count <= 1, "at call \(calls)")
            #expect(Set(there).isSuperset(of: known), "at call \(calls)")
            #expect(there.count - known.count <= 1, "at call \(calls)")
            #expect(known == known.sorted { Int($0)! < Int($1)! }, "at call \(calls)")
            // It goes on.
            try keeper.record("later", 100)
            #expect(keeper.makeAllRoom(openBytes: 500).outcome == .holds)
            #expect(folder.files.filter { known.contains($0) } == [])
            #expect(folder.files.contains("decoy"))
            if !fuse.isBlown { break }
            calls += 1
        }
        #expect(calls > 80)
    }

    @Test("by SIGKILL leaves a list that knows all segments that are there, again and again")
    func killed() throws {
        let folder = try TemporaryFolder()
        try put(folder.path("decoy"))
        do {
            let keeper = try Retention(folder, World(), limits: Self.limits)
            for index in 0..<9 { try keeper.record("\(index)", 100) }
        }
        var random = Seeded(1)
        var runs = 0
        for _ in 0..<6 {
            let process = try Child(folder.path)
            let deadline = Deadline(afterMilliseconds: 20_000)
            let before = folder.files.last { $0 != "decoy" } ?? ""
            while folder.files.last(where: { $0 != "decoy" }) ?? "" == before, !deadline.hasPassed { usleep(1000) }
            if !deadline.hasPassed { runs += 1 }
            usleep(UInt32.random(in: 0...20_000, using: &random))
            process.kill()

            let keeper = try Retention(folder, bytes: 1000, World(), limits: Self.limits)
            let known = keeper.entries.filter { !$0.isGone }.map(\.record.name)
            let there = folder.files.filter { $0 != "decoy" }
            #expect(Set(there).isSuperset(of: known))
            // One file that was made, and not yet begun, for each kill so far.
            let orphans = Set(there).subtracting(known)
            for name in orphans {
                #expect(folder.bytes([name]) == 0)
                unlink(folder.path(name))
            }
            #expect(orphans.count <= 1)
            #expect(keeper.status.notice == nil)
            #expect(known.count >= 8)
            #expect(known == known.sorted())
            #expect(keeper.makeAllRoom().outcome == .holds)
        }
        #expect(runs == 6)
        #expect(folder.bytes(["decoy"]) == 100)
    }

    /// The child: records until it is killed, ten segments at most at once.
    @Test("(the program that is killed)", .enabled(if: getenv(child) != nil))
    func recordUntilKilled() throws {
        let folder = String(cString: try #require(getenv(child)))
        let keeper = try Retention(
            folder: folder, rules: RetentionRules(bytes: 1000), limits: Self.limits, calls: RetentionCalls())
        while getppid() != 1 {
            // Names that sort as they are begun.
            try keeper.record("\(Clock.realtimeNanoseconds())", 100)
            #expect(keeper.makeAllRoom(openBytes: 100).outcome == .holds)
        }
    }
}

/// This test program once more, with the one test that is to be killed.
private final class Child {
    private var id: pid_t?

    init(_ folder: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for fd in 0...2 as ClosedRange<CInt> {
            posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0)
        }
        let program = "/proc/self/exe"
        let arguments = [
            program, "--testing-library", "swift-testing", "--filter", "RetentionCrashTests/recordUntilKilled",
        ]
        let words = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = [strdup("\(child)=\(folder)")]
        var entry = environ
        while let variable = entry.pointee {
            variables.append(strdup(variable))
            entry += 1
        }
        variables.append(nil)
        defer { for word in words + variables { free(word) } }
        var id = pid_t()
        let result = posix_spawn(&id, program, &actions, nil, words, variables)
        try #require(result == 0, "\(Errno(result))")
        self.id = id
    }

    func kill() {
        guard let id = id.take() else { return }
        Glibc.kill(id, SIGKILL)
        waitpid(id, nil, 0)
    }

    deinit { kill() }
}
