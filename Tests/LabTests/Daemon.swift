import Glibc
import LinuxSystem
import Testing

/// A running `camd serve`, on a socket of its own.
final class Daemon {
    let program: Program
    let socket: String
    let folder: String

    /// Starts it and waits until it answers.
    convenience init(_ arguments: String..., camera: String = "/dev/camera/vivid0") throws {
        try self.init(arguments, camera: camera)
    }

    /// `hides`: device nodes and folders that it does not see. `through`: a program that starts it.
    init(_ arguments: [String], camera: String, hides: [String] = [], through: [String] = []) throws {
        folder = try Scratch.folder()
        socket = folder + "/control"
        var command = [try Program.camd, "serve", "--camera", camera, "--socket", socket] + arguments
        command = through + command
        if !hides.isEmpty { command = Self.hiding(hides) + command }
        program = try Program(command)
        let isUp = try eventually { try run([Program.camd, "status", "--socket", socket]).status == 0 }
        try #require(isUp, "the daemon does not answer: \(program.errorsSoFar)")
    }

    /// A command that runs another one where these are not to be seen: a folder is covered by an empty one; a node, by
    /// a mount that covers all of /dev but what is there beside it.
    static func hiding(_ paths: [String]) -> [String] {
        let script = paths.map { path in
            """
            if [ -d \(path) ]; then mount -t tmpfs none \(path); else
              mkdir -p /tmp/camd-dev && mount --rbind /dev /tmp/camd-dev && mount -t tmpfs none /dev &&
              for n in /tmp/camd-dev/*; do [ "/dev/${n##*/}" = \(path) ] || ln -s "$n" "/dev/${n##*/}"; done; fi &&
            """
        }.joined(separator: "\n")
        return ["unshare", "--mount", "sh", "-c", script + "\nexec \"$0\" \"$@\""]
    }

    func call(_ arguments: String...) throws -> Program.Result {
        try run([Program.camd] + arguments + ["--socket", socket])
    }

    func status() throws -> Status {
        let status = try #require(try decode(StatusAnswer.self, call("status", "--json")).cameras.first)
        #expect(status.imbalance(atEnd: false) == nil)
        return status
    }

    /// Asks it to end, and waits.
    @discardableResult
    func stop() throws -> Program.Result {
        program.signal(SIGTERM)
        return try program.wait(limitSeconds: 20)
    }

    var residentKilobytes: Int { get throws { try Program.residentKilobytes("\(program.processID)") } }

    /// How many descriptors it has open.
    var descriptors: Int { Directory.names(in: "/proc/\(program.processID)/fd").count }
}
