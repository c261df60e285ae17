import Glibc
import LinuxSystem
import Synchronization

/// Keeps the segments of one folder within rules: removes the oldest of those that it was told of, in this run or an
/// earlier one, and nothing else. See docs/recording.md for what makes a file ours. For one thread at a time, but for
/// `status`; none of it is for the frame path: calls make system calls on the disk and wait for it.
public final class Retention: @unchecked Sendable {
    struct Entry {
        var record: SegmentRecord
        /// Removed, or not ours any more.
        var isGone = false
        /// CLOCK_MONOTONIC, until when it is let be after it could not be removed.
        var stuckUntil: UInt64 = 0
    }

    public let rules: RetentionRules
    /// Names of segments that an earlier run began and did not finish, oldest first: to be repaired, then told by `finish`
    /// or `replace`. They count, and are removed when their turn comes.
    public let leftovers: [String]

    let folder: SegmentFolder
    let manifest: SegmentManifest
    let limits: RetentionLimits
    /// In the order that they were begun; those before `head` are gone.
    var entries: [Entry] = []
    var head = 0
    var gone = 0
    /// By name, the place in `entries`.
    private var places: [String: Int] = [:]
    /// Those that are being written. Never removed.
    private(set) var open: [SegmentRecord] = []
    /// Of `entries`.
    var bytes = 0
    /// Where the next looks begin.
    var lookAt = 0
    /// Bytes that were removed and that the disk did not show as free, and until when they are hoped for.
    var hoped = (bytes: 0, untilNanoseconds: UInt64(0))
    /// What the disk had free when it was last looked at.
    var lastFreeBytes = Int.max
    private var recent: [Int] = []
    private let told = Mutex(RetentionStatus())

    /// Looks after a folder: opens and locks it, reads its list of segments, or makes one, and looks at each file in it
    /// (some microseconds a file).
    /// - Parameter folder: has to be there; the path goes into errors as it is.
    /// - Throws: what is wrong with the folder, with the list in it, or with a floor that is larger than the disk.
    public convenience init(folder: String, rules: RetentionRules) throws(CamdError) {
        try self.init(folder: folder, rules: rules, calls: RetentionCalls())
    }

    init(
        folder path: String, rules: RetentionRules, limits: RetentionLimits = RetentionLimits(), calls: RetentionCalls
    ) throws(CamdError) {
        self.rules = rules
        self.limits = limits
        folder = try SegmentFolder(path, calls: calls)
        if let floor = rules.freeBytes, let space = folder.space(), space.totalBytes > 0, floor >= space.totalBytes {
            throw CamdError(
                .configuration, subject: path,
                reason: "the disk has \(space.totalBytes) bytes in all, and \(floor) bytes are to be kept free",
                remedy: "Give a smaller number, or another disk.")
        }
        manifest = SegmentManifest(folder, slack: limits.manifestSlack)
        let contents = try manifest.read()
        var status = RetentionStatus()
        var leftovers: [String] = []
        for var record in contents.records {
            if let found = folder.identify(record.name) {
                guard record.isOurs(found, inodesChange: folder.inodesChange) else {
                    status.foreignSegments += 1
                    continue
                }
                if !record.isFinished { record.size = min(found.size, SegmentRecord.mostBytes) }
            } else if errno == EXDEV {
                status.foreignSegments += 1
                continue
            } else if errno == ENOENT {
                continue
            }
            // One that cannot be looked at may be there still.
            if !record.isFinished { leftovers.append(record.name) }
            places[record.name] = entries.count
            bytes += record.size
            entries.append(Entry(record: record))
        }
        self.leftovers = leftovers
        if contents.isForeign {
            status.notice = "the list of segments was another folder's or disk's: what is in it is not removed"
        } else if contents.badLines > 0 {
            status.notice =
                "\(contents.badLines) lines of the list of segments were damaged: their files are not removed"
        }
        manifest.keep(entries.lazy.map(\.record))
        if !manifest.isOpen { try manifest.rewrite([]) }
        told.withLock { $0 = status }
        shortenManifest()
        tell()
    }

    /// For openat(2) of new segments, so that they lie in the folder that is looked after. Stays owned by this value.
    public var folderDescriptor: CInt { folder.fileDescriptor }

    /// From any thread.
    public var status: RetentionStatus { told.withLock { $0 } }

    /// What the next segment will probably have: the largest of the last eight and a quarter more; nil before the first.
    public var expectedSegmentBytes: Int? { recent.max().map { $0 + $0 / 4 } }

    // MARK: - segments

    /// Remembers a segment whose file was just made, before anything is written to it. Call `makeRoom` before that.
    /// - Parameter name: of the file in the folder, with no slash.
    /// - Throws: what is wrong with the name or file; `noSpace` when the list does not take another line, and then the
    ///   segment will not be removed, unless it is begun again.
    public func begin(_ name: String) throws(CamdError) {
        pack()
        guard open.count < 8 else {
            throw CamdError(.software, subject: name, reason: "eight segments are open already")
        }
        let found = try identify(name)
        let record = SegmentRecord(open: name, found, startNanoseconds: folder.calls.realtimeNanoseconds())
        try manifest.append(record)
        // The file that was it is not there any more.
        forget(name)
        open.removeAll { $0.name == name }
        open.append(record)
        tell()
        shortenManifest()
    }

    /// Remembers that a segment is whole and closed, or that a leftover of an earlier run is repaired in place. Its file is
    /// synced first (fsync(2)): what is remembered of it has to be true after a power cut.
    /// - Throws: what is wrong with the file, which is not ours then and is not removed; `noSpace` and other errors of the
    ///   disk when it cannot be synced or the list takes no other line: it counts all the same, as a leftover after this
    ///   run.
    public func finish(_ name: String) throws(CamdError) {
        try settle(name) { record, found, inodesChange in record.isBegun(as: found, inodesChange: inodesChange) }
    }

    /// The same for one that was repaired by another file that was renamed over it.
    public func replace(_ name: String) throws(CamdError) {
        try settle(name) { record, found, _ in
            record.inode = found.inode
            record.bornNanoseconds = found.bornNanoseconds
            return true
        }
    }

    /// Forgets a segment that was begun and came to nothing, and whose file its owner has removed.
    public func abandon(_ name: String) {
        forget(name)
        open.removeAll { $0.name == name }
        tell()
    }

    private func settle(
        _ name: String, _ isSame: (inout SegmentRecord, FileIdentity, Bool) -> Bool
    ) throws(CamdError) {
        let openPlace = open.firstIndex { $0.name == name }
        guard var record = openPlace.map({ open[$0] }) ?? places[name].map({ entries[$0].record }) else {
            throw CamdError(.software, subject: name, reason: "no segment of this name was begun")
        }
        // Whatever comes of it, it is not open any more.
        if let openPlace { open.remove(at: openPlace) }
        defer { tell() }
        let file: FileDescriptor
        do throws(CamdError) {
            _ = try identify(name)
            file = try FileDescriptor.open(name, in: folder.fileDescriptor, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        } catch {
            forget(name)
            throw SegmentFolder.failing(
                "\(folder.path)/\(name)", call: error.call ?? "openat", error.errno ?? .inputOutput)
        }
        let synced: Errno? = folder.calls.sync(file.rawValue) == 0 ? nil : .current
        guard let found = FileIdentity.of("", in: file.rawValue), isSame(&record, found, folder.inodesChange) else {
            forget(name)
            told.withLock { $0.foreignSegments += 1 }
            throw CamdError(
                .inputOutput, subject: "\(folder.path)/\(name)", reason: "somebody put another file in its place",
                remedy: "Keep other programs from writing to names of segments.")
        }
        if synced == nil { record.finish(found) }
        record.size = min(found.size, SegmentRecord.mostBytes)
        if let place = places[name] {
            bytes += record.size - entries[place].record.size
            entries[place].record = record
        } else {
            places[name] = entries.count
            entries.append(Entry(record: record))
            bytes += record.size
            recent.append(record.size)
            if recent.count > 8 { recent.removeFirst() }
        }
        if let synced { throw SegmentFolder.failing("\(folder.path)/\(name)", call: "fsync", synced) }
        try manifest.append(record)
        shortenManifest()
    }

    private func identify(_ name: String) throws(CamdError) -> FileIdentity {
        guard SegmentRecord.isName(name) else {
            throw CamdError(
                .usage, subject: name, reason: "this is no name that a segment can have",
                remedy: "Give a name of at most 255 bytes with no slash in it, which does not begin with "
                    + "\(SegmentManifest.name).")
        }
        guard let found = folder.identify(name) else {
            throw SegmentFolder.failing("\(folder.path)/\(name)", call: "statx", .current)
        }
        guard found.isRegular else {
            throw CamdError(
                .cannotCreate, subject: "\(folder.path)/\(name)",
                reason: "it is a link, a folder or a device, and no file",
                remedy: "Choose another name.")
        }
        return found
    }

    // MARK: - the list

    func forget(_ name: String) { if let place = places[name] { forget(at: place) } }

    /// Takes an entry out of what counts.
    func forget(at place: Int) {
        guard !entries[place].isGone else { return }
        entries[place].isGone = true
        let record = entries[place].record
        bytes -= record.size
        gone += 1
        places[record.name] = nil
        while head < entries.count, entries[head].isGone { head += 1 }
        // Now and then, so that each removal costs the same, however many there are.
        guard gone > 1024, gone > entries.count / 2 else { return }
        isCrowded = true
    }

    /// Whether `entries` is to be packed when nobody counts in it.
    private var isCrowded = false

    func pack() {
        guard isCrowded else { return }
        isCrowded = false
        entries.removeAll { $0.isGone }
        head = 0
        gone = 0
        lookAt = 0
        places.removeAll(keepingCapacity: true)
        for (place, entry) in entries.enumerated() { places[entry.record.name] = place }
    }

    /// Writes the list anew when most of it is of segments that are gone. It can wait, should there be no space.
    func shortenManifest() {
        guard manifest.isWorthRewriting else { return }
        do throws(CamdError) {
            try manifest.rewrite(entries.lazy.filter { !$0.isGone }.map(\.record) + open)
        } catch {
            told.withLock { $0.notice = error.description }
        }
    }

    func tell(removed: Int = 0, removedBytes: Int = 0, foreign: Int = 0) {
        let (segments, bytes) = (entries.count - gone, bytes)
        told.withLock {
            $0.segments = segments
            $0.bytes = bytes
            $0.removedSegments += removed
            $0.removedBytes += removedBytes
            $0.foreignSegments += foreign
        }
    }
}
