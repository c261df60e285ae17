import FoundationEssentials
import Glibc
import LinuxSystem
import Testing

/// A program that runs beside the test, and what it printed.
final class Program {
    let processID: pid_t
    private let output: String
    private let errors: String
    private var status: Int32?

    struct Result {
        /// The exit status; 128 and the signal's number when a signal ended it.
        var status: Int32
        var output: [UInt8]
        var errors: String

        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// The program under test: `$CAMD`, the released build.
    static var camd: String {
        get throws { String(cString: try #require(getenv("CAMD"), "CAMD names the program under test")) }
    }

    /// Starts `arguments[0]`, found in PATH. `environment`: more variables than this process has.
    init(_ arguments: [String], environment: [String] = []) throws {
        let folder = try Scratch.folder()
        output = folder + "/stdout"
        errors = folder + "/stderr"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var all: [UnsafeMutablePointer<CChar>?] = []
        var entry = environ
        while let variable = entry.pointee {
            all.append(strdup(variable))
            entry += 1
        }
        all += environment.map { strdup($0) } + [nil]
        let words = arguments.map { strdup($0) } + [nil]
        defer { for word in words + all { free(word) } }
        var id: pid_t = 0
        let result = posix_spawnp(&id, arguments[0], &actions, nil, words, all)
        guard result == 0 else { throw CamdError(call: "posix_spawnp", errno: Errno(result), subject: arguments[0]) }
        processID = id
    }

    deinit {
        guard status == nil else { return }
        kill(processID, SIGKILL)
        waitpid(processID, nil, 0)
    }

    func signal(_ number: CInt) { kill(processID, number) }

    /// What it has printed on stderr so far.
    var errorsSoFar: String { String(decoding: (try? Self.read(errors)) ?? [], as: UTF8.self) }

    /// Waits for its end; after the limit it is killed, and that is an error.
    func wait(limitSeconds: Double = 60) throws -> Result {
        let end = Clock.monotonicNanoseconds() + UInt64(limitSeconds * 1e9)
        var raw: Int32 = 0
        var waited = 0
        while waitpid(processID, &raw, WNOHANG) == 0 {
            if Clock.monotonicNanoseconds() > end {
                kill(processID, SIGKILL)
                waitpid(processID, &raw, 0)
                status = 137
                throw CamdError(
                    .temporary, subject: "process \(processID)",
                    reason: "did not end in \(limitSeconds) s: \(errorsSoFar)")
            }
            // Seldom: in the lab's guest each wake-up costs what a frame costs.
            usleep(waited < 50 ? 10_000 : 100_000)
            waited += 1
        }
        let signal = raw & 0x7f
        status = signal != 0 ? 128 + signal : (raw >> 8) & 0xff
        return Result(
            status: status!, output: try Self.read(output),
            errors: String(decoding: try Self.read(errors), as: UTF8.self))
    }

    /// Memory that a process has in RAM, VmRSS of /proc/PROCESS/status.
    static func residentKilobytes(_ process: String) throws -> Int {
        let text = String(decoding: try read("/proc/\(process)/status"), as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.split(separator: " ").dropLast().last ?? ""))
    }

    static func read(_ path: String) throws -> [UInt8] {
        let file = try FileDescriptor.open(path, O_RDONLY)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file.rawValue, &chunk, chunk.count)
            if count <= 0 { return bytes }
            bytes.append(contentsOf: chunk[0..<count])
        }
    }
}

/// Runs a program to its end.
@discardableResult
func run(_ arguments: [String], environment: [String] = [], limitSeconds: Double = 60) throws -> Program.Result {
    try Program(arguments, environment: environment).wait(limitSeconds: limitSeconds)
}

/// Runs camd to its end.
@discardableResult
func camd(_ arguments: String..., environment: [String] = [], limitSeconds: Double = 60) throws -> Program.Result {
    try run([Program.camd] + arguments, environment: environment, limitSeconds: limitSeconds)
}

/// Folders that nobody else uses, in memory; the guest ends with them.
enum Scratch {
    static func folder() throws -> String {
        var template = Array("/tmp/camd-lab-test.XXXXXX".utf8CString)
        guard let path = mkdtemp(&template) else { throw CamdError(call: "mkdtemp", errno: .current, subject: "/tmp") }
        return String(cString: path)
    }
}

/// Waits until something holds; false when it does not within the limit.
func eventually(limitSeconds: Double = 15, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = Clock.monotonicNanoseconds() + UInt64(limitSeconds * 1e9)
    while Clock.monotonicNanoseconds() < end {
        if try condition() { return true }
        usleep(20_000)
    }
    return try condition()
}
