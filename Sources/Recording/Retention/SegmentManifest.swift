import Glibc
import LinuxSystem

/// The list of our segments, in the folder that they lie in: a line for each that was begun, another when it is finished,
/// in order, synced before anything relies on it. What is removed needs no line: it is not there any more. When more than
/// half of it is old, it is written anew beside and renamed over.
///
/// It is believed only as the file that we made: its first line has its own inode number, so that a copy of a folder,
/// whose files happen to have other segments' numbers, says nothing.
final class SegmentManifest {
    static let name = ".camd-segments"
    static let newName = ".camd-segments.new"
    private static let title = "camd-segments 1 "
    /// What is read at most: four times what 200,000 lines of a usual length take.
    static let mostBytes = 256 << 20

    /// What was read.
    struct Contents {
        /// In the order that they were begun; one for each name.
        var records: [SegmentRecord] = []
        /// Lines that were torn or damaged.
        var badLines = 0
        /// A list of another disk or a copied folder, which was set aside.
        var isForeign = false
    }

    private let folder: SegmentFolder
    private var descriptor: FileDescriptor?
    /// Where the next line goes: behind the last one that is whole and synced.
    private var end = 0
    /// How long it would be anew.
    private var leastEnd = 0

    private let slack: Int

    /// - Parameter slack: bytes that the list may have beyond twice what is wanted of it.
    init(_ folder: SegmentFolder, slack: Int) {
        self.folder = folder
        self.slack = slack
    }

    private var path: String { folder.path + "/" + Self.name }

    // MARK: - reading

    /// Whether there is a list to write to: none after `read` found nothing, or a foreign one.
    var isOpen: Bool { descriptor != nil }

    /// Reads the list that is there, and goes on in it. A file that we cannot have made is an error.
    func read() throws(CamdError) -> Contents {
        var contents = Contents()
        let file: FileDescriptor
        do throws(CamdError) {
            file = try FileDescriptor.open(
                Self.name, in: folder.fileDescriptor, O_RDWR | O_NONBLOCK | O_NOCTTY)
        } catch {
            switch error.errno {
            case .noEntry: return contents
            case Errno(ELOOP), .noSuchDevice, .isDirectory: throw notOurs("it is no file")
            case let errno: throw SegmentFolder.failing(path, call: "openat", errno ?? .inputOutput)
            }
        }
        guard let found = FileIdentity.of("", in: file.rawValue) else {
            throw SegmentFolder.failing(path, call: "statx", .current)
        }
        guard found.isRegular else { throw notOurs("it is no file") }
        // Who may write the list says which files are removed.
        guard found.owner == geteuid() else { throw notOurs("it belongs to user \(found.owner)") }
        guard found.mode & 0o022 == 0 else { throw notOurs("others may write it") }
        guard found.size <= Self.mostBytes else { throw notOurs("it has \(found.size) bytes") }
        if found.size == 0 { return contents }

        var places: [String: Int] = [:]
        var lines = 0
        var isTitled = false
        try forEachLine(of: file.rawValue, size: found.size) { line in
            lines += 1
            if lines == 1 {
                let words = line.split(separator: UInt8(ascii: " "))
                isTitled = line.starts(with: Self.title.utf8)
                contents.isForeign =
                    words.count != 3
                    || UInt64(String(decoding: words[2], as: UTF8.self)) != found.inode
                        && !folder.inodesChange
                return isTitled && !contents.isForeign
            }
            guard let record = SegmentRecord(line: line) else {
                contents.badLines += 1
                return true
            }
            if record.isFinished, let place = places[record.name] {
                contents.records[place] = record
            } else {
                // The same name anew is another file.
                if let place = places[record.name] { contents.records[place].name = "" }
                places[record.name] = contents.records.count
                contents.records.append(record)
            }
            return true
        }
        guard isTitled else { throw notOurs("its first line is not ours") }
        if contents.isForeign { return Contents(isForeign: true) }
        contents.records.removeAll { $0.name.isEmpty }
        folder.fileDevice = found.device
        descriptor = consume file
        return contents
    }

    /// What of it is still wanted: `isWorthRewriting` measures by that.
    func keep(_ records: some Sequence<SegmentRecord>) {
        leastEnd = records.reduce(0) { $0 + $1.line.utf8.count }
    }

    /// Calls `body` for each line, without its end; the last one may have none. `body` returns whether to go on.
    private func forEachLine(
        of fd: CInt, size: Int, _ body: (ArraySlice<UInt8>) -> Bool
    ) throws(CamdError) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var held = 0
        var position = 0
        while true {
            let got = buffer.withUnsafeMutableBytes { bytes in
                retrying { pread(fd, bytes.baseAddress! + held, bytes.count - held, position) }
            }
            guard got >= 0 else { throw SegmentFolder.failing(path, call: "pread", .current) }
            position += got
            held += got
            var begin = 0
            while let stop = buffer[begin..<held].firstIndex(of: UInt8(ascii: "\n")) {
                guard body(buffer[begin..<stop]) else { return }
                begin = stop + 1
                // A torn last line is written over.
                end = position - held + begin
            }
            if got == 0 || position > Self.mostBytes {
                if begin < held { _ = body(buffer[begin..<held]) }
                return
            }
            // No line of ours is so long: what has no end yet is given as it is, and is no good.
            if held - begin > SegmentRecord.mostLineBytes {
                guard body(buffer[begin..<held]) else { return }
                begin = held
            }
            buffer.replaceSubrange(0..<(held - begin), with: Array(buffer[begin..<held]))
            held -= begin
        }
    }

    private func notOurs(_ reason: String) -> CamdError {
        CamdError(
            .configuration, subject: path, reason: "\(reason), and so it is not the list of segments that camd keeps",
            remedy: "Move it away. No file that was recorded before is then removed to make room.")
    }

    // MARK: - writing

    /// Whether most of it is of segments that are gone.
    var isWorthRewriting: Bool { end > 2 * leastEnd + slack }

    /// Adds a line and brings it to the disk (pwrite(2), fsync(2)).
    func append(_ record: SegmentRecord) throws(CamdError) {
        guard let fd = descriptor?.rawValue else {
            throw SegmentFolder.failing(path, call: "pwrite", Errno(EBADF))
        }
        let text = Array(record.line.utf8)
        do throws(CamdError) {
            try write(text, to: fd, at: end)
            guard folder.calls.sync(fd) == 0 else { throw SegmentFolder.failing(path, call: "fsync", .current) }
        } catch {
            // The next line is written over what is there of this one; what may be left of it then is no line.
            _ = folder.calls.truncate(fd, end)
            throw error
        }
        end += text.count
    }

    /// Writes it anew with these lines, beside, and puts it in place (renameat(2)): at each moment the old one or the new
    /// one is there, whole. When it fails the old one stays, and goes on to be written to.
    func rewrite(_ records: some Sequence<SegmentRecord>) throws(CamdError) {
        let calls = folder.calls
        let new = folder.path + "/" + Self.newName
        // Left by a crash. What is not ours to remove makes the next call fail.
        _ = folder.remove(Self.newName)
        let file: FileDescriptor
        do throws(CamdError) {
            file = try FileDescriptor.open(Self.newName, in: folder.fileDescriptor, O_RDWR | O_CREAT | O_EXCL)
        } catch {
            throw SegmentFolder.failing(new, call: "openat", error.errno ?? .inputOutput)
        }
        var size = 0
        do throws(CamdError) {
            guard let found = FileIdentity.of("", in: file.rawValue) else {
                throw SegmentFolder.failing(new, call: "statx", .current)
            }
            var text = Array("\(Self.title)\(found.inode)\n".utf8)
            for record in records {
                text += Array(record.line.utf8)
                if text.count >= 64 << 10 {
                    try write(text, to: file.rawValue, at: size)
                    size += text.count
                    text.removeAll(keepingCapacity: true)
                }
            }
            try write(text, to: file.rawValue, at: size)
            size += text.count
            guard calls.sync(file.rawValue) == 0 else { throw SegmentFolder.failing(new, call: "fsync", .current) }
            guard calls.rename(folder.fileDescriptor, Self.newName, Self.name) == 0 else {
                throw SegmentFolder.failing(path, call: "renameat", .current)
            }
        } catch {
            _ = folder.remove(Self.newName)
            throw error
        }
        folder.fileDevice = FileIdentity.of("", in: file.rawValue)?.device
        descriptor = consume file
        end = size
        leastEnd = size
        // So that no later line is written to a list that a power cut takes back.
        guard calls.sync(folder.fileDescriptor) == 0 else {
            throw SegmentFolder.failing(folder.path, call: "fsync", .current)
        }
    }

    private func write(_ bytes: [UInt8], to fd: CInt, at offset: Int) throws(CamdError) {
        var done = 0
        while done < bytes.count {
            let result = bytes.withUnsafeBytes { buffer in
                retrying { folder.calls.write(fd, buffer.baseAddress! + done, buffer.count - done, offset + done) }
            }
            guard result > 0 else {
                throw SegmentFolder.failing(path, call: "pwrite", result == 0 ? .inputOutput : .current)
            }
            done += result
        }
    }
}
