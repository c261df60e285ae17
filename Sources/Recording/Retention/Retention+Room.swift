import Glibc
import LinuxSystem

extension Retention {
    /// What one call has done so far.
    private struct Work {
        var room = Room(outcome: .holds)
        /// Files that may still be touched.
        var budget: Int
        /// Where the search for the oldest goes on. Entries do not move during a call.
        var cursor: Int
        /// Bytes of the disk that are given free.
        var freed = 0
        let now: UInt64
    }

    /// Whether the sum of bytes holds for open segments of so many bytes together. No system call: for each fragment that is
    /// about to be written.
    public func fits(openBytes: Int) -> Bool {
        guard let most = rules.bytes else { return true }
        return openBytes <= most - bytes
    }

    /// Removes the oldest segments until all rules hold, never an open one, 64 at most in one call. For the start of a
    /// segment, and for each second or fragment of it.
    ///
    /// Unlinks are not synced: a segment that a power cut brings back is one of ours, still listed, and removed again.
    /// - Parameter openBytes: what the open segments have, or are expected to become.
    public func makeRoom(openBytes: Int = 0) -> Room {
        var work = start()
        defer { tell(removed: work.room.removed.count, removedBytes: work.room.removedBytes) }
        do throws(CamdError) {
            try folder.check()
            // All rules are looked at, whatever becomes of the first; the outcome is the first that is not well.
            for outcome in [
                try holdAge(&work), try holdBytes(max(0, openBytes), &work), try holdCount(&work),
                try holdFreeSpace(&work),
            ] where work.room.outcome == .holds { work.room.outcome = outcome }
        } catch {
            work.room.outcome = .failed(error)
        }
        return work.room
    }

    /// What can be done after a write failed with ENOSPC or EDQUOT: removes the oldest segments until what is needed was
    /// given free, whatever statvfs(2) says. With no rules nothing may be removed.
    /// - Parameter needed: bytes that are wanted.
    public func diskFull(needed: Int) -> DiskFullAnswer {
        var work = start()
        defer { tell(removed: work.room.removed.count, removedBytes: work.room.removedBytes) }
        do throws(CamdError) {
            try folder.check()
            if !rules.isEmpty {
                while work.room.removed.isEmpty || work.freed < needed, work.budget > 0, let place = oldest(&work) {
                    try remove(place, isForSpace: true, &work)
                }
            }
        } catch {
            work.room.outcome = .failed(error)
            return .pause(work.room)
        }
        work.room.space = folder.space()
        if !work.room.removed.isEmpty { return .retry(work.room) }
        // Only files that somebody else had removed or changed so far.
        work.room.outcome = work.budget == 0 ? .unfinished : .short(.freeSpace)
        return work.budget == 0 ? .retry(work.room) : .pause(work.room)
    }

    private func start() -> Work {
        pack()
        return Work(budget: limits.removals, cursor: head, now: folder.calls.monotonicNanoseconds())
    }

    // MARK: - rules

    private func holdAge(_ work: inout Work) throws(CamdError) -> Room.Outcome {
        guard let age = rules.ageSeconds else { return .holds }
        let now = folder.calls.realtimeNanoseconds()
        var outcome = Room.Outcome.holds
        // All of them, not the first only: clocks are set, and the order is that of recording.
        var place = head
        while place < entries.count {
            defer { place += 1 }
            guard !entries[place].isGone, entries[place].record.isOlder(than: age, now: now) else { continue }
            guard entries[place].stuckUntil <= work.now else {
                outcome = .short(.age)
                continue
            }
            guard work.budget > 0 else { return .unfinished }
            try remove(place, &work)
            if !entries[place].isGone { outcome = .short(.age) }
        }
        return outcome
    }

    private func holdBytes(_ openBytes: Int, _ work: inout Work) throws(CamdError) -> Room.Outcome {
        guard let most = rules.bytes, !fits(openBytes: openBytes) else { return .holds }
        // Nothing that is removed would help: the open segment has to be cut.
        guard openBytes <= most else { return .short(.bytes) }
        look()
        while !fits(openBytes: openBytes) {
            guard let place = oldest(&work) else { return .short(.bytes) }
            guard work.budget > 0 else { return .unfinished }
            try remove(place, &work)
        }
        return .holds
    }

    private func holdCount(_ work: inout Work) throws(CamdError) -> Room.Outcome {
        while entries.count - gone > limits.segments {
            if rules.isEmpty {
                forget(at: head)
                continue
            }
            guard let place = oldest(&work) else { return .holds }
            guard work.budget > 0 else { return .unfinished }
            try remove(place, &work)
        }
        return .holds
    }

    private func holdFreeSpace(_ work: inout Work) throws(CamdError) -> Room.Outcome {
        guard let floor = rules.freeBytes else { return .holds }
        let before = try space()
        work.room.space = before
        if work.now >= hoped.untilNanoseconds { hoped.bytes = 0 }
        // What was hoped for and has come.
        hoped.bytes = max(0, hoped.bytes - max(0, before.freeBytes - lastFreeBytes))
        lastFreeBytes = before.freeBytes
        guard before.freeBytes < floor else { return .holds }
        let missing = floor - before.freeBytes - hoped.bytes
        guard missing > 0 else { return .settling }

        var outcome = Room.Outcome.settling
        let freed = work.freed
        while work.freed - freed < missing {
            guard let place = oldest(&work) else {
                outcome = .short(.freeSpace)
                break
            }
            guard work.budget > 0 else {
                outcome = .unfinished
                break
            }
            try remove(place, isForSpace: true, &work)
        }
        // Some file systems give space free later (btrfs, XFS), and all do when a reader has the file open: what was
        // removed counts for a while as if it were free, else one lack would cost all segments.
        let after = try space()
        work.room.space = after
        lastFreeBytes = after.freeBytes
        let unseen = work.freed - freed - max(0, after.freeBytes - before.freeBytes)
        if unseen > 0 {
            hoped = (hoped.bytes + unseen, work.now + limits.settleNanoseconds)
        }
        if after.freeBytes >= floor { return .holds }
        if case .short = outcome, hoped.bytes > 0 { return .settling }
        // Somebody else took it meanwhile.
        return outcome == .settling && hoped.bytes == 0 ? .unfinished : outcome
    }

    private func space() throws(CamdError) -> DiskSpace {
        guard let space = folder.space() else {
            throw SegmentFolder.failing(folder.path, call: "fstatvfs", .current)
        }
        return space
    }

    // MARK: - files

    /// The oldest that can be tried.
    private func oldest(_ work: inout Work) -> Int? {
        work.cursor = max(work.cursor, head)
        while work.cursor < entries.count {
            let entry = entries[work.cursor]
            if !entry.isGone, entry.stuckUntil <= work.now { return work.cursor }
            work.cursor += 1
        }
        return nil
    }

    /// Looks at some files in turn, so that what somebody removed by hand does not count: else others would go for it.
    private func look() {
        let count = min(limits.looks, entries.count - head)
        for _ in 0..<count {
            if lookAt < head || lookAt >= entries.count { lookAt = head }
            guard lookAt < entries.count else { return }
            if !entries[lookAt].isGone { _ = isOurs(lookAt) }
            lookAt += 1
        }
    }

    /// The file of an entry, if it is still the one that we recorded; else the entry goes, unless nobody can tell.
    private func isOurs(_ place: Int) -> FileIdentity? {
        let record = entries[place].record
        guard let found = folder.identify(record.name) else {
            switch errno {
            case ENOENT: forget(at: place)
            case EXDEV:
                forget(at: place)
                tell(foreign: 1)
            default: break
            }
            return nil
        }
        guard record.isOurs(found, inodesChange: folder.inodesChange) else {
            forget(at: place)
            tell(foreign: 1)
            return nil
        }
        return found
    }

    /// Removes the file of an entry, if it is ours; else only the entry.
    /// - Parameter isForSpace: a file that has other names, too, is let be: to remove this one gives nothing free.
    private func remove(_ place: Int, isForSpace: Bool = false, _ work: inout Work) throws(CamdError) {
        work.budget -= 1
        let record = entries[place].record
        errno = 0
        guard let found = isOurs(place) else {
            if !entries[place].isGone { try refuse(place, "statx", .current, &work) }
            return
        }
        if isForSpace, found.links > 1 {
            entries[place].stuckUntil = work.now + limits.stuckNanoseconds
            return
        }
        if let error = folder.remove(record.name) {
            if error == .noEntry { return forget(at: place) }
            return try refuse(place, "unlinkat", error, &work)
        }
        forget(at: place)
        work.room.removed.append(record.name)
        work.room.removedBytes += record.size
        // Under its other names the file stays. Some file systems do not tell what they have allocated.
        if found.links == 1 { work.freed += found.allocated > 0 ? found.allocated : record.size }
    }

    /// One file can be let be for a while; a disk cannot.
    private func refuse(_ place: Int, _ call: String, _ error: Errno, _ work: inout Work) throws(CamdError) {
        let failure = SegmentFolder.failing("\(folder.path)/\(entries[place].record.name)", call: call, error)
        switch error {
        case .notPermitted, .accessDenied, .busy, Errno(ETXTBSY), Errno(ELOOP):
            entries[place].stuckUntil = work.now + limits.stuckNanoseconds
            if work.room.refusal == nil { work.room.refusal = failure }
        default: throw failure
        }
    }
}

extension SegmentRecord {
    /// A clock that was never set says less than this: 2020-01-01.
    private static let leastTime: UInt64 = 1_577_836_800_000_000_000

    /// Whether it began longer ago. Where it was begun before the clock was set, its end counts; where that was, too, it
    /// is never too old.
    func isOlder(than seconds: Int, now: UInt64) -> Bool {
        let begin = startNanoseconds >= Self.leastTime ? startNanoseconds : UInt64(max(0, modifiedNanoseconds))
        guard begin >= Self.leastTime, begin <= now else { return false }
        return (now - begin) / 1_000_000_000 >= UInt64(seconds)
    }
}
