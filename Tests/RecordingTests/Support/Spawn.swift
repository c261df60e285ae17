import Glibc
import Testing

/// What a program said.
struct Spoken {
    var status: Int32
    var output: String
    var errors: String

    var lines: [Substring] { output.split(separator: "\n") }
}

/// Runs a program from the PATH and waits for it, 60 s at most.
func run(_ arguments: String...) throws -> Spoken {
    let folder = try TemporaryFolder()
    let (out, err) = (folder.path("out"), folder.path("err"))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT, 0o600)
    var words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child = pid_t()
    let result = posix_spawnp(&child, arguments[0], &actions, nil, &words, environ)
    try #require(result == 0, "\(arguments[0]): \(String(cString: strerror(result)))")
    var status: Int32 = 0
    var waited = 0
    while waitpid(child, &status, WNOHANG) == 0 {
        usleep(2000)
        waited += 2
        if waited > 60_000 {
            kill(child, SIGKILL)
            waitpid(child, &status, 0)
            Issue.record("\(arguments.joined(separator: " ")) took over a minute")
        }
    }
    return Spoken(
        status: status, output: String(decoding: try bytes(of: out), as: UTF8.self),
        errors: String(decoding: try bytes(of: err), as: UTF8.self))
}

/// A whole file.
func bytes(of path: String) throws -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    try #require(fd >= 0, "\(path): \(String(cString: strerror(errno)))")
    defer { close(fd) }
    let size = Int(lseek(fd, 0, SEEK_END))
    // All empty arrays of a process share one buffer, and a count of 0 is written, too: a data race of two tests that do
    // that at once.
    guard size > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        var done = 0
        while done < size {
            let got = pread(fd, buffer.baseAddress! + done, size - done, done)
            if got <= 0 { break }
            done += got
        }
        count = done
    }
}

/// A folder that is removed with all that is in it.
final class TemporaryFolder {
    let path: String

    init() throws {
        var name = Array("/tmp/camd-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&name) != nil)
        path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func path(_ name: String) -> String { path + "/" + name }

    /// The names of what is in it.
    var names: [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    deinit {
        for name in names { unlink(path(name)) }
        rmdir(path)
    }
}
