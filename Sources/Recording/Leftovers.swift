import Glibc
import LinuxSystem

/// Files that a recording left behind that was killed: they play as they are, and get here what their end would have
/// given them. A file is ours when it has the mark that a recording gives it, and when nobody has it locked, as a
/// recording that runs does. No other one is opened for writing.
///
/// It is done in place, in an order in which a cut at any moment leaves a file that plays and can be finished by the
/// next start.
public enum Leftovers {
    /// What came of one file.
    public struct Outcome: Sendable {
        public var path: String
        /// Nil: it is finished.
        public var failure: CamdError?
    }

    /// Finishes those in a folder. Reads a few bytes of each second of video; may take as long as a disk takes for that.
    @discardableResult
    public static func finish(in folder: String) -> [Outcome] {
        var outcomes: [Outcome] = []
        for name in Directory.names(in: folder).sorted() {
            guard let container = try? Container(path: name) else { continue }
            let path = folder == "/" ? "/" + name : "\(folder)/\(name)"
            do throws(CamdError) {
                if try finish(path, container) { outcomes.append(Outcome(path: path)) }
            } catch {
                outcomes.append(Outcome(path: path, failure: error))
            }
        }
        return outcomes
    }

    /// False where there is nothing to do.
    private static func finish(_ path: String, _ container: Container) throws(CamdError) -> Bool {
        // Read-only first: a file of somebody else's, or one that cannot be written, is nothing to tell of. O_NONBLOCK: a
        // pipe would wait.
        let flags = O_NONBLOCK | O_NOFOLLOW | O_NOCTTY
        guard let looked = try? FileDescriptor.open(path, O_RDONLY | flags), isLeftover(looked.rawValue) else {
            return false
        }
        let descriptor: FileDescriptor
        do throws(CamdError) {
            descriptor = try FileDescriptor.open(path, O_RDWR | flags)
        } catch {
            throw FileErrors.writing(path, call: "open", errno: error.errno ?? .inputOutput)
        }
        // Of the file that was just opened, should the name belong to another one by now.
        guard isLeftover(descriptor.rawValue) else { return false }
        guard flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else { return false }
        let file = PatchedFile(path: path, descriptor: consume descriptor)
        // It may have been finished between our look at the mark and the lock.
        guard OutputFile.mark.isOn(file.descriptor.rawValue) else { return false }
        switch container {
        case .matroska: try MatroskaEnd.write(file)
        case .mp4: try file.cut(to: try MP4End.end(file))
        case .mpegTS: try file.cut(to: try TransportStreamEnd.end(file))
        }
        try file.sync()
        OutputFile.mark.remove(from: file.descriptor.rawValue)
        return true
    }

    private static func isLeftover(_ fd: CInt) -> Bool {
        var status = stat()
        return fstat(fd, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && OutputFile.mark.isOn(fd)
    }
}

/// A file that is read and written here and there; every failure is told with its path.
struct PatchedFile: ~Copyable {
    let path: String
    let descriptor: FileDescriptor

    /// Bytes (fstat(2)).
    var length: Int {
        get throws(CamdError) {
            var status = stat()
            guard fstat(descriptor.rawValue, &status) == 0 else {
                throw FileErrors.writing(path, call: "fstat", errno: .current)
            }
            return Int(status.st_size)
        }
    }

    /// Up to `count` bytes at a place (pread(2)); fewer at the end.
    func read(at offset: Int, _ count: Int) throws(CamdError) -> [UInt8] {
        var failure: Errno?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count {
                let got = retrying {
                    pread(descriptor.rawValue, buffer.baseAddress! + done, count - done, offset + done)
                }
                if got < 0 { failure = .current }
                if got <= 0 { break }
                done += got
            }
        }
        if let failure { throw FileErrors.writing(path, call: "pread", errno: failure) }
        return bytes
    }

    /// pwrite(2) until all is written.
    func write(_ bytes: [UInt8], at offset: Int) throws(CamdError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                retrying { pwrite(descriptor.rawValue, buffer.baseAddress! + done, bytes.count - done, offset + done) }
            }
            guard count > 0 else {
                throw FileErrors.writing(path, call: "pwrite", errno: count == 0 ? .inputOutput : .current)
            }
            done += count
        }
    }

    /// ftruncate(2), where it is longer.
    func cut(to length: Int) throws(CamdError) {
        guard try self.length > length else { return }
        guard ftruncate(descriptor.rawValue, length) == 0 else {
            throw FileErrors.writing(path, call: "ftruncate", errno: .current)
        }
    }

    /// fdatasync(2).
    func sync() throws(CamdError) {
        guard retrying({ fdatasync(descriptor.rawValue) }) == 0 else {
            throw FileErrors.writing(path, call: "fdatasync", errno: .current)
        }
    }
}

/// Where an MP4 file in fragments ends that was cut off.
enum MP4End {
    /// The end of its last whole fragment, or of its header; all of it where it is none of ours.
    static func end(_ file: borrowing PatchedFile) throws(CamdError) -> Int {
        let length = try file.length
        var (place, end, isInFragment) = (0, 0, false)
        while place + 8 <= length {
            let head = try file.read(at: place, 16)
            guard head.count >= 8 else { break }
            var size = Int(bigEndian(head[0..<4]))
            if size == 1, head.count == 16 { size = Int(clamping: bigEndian(head[8..<16])) }
            guard size >= 8, size <= length - place else { break }
            place += size
            switch String(decoding: head[4..<8], as: UTF8.self) {
            case "moof": isInFragment = true
            case "mdat" where isInFragment: (end, isInFragment) = (place, false)
            default: if !isInFragment { end = place }
            }
        }
        return end == 0 ? length : end
    }
}

/// Where an MPEG-TS file ends that was cut off.
enum TransportStreamEnd {
    private static let packet = 188
    /// A picture larger than this is not looked for.
    private static let most = 16 << 20

    /// Before the last picture: nothing tells whether that is whole. All of it where there is none.
    static func end(_ file: borrowing PatchedFile) throws(CamdError) -> Int {
        let whole = try file.length / packet * packet
        var place = whole
        while place >= packet * 2, whole - place < most {
            place -= packet
            let head = try file.read(at: place, packet)
            guard head.count == packet, head[0] == 0x47 else { return whole }
            // A unit starts here: behind the header of the packet, and what stands before its payload, is 00 00 01 E0.
            guard head[1] & 0x40 != 0, head[3] & 0x10 != 0 else { continue }
            let payload = head[3] & 0x20 != 0 ? 5 + Int(head[4]) : 4
            if payload + 4 <= packet, head[payload..<payload + 3].elementsEqual([0, 0, 1]),
                head[payload + 3] & 0xF0 == 0xE0
            {
                return place
            }
        }
        return whole
    }
}

/// The number that these bytes are, 8 at most.
func bigEndian(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
