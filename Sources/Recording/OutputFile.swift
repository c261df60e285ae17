import CFFmpeg
import Glibc
import LinuxSystem
import Synchronization

/// The file that a muxer writes into. It remembers its first error, because libavformat passes on a number only and
/// calls again. For one thread at a time, but for `length`.
final class OutputFile: @unchecked Sendable {
    /// The calls that a test puts its own in place of.
    struct Calls: Sendable {
        /// pwrite(2).
        var write: @Sendable (CInt, UnsafeRawPointer, Int, Int) -> Int = { Glibc.pwrite($0, $1, $2, $3) }
        /// fdatasync(2).
        var sync: @Sendable (CInt) -> CInt = { Glibc.fdatasync($0) }
        /// fsync(2) of a folder.
        var syncFolder: @Sendable (CInt) -> CInt = { Glibc.fsync($0) }
    }

    let path: String
    private let calls: Calls
    private var descriptor: FileDescriptor?
    private var position = 0
    private let end = Atomic<Int>(0)
    /// Whether the file was not there before.
    private let isNew: Bool
    /// Regular files only can be cut and locked.
    private let isRegular: Bool
    private(set) var failure: CamdError?
    /// Whether its name lasts: the folder has been synced since it was made.
    private var isNameSynced = false
    private var isMarked = false

    /// What a file has as long as it is not finished, so that a later start knows it for ours. See `Leftovers`.
    static let mark = FileMark("user.camd.unfinished")

    /// Makes the file, or empties one that is there (open(2), flock(2), ftruncate(2)). A file that another recording
    /// writes to is let be.
    /// - Parameter mayReplace: else a file that is there is an error, EEXIST.
    init(_ path: String, calls: Calls = Calls(), mayReplace: Bool = true) throws(CamdError) {
        try FileErrors.check(path)
        self.path = path
        self.calls = calls
        // O_NONBLOCK, so that a pipe in the file's place is an error and no endless wait.
        let flags = O_WRONLY | O_NONBLOCK | O_CREAT
        var isNew = true
        let descriptor: FileDescriptor
        do throws(CamdError) {
            descriptor = try FileDescriptor.open(path, flags | O_EXCL, mode: 0o640)
        } catch {
            guard error.errno == .exists, mayReplace else { throw Self.creating(path, error) }
            isNew = false
            do throws(CamdError) {
                descriptor = try FileDescriptor.open(path, flags, mode: 0o640)
            } catch {
                throw Self.creating(path, error)
            }
        }
        self.isNew = isNew
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0 else {
            throw FileErrors.creating(path, call: "fstat", errno: .current)
        }
        let type = status.st_mode & S_IFMT
        isRegular = type == S_IFREG
        guard type == S_IFREG || type == S_IFCHR else {
            throw CamdError(
                .cannotCreate, subject: path, reason: "a pipe or a device of this name is there",
                remedy: "Choose another file.")
        }
        if isRegular {
            // File systems with no locks are let pass.
            if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
                throw CamdError(
                    call: "flock", errno: .current, subject: path, reason: "another recording writes to this file",
                    remedy: "Choose another name, or stop that one.", kind: .temporary)
            }
            guard ftruncate(descriptor.rawValue, 0) == 0 else {
                throw FileErrors.creating(path, call: "ftruncate", errno: .current)
            }
            isMarked = Self.mark.put(on: descriptor.rawValue)
        }
        self.descriptor = consume descriptor
    }

    /// Bytes of the file. From any thread.
    var length: Int { end.load(ordering: .relaxed) }

    /// Writes all at the current position; returns what libavformat expects: the count, or an error below 0.
    func write(_ bytes: UnsafeRawPointer, _ count: Int) -> CInt {
        guard failure == nil, let fd = descriptor?.rawValue else {
            return cffmpeg_error(failure?.errno?.rawValue ?? EIO)
        }
        var done = 0
        while done < count {
            let result = calls.write(fd, bytes + done, count - done, position)
            if result < 0, errno == EINTR { continue }
            guard result > 0 else {
                return fail("pwrite", result == 0 ? .inputOutput : .current)
            }
            done += result
            position += result
        }
        end.store(max(length, position), ordering: .relaxed)
        return CInt(count)
    }

    /// Sets the position; returns it, or an error below 0. No system call: the position goes with each write.
    func seek(_ offset: Int, _ whence: CInt) -> Int {
        switch whence & ~AVSEEK_FORCE {
        case AVSEEK_SIZE: return length
        case SEEK_SET: position = offset
        case SEEK_CUR: position += offset
        case SEEK_END: position = length + offset
        default: return Int(cffmpeg_error(EINVAL))
        }
        return position
    }

    /// Cuts it to its first bytes (ftruncate(2)): what lies behind is a part of something.
    func cut(to length: Int) {
        guard isRegular, let fd = descriptor?.rawValue, ftruncate(fd, length) == 0 else { return }
        position = length
        end.store(length, ordering: .relaxed)
    }

    /// Brings to the disk what was written (fdatasync(2)), and with a new file its name (fsync(2) of the folder).
    /// False, with `failure` set, where that cannot be.
    func sync() -> Bool {
        guard failure == nil, isRegular, let fd = descriptor?.rawValue else { return failure == nil }
        guard retrying({ Int(calls.sync(fd)) }) == 0 else {
            _ = fail("fdatasync", .current)
            return false
        }
        guard isNew, !isNameSynced else { return true }
        // A folder that may not be read cannot be synced; nor can some file systems, which say EINVAL.
        if let folder = try? FileDescriptor.open(FileErrors.folder(of: path), O_RDONLY | O_DIRECTORY),
            retrying({ Int(calls.syncFolder(folder.rawValue)) }) != 0, errno != EINVAL
        {
            _ = fail("fsync", .current)
            return false
        }
        isNameSynced = true
        return true
    }

    /// Brings it to the disk and closes it (close(2)); also tells an earlier error.
    /// - Parameter isWhole: it needs no finishing by a later start.
    func close(isWhole: Bool) throws(CamdError) {
        guard descriptor != nil else { return }
        // First the contents, then what says that they are whole.
        if failure == nil, sync(), isWhole, isMarked, let fd = descriptor?.rawValue { Self.mark.remove(from: fd) }
        guard let descriptor = descriptor.take() else { return }
        // Some file systems (NFS) tell only now that there was no space.
        if Glibc.close(descriptor.take()) != 0, failure == nil, errno != EINTR { _ = fail("close", .current) }
        if let failure { throw failure }
    }

    /// Removes the file, if it was not there before (unlink(2)): a recording that did not begin leaves none.
    func discard() {
        if isNew { unlink(path) }
        descriptor = nil
    }

    private func fail(_ call: String, _ errno: Errno) -> CInt {
        failure = FileErrors.writing(path, call: call, errno: errno)
        return cffmpeg_error(errno.rawValue)
    }

    private static func creating(_ path: String, _ error: CamdError) -> CamdError {
        // ENXIO: a pipe that nobody reads, or a device that is not there.
        if error.errno == .noSuchDevice {
            return CamdError(
                .cannotCreate, subject: path, reason: "a pipe or a device of this name is there",
                remedy: "Choose another file.")
        }
        return FileErrors.creating(path, call: "open", errno: error.errno ?? .inputOutput)
    }
}
