import Glibc

/// What a file that cannot be made or written gets told: the path, why, and what to do.
public enum FileErrors {
    /// A file that could not be made.
    public static func creating(_ path: String, call: String, errno: Errno) -> CamdError {
        let folder = Self.folder(of: path)
        var reason: String?
        let remedy: String
        switch errno {
        case .noEntry:
            reason = "there is no folder \(folder)"
            remedy = "Make it first (mkdir -p), or choose another."
        case .notDirectory:
            reason = "a part of \(folder) is not a folder"
            remedy = "Choose another folder."
        case .isDirectory:
            reason = "a folder of this name is there"
            remedy = "Name a file in it."
        case .accessDenied, .notPermitted:
            reason = "this user may not write there"
            remedy = "Choose a folder that user \(geteuid()) may write to, or give it the right."
        case .readOnly:
            reason = "the file system is mounted read-only"
            remedy = "Choose another folder, or mount it read-write."
        case .noSpace, .quotaExceeded:
            remedy = "Free some space on the disk of \(folder), or choose another."
        case Errno(ENAMETOOLONG): remedy = "Choose a shorter name: 255 bytes at most."
        case Errno(ETXTBSY): remedy = "A program of this name runs: choose another name."
        default: remedy = "Choose another file."
        }
        return CamdError(call: call, errno: errno, subject: path, reason: reason, remedy: remedy, kind: .cannotCreate)
    }

    /// A file that was made and cannot be written on.
    public static func writing(_ path: String, call: String, errno: Errno) -> CamdError {
        let remedy =
            switch errno {
            case .noSpace, .quotaExceeded: "Free some space on the disk of \(folder(of: path))."
            case Errno(EFBIG): "Raise the limit for file sizes (ulimit -f), or write to another file system."
            case .readOnly: "The file system became read-only: look for disk errors in the kernel's log."
            case .inputOutput, .noDevice, .noSuchDevice: "Check the disk: the kernel's log (dmesg) tells more."
            default: "Check the disk of \(folder(of: path))."
            }
        return CamdError(call: call, errno: errno, subject: path, remedy: remedy, kind: .inputOutput)
    }

    /// The folder that a path's file lies in.
    public static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        let folder = String(path[..<slash])
        return folder.isEmpty ? "/" : folder
    }

    /// Refuses what no call could take.
    public static func check(_ path: String) throws(CamdError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw CamdError(
                .usage, subject: path.isEmpty ? "file" : path, reason: "this is not the name of a file",
                remedy: "Give a path with no NUL byte in it.")
        }
    }
}
