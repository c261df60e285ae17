import Glibc
import LinuxSystem
import Testing

/// What a program did with buffers, seen from outside (Tests/Lab/witness.c).
struct Witness {
    struct Event {
        var thread: String
        var name: String
        var slot: Int
        var descriptor: Int
        var value: UInt64
    }

    var events: [Event]

    static let end: UInt64 = 4

    /// Runs camd under the witness.
    static func run(
        _ arguments: [String], environment: [String] = []
    ) throws -> (witness: Witness, result: Program.Result) {
        let folder = try Scratch.folder()
        let library = folder + "/witness.so"
        let compiled = try LabTests.run([
            "cc", "-shared", "-fPIC", "-O2", "-o", library, "Tests/Lab/witness.c", "-ldl",
        ])
        try #require(compiled.status == 0, "\(compiled.errors)")
        let result = try LabTests.run(
            [Program.camd] + arguments,
            environment: ["LD_PRELOAD=\(library)", "WITNESS=\(folder)/log"] + environment)
        let log = String(decoding: try Program.read(folder + "/log"), as: UTF8.self)
        let events = log.split(separator: "\n").compactMap { line -> Event? in
            let words = line.split(separator: " ")
            guard words.count == 5, let slot = Int(words[2]), let descriptor = Int(words[3]),
                let value = UInt64(words[4])
            else { return nil }
            return Event(
                thread: String(words[0]), name: String(words[1]), slot: slot, descriptor: descriptor, value: value)
        }
        try #require(!events.contains { $0.name == "overflow" }, "the witness saw more than it can hold")
        return (Witness(events: events), result)
    }
}
