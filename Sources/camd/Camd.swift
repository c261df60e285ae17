import ArgumentParser
import CaptureCore
import Glibc
import LinuxSystem

/// The program. Every error ends it with `camd: MESSAGE` on stderr and a code of sysexits.h.
@main
struct Camd: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "camd",
        abstract: "Records video and takes photos without copying frames.",
        discussion: """
            A CAMERA is an id from 'camd list', a node such as /dev/video0, or 'test', the built-in pattern camera.

            Exit codes are those of sysexits.h, e.g. 64 for wrong usage, 66 for no such camera, 75 for a busy one.
            """,
        version: version,
        subcommands: [
            ListCommand.self, HeapsCommand.self, DoctorCommand.self, RecordCommand.self, SnapshotCommand.self,
            DevelopCommand.self, ServeCommand.self, StartCommand.self, SplitCommand.self, StopCommand.self,
            StatusCommand.self,
            CallCommand.self,
        ])

    /// Without a command.
    func run() throws { throw ValidationError("which command?") }

    static func main() {
        SoftwareGL.leaveCPUsForOthers()
        ShaderCache.useServiceFolder()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            end(error)
        }
    }

    private static func end(_ error: any Error) -> Never {
        if let error = error as? CamdError {
            Console.complain(error)
            Glibc.exit(error.kind.exitCode)
        }
        let code = exitCode(for: error)
        let message = complaint(error)
        if code.isSuccess {
            // What was asked for: --help, --version.
            do throws(CamdError) { try Console.print(message) } catch { Glibc.exit(error.kind.exitCode) }
        } else if !message.isEmpty {
            Console.writeError(message + "\n")
        }
        Glibc.exit(code.rawValue)
    }

    /// The parser's words for wrong usage, with camd's name in front as in all its messages.
    static func complaint(_ error: any Error) -> String {
        let message = fullMessage(for: error)
        let prefix = "Error: "
        return message.hasPrefix(prefix) ? "camd: " + message.dropFirst(prefix.count) : message
    }
}
