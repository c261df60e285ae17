import ArgumentParser
import CaptureCore
import LinuxSystem

/// `camd list`
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists the cameras.")

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let cameras = try Inventory.cameras()
        if json { return try Console.print(encoding: ListReply(cameras: cameras)) }
        try Console.print(Self.text(cameras))
    }

    static func text(_ cameras: [CameraListing]) -> String {
        if cameras.isEmpty {
            return "This machine shows no camera. 'camd doctor' says why; --camera test is the built-in pattern."
        }
        return cameras.map { camera in
            let formats = camera.formats.map {
                "  \($0.fourcc)  \($0.sizes.joined(separator: " "))\(remark(on: $0.reader))"
            }
            return (["\(camera.id)", "  \(camera.name), \(camera.driver), \(camera.bus), \(camera.node)"] + formats)
                .joined(separator: "\n")
        }.joined(separator: "\n")
    }
}

extension ListCommand {
    /// What is to be known of a format that is not simply read.
    fileprivate static func remark(on reader: String?) -> String {
        switch reader.flatMap({ FormatAccess(rawValue: $0) }) {
        case .gpu: ""
        case .jpeg: "  (each frame is decoded by the CPU)"
        case .v4lconvert: "  (each frame is converted by the CPU)"
        case nil: "  (camd cannot read it)"
        }
    }
}

/// `camd heaps`
struct HeapsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "heaps", abstract: "Lists the dma-buf heaps, and says which one camd would take.")

    @Flag(help: "Allocate from each heap and measure how fast the CPU reads it.")
    var probe = false

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let report = try Inventory.heaps(probe: probe)
        if json { return try Console.print(encoding: report) }
        try Console.print(Self.text(report))
    }

    static func text(_ report: HeapsReport) -> String {
        func word(_ value: Bool?) -> String { value.map { $0 ? "yes" : "no" } ?? "?" }
        func remarks(_ heap: HeapsReport.Entry) -> String {
            let same = heap.sameAs.isEmpty ? [] : ["the same as \(heap.sameAs.joined(separator: ", "))"]
            return (same + heap.breaks.map { "the name breaks a rule: \($0)" }).joined(separator: "; ")
        }
        func speed(_ measured: HeapsReport.Measured) -> [String] {
            [measured.caching ?? "?", measured.readMillisecondsPerMegabyte.map { Console.fixed($0, 2) } ?? "?"]
        }
        var rows = [["HEAP", "PATH", "CACHED", "MS/MB", "CONTIGUOUS", "PROPERTIES", ""]]
        for heap in report.heaps {
            rows.append(
                [heap.name, heap.path] + speed(heap.measured)
                    + [
                        word(heap.contiguous), heap.properties.isEmpty ? "-" : heap.properties.joined(separator: ","),
                        remarks(heap),
                    ])
        }
        if let udmabuf = report.udmabuf {
            rows.append(["udmabuf", udmabuf.path] + speed(udmabuf.measured) + ["no", "-", "ordinary memory, no heap"])
        }
        var lines = rows.count > 1 ? [Console.table(rows)] : []
        lines.append("chosen: \(report.chosen ?? "none") (\(report.reason))")
        for refusal in report.refused {
            lines.append("refused: \(refusal.name): \(refusal.reason)")
            if let remedy = refusal.remedy { lines.append("         \(remedy)") }
        }
        return lines.joined(separator: "\n")
    }
}

/// `camd doctor`
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Checks what camd needs, and says what to do about what is missing.")

    @Option(
        help: ArgumentHelp("The camera (default: the first one there is).", valueName: "camera"),
        transform: Arguments.name)
    var camera: String?

    @OptionGroup var gpu: GPUOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let report = Inventory.doctor(camera: camera, gpu: gpu.node)
        if json { try Console.print(encoding: report) } else { try Console.print(Self.text(report)) }
        if !report.ok { throw ExitCode(CamdError.Kind.unavailable.exitCode) }
    }

    static func text(_ report: DoctorReport) -> String {
        var lines: [String] = []
        for check in report.checks {
            let mark = check.ok ? "ok     " : check.needed ? "FAILED " : "missing"
            lines.append("\(mark)  \(check.name): \(check.detail)")
            if let remedy = check.remedy { lines.append("         \(remedy)") }
        }
        if let path = report.path {
            var rows = [["STAGE", "PATH", "TAKEN", "WHY NOT"]]
            for (stage, taken) in path.stages {
                for refusal in report.refused where refusal.stage == stage {
                    rows.append([stage, refusal.path, "no", refusal.reason])
                }
                rows.append([stage, taken, "yes", ""])
            }
            lines += ["", Console.table(rows)]
        }
        return lines.joined(separator: "\n")
    }
}
