import Glibc

/// Where the GPU's driver keeps the programs that it compiled, so that the next start finds them.
public enum ShaderCache {
    private static let variable = "MESA_SHADER_CACHE_DIR"

    /// A service has no home that it may write to, but a cache folder of its own (`$CACHE_DIRECTORY`, systemd's CacheDirectory=):
    /// Mesa does not know that one and would compile everything anew at each start. Where Mesa would find no place, it is told that
    /// one. Changes the environment: to be called before the first thread.
    public static func useServiceFolder() {
        let names = [variable, "XDG_CACHE_HOME", "HOME", "CACHE_DIRECTORY"]
        var environment: [String: String] = [:]
        for name in names { environment[name] = getenv(name).map { String(cString: $0) } }
        guard let folder = folder(environment, isWritable: isWritable) else { return }
        setenv(variable, folder, 0)
    }

    /// What Mesa has to be told; nil where it finds a place by itself, or the user names one, or there is none.
    static func folder(_ environment: [String: String], isWritable: (String) -> Bool) -> String? {
        guard environment[variable] == nil, let service = environment["CACHE_DIRECTORY"] else { return nil }
        // With several folders, systemd puts colons between them.
        guard let first = service.split(separator: ":").first.map(String.init), first.hasPrefix("/") else { return nil }
        // Mesa's own order: the one variable, and only without it the other.
        if let base = environment["XDG_CACHE_HOME"] ?? environment["HOME"].map({ $0 + "/.cache" }), isWritable(base) {
            return nil
        }
        return first
    }

    /// Whether a folder may be written to (access(2)); one that is not there is made, as Mesa does it, with no more above it
    /// (mkdir(2)): to root access(2) promises more than a file system gives.
    static func isWritable(_ folder: String) -> Bool {
        guard folder.hasPrefix("/") else { return false }
        return mkdir(folder, 0o700) == 0 || (errno == EEXIST && access(folder, W_OK) == 0)
    }
}
