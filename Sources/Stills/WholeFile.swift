import Glibc
import LinuxSystem

/// Files that appear whole or not at all.
public enum WholeFile {
    /// Writes a file: under a hidden name in the same folder (open(2) O_EXCL), synced (fsync(2)), then renamed
    /// (rename(2)), then the folder synced. Whoever opens `path` sees the old file or the new one, also after a power
    /// cut. A file that is there is replaced.
    /// - Throws: `.cannotCreate` or `.inputOutput`; nothing of it is left behind.
    public static func write(_ path: String, mode: mode_t = 0o640, _ bytes: RawSpan) throws(CamdError) {
        try write(path, mode: mode, bytes) { Glibc.write($0, $1, $2) }
    }

    /// With a test's write(2).
    static func write(
        _ path: String, mode: mode_t, _ bytes: RawSpan, with call: (CInt, UnsafeRawPointer, Int) -> Int
    ) throws(CamdError) {
        try write(path, mode: mode) { (descriptor) throws(CamdError) in
            try writeAll(descriptor.rawValue, bytes, path, call)
        }
    }

    /// The same, with all that `body` writes to the new file. Nothing is left behind when it throws.
    static func write(
        _ path: String, mode: mode_t = 0o640, _ body: (borrowing FileDescriptor) throws(CamdError) -> Void
    ) throws(CamdError) {
        try FileErrors.check(path)
        let folder = FileErrors.folder(of: path)
        var temporary = ""
        let descriptor = try makeTemporary(in: folder, mode, path, &temporary)
        var isDone = false
        defer { if !isDone { unlink(temporary) } }
        try body(descriptor)
        guard fsync(descriptor.rawValue) == 0 else {
            throw FileErrors.writing(path, call: "fsync", errno: .current)
        }
        // Some file systems (NFS) tell only now that there was no space.
        guard Glibc.close(descriptor.take()) == 0 || errno == EINTR else {
            throw FileErrors.writing(path, call: "close", errno: .current)
        }
        guard rename(temporary, path) == 0 else {
            throw FileErrors.creating(path, call: "rename", errno: .current)
        }
        isDone = true
        try syncFolder(folder, path)
    }

    /// A new file with a hidden name that nobody has, which `name` is set to.
    private static func makeTemporary(
        in folder: String, _ mode: mode_t, _ path: String, _ name: inout String
    ) throws(CamdError) -> FileDescriptor {
        // A random number collides once in 2^64 tries; a few more tries cost nothing.
        for _ in 0..<8 {
            name = "\(folder)/.camd-\(getpid())-\(String(UInt64.random(in: .min ... .max), radix: 36))"
            do throws(CamdError) {
                return try FileDescriptor.open(name, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
            } catch {
                guard error.errno == .exists else {
                    throw FileErrors.creating(path, call: "open", errno: error.errno ?? .inputOutput)
                }
            }
        }
        throw FileErrors.creating(path, call: "open", errno: .exists)
    }

    /// Writes on until all is written; `path` is for the error.
    static func writeAll(
        _ fd: CInt, _ bytes: RawSpan, _ path: String,
        _ call: (CInt, UnsafeRawPointer, Int) -> Int = { Glibc.write($0, $1, $2) }
    ) throws(CamdError) {
        try bytes.withUnsafeBytes { (buffer) throws(CamdError) in
            guard let base = buffer.baseAddress else { return }
            var done = 0
            while done < buffer.count {
                let count = call(fd, base + done, buffer.count - done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    throw FileErrors.writing(path, call: "write", errno: count == 0 ? .inputOutput : .current)
                }
                done += count
            }
        }
    }

    /// Makes the new name last (fsync(2) of the folder). Some file systems cannot, which is no error.
    private static func syncFolder(_ folder: String, _ path: String) throws(CamdError) {
        guard let descriptor = try? FileDescriptor.open(folder, O_RDONLY | O_DIRECTORY) else { return }
        guard fsync(descriptor.rawValue) != 0, errno != EINVAL else { return }
        throw FileErrors.writing(path, call: "fsync", errno: .current)
    }
}
