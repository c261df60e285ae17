import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import Recording

/// A recorder as far as its folder sees it: makes files, tells `Retention` of them, and writes so many bytes.
extension Retention {
    /// Makes a file and begins a segment of it. Its descriptor is the caller's.
    func make(_ name: String) throws -> CInt {
        let fd = openat(folderDescriptor, name)
        try #require(fd >= 0, "\(name): \(Errno.current)")
        do {
            try begin(name)
        } catch {
            close(fd)
            throw error
        }
        return fd
    }

    /// A whole segment. Its bytes are a hole, unless they are to take space.
    func record(_ name: String, _ size: Int, solid: Bool = false) throws {
        let fd = try make(name)
        defer { close(fd) }
        if solid { try write(fd, size) } else { try #require(ftruncate(fd, size) == 0) }
        try finish(name)
    }

    /// Calls `makeRoom` for as long as there is more to do.
    @discardableResult
    func makeAllRoom(openBytes: Int = 0) -> (outcome: Room.Outcome, removed: [String]) {
        var removed: [String] = []
        while true {
            let room = makeRoom(openBytes: openBytes)
            removed += room.removed
            if room.outcome != .unfinished { return (room.outcome, removed) }
        }
    }
}

/// A new file, for writing; or -1.
func openat(_ folder: CInt, _ name: String) -> CInt {
    guard let file = try? FileDescriptor.open(name, in: folder, O_RDWR | O_CREAT | O_TRUNC, mode: 0o640) else {
        return -1
    }
    return file.take()
}

/// Adds bytes to a file; throws the errno of a write that fails.
func write(_ fd: CInt, _ count: Int) throws {
    let bytes = [UInt8](repeating: 0x5a, count: min(count, 1 << 16))
    var done = 0
    while done < count {
        let result = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress!, min($0.count, count - done)) }
        guard result > 0 else { throw Errno.current }
        done += result
    }
}

/// A file with some bytes, by its path.
func put(_ path: String, _ count: Int = 100) throws {
    let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    try #require(fd >= 0, "\(path): \(Errno.current)")
    defer { close(fd) }
    try write(fd, count)
}

extension TemporaryFolder {
    /// Without the list of segments.
    var files: [String] { names.filter { !$0.hasPrefix(SegmentManifest.name) } }

    /// Bytes of its files, as ls(1) shows them.
    func bytes(_ names: [String]) -> Int {
        names.reduce(0) { sum, name in
            var status = stat()
            return lstat(path(name), &status) == 0 ? sum + Int(status.st_size) : sum
        }
    }
}

/// Numbers that are the same in each run.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

/// Clocks and a disk that a test sets.
final class World: Sendable {
    let realtime = Atomic<UInt64>(1_800_000_000_000_000_000)
    let monotonic = Atomic<UInt64>(1_000_000_000_000)
    /// What the disk has free; below 0 the real one is asked.
    let free = Atomic<Int>(-1)
    let looks = Atomic<Int>(0)
    /// The errno that unlinkat(2) fails with; 0: it does what it is asked.
    let refusal = Atomic<CInt>(0)

    func pass(seconds: Double) {
        realtime.wrappingAdd(UInt64(seconds * 1e9), ordering: .relaxed)
        monotonic.wrappingAdd(UInt64(seconds * 1e9), ordering: .relaxed)
    }

    var calls: RetentionCalls {
        var calls = RetentionCalls()
        calls.realtimeNanoseconds = { [self] in realtime.load(ordering: .relaxed) }
        calls.monotonicNanoseconds = { [self] in monotonic.load(ordering: .relaxed) }
        calls.space = { [self] fd in
            let free = free.load(ordering: .relaxed)
            return free < 0 ? DiskSpace.of(fd) : DiskSpace(freeBytes: free, totalBytes: 1 << 40)
        }
        calls.identify = { [self] folder, name in
            looks.wrappingAdd(1, ordering: .relaxed)
            return FileIdentity.of(name, in: folder)
        }
        calls.remove = { [self] folder, name in
            let refusal = refusal.load(ordering: .relaxed)
            guard refusal == 0 || name.hasPrefix(".") else {
                errno = refusal
                return -1
            }
            return unlinkat(folder, name, 0)
        }
        calls.sync = { _ in 0 }
        return calls
    }
}

extension Retention {
    convenience init(
        _ folder: TemporaryFolder, bytes: Int? = nil, freeBytes: Int? = nil, ageSeconds: Int? = nil, _ world: World,
        limits: RetentionLimits = RetentionLimits()
    ) throws(CamdError) {
        try self.init(
            folder: folder.path, rules: RetentionRules(bytes: bytes, freeBytes: freeBytes, ageSeconds: ageSeconds),
            limits: limits, calls: world.calls)
    }
}
