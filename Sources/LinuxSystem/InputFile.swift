import Glibc

/// A file that is read whole, opened without trust: what is no regular file is refused before anything waits for it.
public struct InputFile: ~Copyable {
    public let path: String
    /// Bytes, when it was opened.
    public let size: Int
    public let descriptor: FileDescriptor

    /// open(2), which does not wait for the other end of a pipe, and fstat(2).
    /// - Throws: `.noInput`, `.noPermission` or `.system`, with the path.
    public init(_ path: String) throws(CamdError) {
        try FileErrors.check(path)
        let descriptor: FileDescriptor
        do throws(CamdError) {
            descriptor = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        } catch {
            throw FileErrors.reading(path, call: "open", errno: error.errno ?? .inputOutput)
        }
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0 else {
            throw FileErrors.reading(path, call: "fstat", errno: .current)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CamdError(
                .noInput, subject: path, reason: "it is \(Self.word(status.st_mode)), not a file",
                remedy: "Give a file on a disk.")
        }
        self.path = path
        size = Int(status.st_size)
        self.descriptor = descriptor
    }

    /// Its bytes from the first on (pread(2)), `count` of them.
    /// - Throws: `.badData` where it ends before, `.inputOutput` where it cannot be read.
    public borrowing func bytes(_ count: Int) throws(CamdError) -> [UInt8] {
        let fd = descriptor.rawValue
        var failure: Errno?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = 0
            while filled < count {
                let got = retrying { pread(fd, buffer.baseAddress! + filled, count - filled, filled) }
                if got < 0 { failure = .current }
                if got <= 0 { break }
                filled += got
            }
        }
        if let failure { throw FileErrors.reading(path, call: "pread", errno: failure) }
        guard bytes.count == count else {
            throw CamdError(
                .badData, subject: path, call: "pread", reason: "it ends after \(bytes.count) of \(count) bytes",
                remedy: "Read it when nobody writes to it any more.")
        }
        return bytes
    }

    private static func word(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFDIR: "a folder"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        default: "a device"
        }
    }
}

extension FileErrors {
    /// A file that cannot be read.
    public static func reading(_ path: String, call: String, errno: Errno) -> CamdError {
        var reason: String?
        var kind: CamdError.Kind? = .noInput
        let remedy: String
        switch errno {
        case .noEntry:
            reason = "there is no such file"
            remedy = "Check its name."
        case .notDirectory:
            reason = "a part of \(folder(of: path)) is not a folder"
            remedy = "Check its name."
        case .accessDenied, .notPermitted:
            reason = "this user may not read it"
            kind = .noPermission
            remedy = "Give user \(geteuid()) the right to read it."
        case .noSuchDevice, .noDevice: remedy = "Give a file on a disk."
        case .inputOutput:
            kind = .inputOutput
            remedy = "Check the disk: the kernel's log (dmesg) tells more."
        default:
            kind = nil
            remedy = "Choose another file."
        }
        return CamdError(call: call, errno: errno, subject: path, reason: reason, remedy: remedy, kind: kind)
    }
}
