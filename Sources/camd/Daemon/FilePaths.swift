import Glibc
import LinuxSystem

/// Paths as other processes understand them.
enum FilePaths {
    /// The path with the current folder in front, unless it is absolute already; nothing in it is resolved.
    static func absolute(_ path: String) throws(CamdError) -> String {
        if path.hasPrefix("/") { return path }
        guard let folder = getcwd(nil, 0) else {
            throw CamdError(call: "getcwd", errno: .current, subject: path, remedy: "Give an absolute path.")
        }
        defer { free(folder) }
        let text = String(cString: folder)
        return text == "/" ? "/" + path : text + "/" + path
    }

    /// What a path leads to when all links are followed (realpath(3)); nil where it leads nowhere.
    static func resolve(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }
}
