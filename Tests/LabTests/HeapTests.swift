import FoundationEssentials
import Glibc
import LinuxSystem
import Testing

@testable import CaptureCore

/// Heaps of all kinds: the lab's /dev is thrown away, so anything may lie in it.
@Suite(.serialized) struct HeapTests {
    private static let folder = "/dev/dma_heap"
    private static let vivid = "/dev/camera/vivid0"
    private static let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

    /// Runs `body` while something lies in /dev/dma_heap under a name. `make`: the command that puts it there.
    private func having(_ names: String..., make: [[String]], _ body: () throws -> Void) throws {
        defer { for name in names { _ = try? run(["rm", "-rf", "\(Self.folder)/\(name)"]) } }
        for command in make { try #require(try run(command).status == 0, "\(command)") }
        try body()
    }

    /// The system heap under another name.
    private func second(_ name: String) -> [String] { ["cp", "-a", "\(Self.folder)/system", "\(Self.folder)/\(name)"] }

    private func link(_ name: String, to target: String) -> [String] { ["ln", "-s", target, "\(Self.folder)/\(name)"] }

    private func record(heaps: String..., through: [String] = []) throws -> Program.Result {
        let file = try Scratch.folder() + "/video.mkv"
        return try run(
            through + [
                Program.camd, "record", "--camera", Self.vivid, "--size", "320x180", "--duration", "1", "-o", file,
                "--json",
            ] + heaps.flatMap { ["--heap", $0] }, limitSeconds: 40)
    }

    /// Expects the end of a program that was given a wrong heap, and that the list of others has these and not those.
    private func expectRefusal(
        _ result: Program.Result, _ words: String..., offers: [String], not hidden: [String],
        location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(result.status == 78, "\(result.errors)", sourceLocation: location)
        for word in words {
            #expect(result.errors.contains(word), "\(word) in: \(result.errors)", sourceLocation: location)
        }
        let list = try #require(
            result.errors.split(separator: "What can be used here: ").last, sourceLocation: location)
        let names = list.split(separator: "\n").first?.split(separator: ".").first ?? ""
        let offered = names.split(separator: ", ").map(String.init)
        for name in offers {
            #expect(offered.contains(name), "\(name) in: \(result.errors)", sourceLocation: location)
        }
        for name in hidden {
            #expect(!offered.contains(name), "\(name) in: \(result.errors)", sourceLocation: location)
        }
    }

    // A heap that the user named.

    @Test func `a heap that is not there is answered with those that are`() throws {
        try having("protected,x", make: [second("protected,x")]) {
            try expectRefusal(
                record(heaps: "nothere"), "heap nothere", "there is no such heap", offers: ["system", "udmabuf"],
                not: ["protected,x", "nothere"])
        }
    }

    @Test func `protected memory is refused by its name, and by a link to it`() throws {
        try having("protected,secure-video", "vidbuf_cached", make: [second("protected,secure-video")]) {
            try expectRefusal(
                record(heaps: "protected,secure-video"), "protected,secure-video", "no CPU can read it",
                offers: ["system"], not: ["protected,secure-video"])
            try #require(try run(link("vidbuf_cached", to: "protected,secure-video")).status == 0)
            try expectRefusal(
                record(heaps: "vidbuf_cached"), "heap vidbuf_cached", "no CPU can read it", offers: ["system"],
                not: ["vidbuf_cached", "protected,secure-video"])
            // One that is named after a good one ends it all the same.
            try expectRefusal(
                record(heaps: "system", "vidbuf_cached"), "heap vidbuf_cached", "no CPU can read it",
                offers: ["system"], not: ["vidbuf_cached"])
        }
    }

    @Test func `a link to a heap is that heap, under the name that the user gave it`() throws {
        try having("vidbuf_cached", make: [link("vidbuf_cached", to: "system")]) {
            let status = try decode(Status.self, record(heaps: "vidbuf_cached"))
            #expect(status.path.capture == "import:heap:vidbuf_cached")
            #expect(status.heap == "vidbuf_cached")
            let heaps = try report()
            let entry = try #require(heaps.heap("vidbuf_cached"))
            #expect(entry.sameAs == ["system"])
            #expect(entry.contiguous == false)
            #expect(heaps.chosen == "system")
            #expect(heaps.refusal("vidbuf_cached")?.reason == "it is another name of system")
        }
    }

    @Test func `a device that is no heap is refused`() throws {
        let null = ["mknod", "\(Self.folder)/fake", "c", "1", "3"]
        try having("fake", "protected,x", make: [null, second("protected,x")]) {
            try expectRefusal(
                record(heaps: "fake"), "heap fake", "ENOTTY", "not a heap", offers: ["system", "udmabuf"],
                not: ["fake", "protected,x"])
        }
    }

    @Test(arguments: [
        ["mkfifo", "/dev/dma_heap/odd"], ["touch", "/dev/dma_heap/odd"], ["mkdir", "/dev/dma_heap/odd"],
        ["mknod", "/dev/dma_heap/odd", "b", "7", "0"], ["ln", "-s", "odd", "/dev/dma_heap/odd"],
        ["ln", "-s", "nowhere", "/dev/dma_heap/odd"],
    ])
    func `what is no device at all is refused, and nothing waits for it`(_ make: [String]) throws {
        try having("odd", make: [make]) {
            try expectRefusal(record(heaps: "odd"), "heap odd", offers: ["system", "udmabuf"], not: ["odd"])
            let heaps = try report()
            #expect(heaps.chosen == "system")
            #expect(heaps.refusal("odd") != nil)
            let doctor = try decode(DoctorAnswer.self, camd("doctor", "--camera", "test", "--json"))
            #expect(doctor.checks.contains { $0.name == "heap:odd" && !$0.ok })
            #expect(doctor.checks.contains { $0.name == "heap:system" && $0.ok })
            // A camera with no wish for a heap does without.
            #expect(try decode(Status.self, record()).path.capture == "import:heap:system")
        }
    }

    @Test func `a heap that does not give the size is refused`() throws {
        try having("other", make: [second("other")]) {
            let result = try record(
                heaps: "system",
                through: [
                    "strace", "-f", "-o", "/dev/null", "-P", "\(Self.folder)/system", "-e", "trace=ioctl", "-e",
                    "inject=ioctl:error=ENOMEM",
                ])
            try expectRefusal(
                result, "heap system", "ENOMEM", "it gives no", "smaller size", offers: ["other", "udmabuf"],
                not: ["system"])
        }
    }

    @Test func `where nothing else can be used, that is said`() throws {
        let result = try run(
            Daemon.hiding(["/dev/dma_heap", "/dev/udmabuf"]) + [
                Program.camd, "record", "--camera", Self.vivid, "--duration", "1", "-o",
                Scratch.folder() + "/video.mkv", "--heap", "system",
            ])
        #expect(result.status == 78)
        #expect(result.errors.contains("CONFIG_DMABUF_HEAPS_SYSTEM"), "\(result.errors)")
        #expect(result.errors.contains("Nothing else here can be used"), "\(result.errors)")
    }

    @Test func `a heap that this user may not open is no wrong name: the right to it is told`() throws {
        let folder = try Scratch.folder()
        try run(["chmod", "777", folder])
        // The pattern camera is anybody's.
        let result = try run(
            Self.nobody + [
                Program.camd, "record", "--camera", "test", "--duration", "1", "-o", folder + "/video.mkv", "--heap",
                "system",
            ])
        #expect(result.status == 77, "\(result.errors)")
        #expect(result.errors.contains("SUBSYSTEM==\"dma_heap\""), "\(result.errors)")
    }

    @Test func `a driver that would not notice pieces gets nothing else, named or not`() throws {
        let need = MemoryNeed(driver: "qcom-camss", hasIOMMU: false)
        let memory = HeapMemory(folder: nil)
        #expect(try HeapChoice.forMachine(heaps: [], need: need, bytes: 4096, memory: memory).sources.isEmpty)
        do {
            _ = try HeapChoice.forMachine(heaps: ["system", "udmabuf", "system"], need: need, bytes: 4096)
            Issue.record("what would corrupt memory was taken")
        } catch {
            #expect(error.kind == .configuration)
            #expect(error.subject == "heap system, udmabuf")
            for name in ["system: the camera needs one piece", "udmabuf: the camera needs one piece"] {
                #expect(error.reason.contains(name), "\(error)")
            }
        }
        try having("default_cma_region", make: [second("default_cma_region")]) {
            let choice = try HeapChoice.forMachine(heaps: ["system", "default_cma_region"], need: need, bytes: 4096)
            #expect(choice.sources.map(\.plainName) == ["default_cma_region"])
            #expect(choice.refusals.map(\.source.plainName) == ["system"])
            #expect(
                try HeapChoice.forMachine(heaps: [], need: need, bytes: 4096, memory: memory).sources.map(\.plainName)
                    == ["default_cma_region"])
        }
        // A link may be called anything: what it leads to counts.
        try having("video@42000000", make: [link("video@42000000", to: "system")]) {
            let choice = try HeapChoice.forMachine(heaps: [], need: need, bytes: 4096, memory: memory)
            #expect(choice.sources.isEmpty)
        }
    }

    // What heaps and doctor say.

    private struct Report: Decodable {
        struct Source: Decodable {
            var name: String?
            var path: String
            var cached: Bool?
            var caching: String?
            var readMillisecondsPerMegabyte: Double?
            var contiguous: Bool?
            var sameAs: [String]?
            var error: String?

            enum CodingKeys: String, CodingKey {
                case name, path, cached, caching
                case readMillisecondsPerMegabyte = "read_ms_per_mb"
                case contiguous
                case sameAs = "same_as"
                case error
            }
        }
        struct Refusal: Decodable {
            var name: String
            var reason: String
            var remedy: String?
        }
        var heaps: [Source]
        var udmabuf: Source?
        var refused: [Refusal]
        var chosen: String?
        var reason: String

        func heap(_ name: String) -> Source? { heaps.first { $0.name == name } }
        func refusal(_ name: String) -> Refusal? { refused.first { $0.name == name } }
    }

    private func report(
        _ arguments: String..., through: [String] = [], environment: [String] = []
    ) throws -> Report {
        try decode(
            Report.self, run(through + [Program.camd, "heaps", "--json"] + arguments, environment: environment))
    }

    @Test func `a user without the right to heaps is told why nothing can be used, and what to do`() throws {
        let heaps = try report(through: Self.nobody)
        #expect(heaps.chosen == nil)
        #expect(heaps.reason == "no heap can be used, and no udmabuf")
        #expect(heaps.heaps.map(\.name) == ["system"])
        #expect(heaps.heaps.first?.caching == nil)
        #expect(heaps.heaps.first?.error?.contains("EACCES") == true)
        let system = try #require(heaps.refusal("system"))
        #expect(system.reason.contains("EACCES"))
        #expect(system.remedy?.contains("SUBSYSTEM==\"dma_heap\"") == true)
        let udmabuf = try #require(heaps.refusal("udmabuf"))
        #expect(udmabuf.reason.contains("EACCES"))
        #expect(udmabuf.remedy?.contains("KERNEL==\"udmabuf\"") == true)
        #expect(heaps.udmabuf?.path == "/dev/udmabuf")
        let words = try run(Self.nobody + [Program.camd, "heaps"]).text
        for word in [
            "chosen: none (no heap can be used, and no udmabuf)", "refused: system: ", "refused: udmabuf: ",
            "SUBSYSTEM==\"dma_heap\"", "KERNEL==\"udmabuf\"",
        ] { #expect(words.contains(word), "\(word) in: \(words)") }
    }

    @Test func `udmabuf stands beside the heaps, and what is remembered is shown`() throws {
        let cache = try Scratch.folder()
        let environment = ["XDG_CACHE_HOME=\(cache)"]
        let first = try report(environment: environment)
        #expect(first.udmabuf?.caching != nil)
        #expect((first.udmabuf?.readMillisecondsPerMegabyte ?? 0) > 0)
        #expect(first.heaps.allSatisfy { $0.caching != nil })
        let words = try camd("heaps", environment: environment).text
        let row = try #require(words.split(separator: "\n").first { $0.hasPrefix("udmabuf ") })
        #expect(row.contains("/dev/udmabuf"))

        // What an earlier run had written down, in words that no measurement would give.
        let kernel = try run(["uname", "-r"]).text.split(separator: "\n").first ?? ""
        let lines = String(decoding: try Program.read(cache + "/camd/heaps"), as: UTF8.self)
        #expect(lines.contains(kernel))
        let name = try #require(lines.split(separator: "\t").first)
        let file = try FileDescriptor.open(cache + "/camd/heaps", O_WRONLY | O_TRUNC)
        let text = Array("\(name)\tudmabuf\t900.5\t100.0\n\(name)\theap:system\t800.5\t100.0\n".utf8)
        try #require(write(file.rawValue, text, text.count) == text.count)
        let remembered = try report(environment: environment)
        #expect(remembered.udmabuf?.readMillisecondsPerMegabyte == 900.5)
        #expect(remembered.udmabuf?.caching == "uncached")
        #expect(remembered.udmabuf?.cached == false)
        #expect(remembered.heaps.first?.readMillisecondsPerMegabyte == 800.5)
        #expect(remembered.reason.contains("measured as uncached"))

        let probed = try report("--probe", environment: environment)
        #expect((probed.udmabuf?.readMillisecondsPerMegabyte ?? 900) < 100)
        #expect((probed.heaps.first?.readMillisecondsPerMegabyte ?? 800) < 100)
        #expect(
            try report(environment: environment).heaps.first?.readMillisecondsPerMegabyte ?? 800 < 100,
            "it was written down")
    }

    @Test func `doctor says that a kernel has no heaps, and names its options`() throws {
        let doctor = Daemon.hiding([Self.folder]) + [try Program.camd, "doctor", "--camera", "test"]
        let answer = try decode(DoctorAnswer.self, run(doctor + ["--json"]))
        let heaps = try #require(answer.checks.first { $0.name == "heaps" })
        #expect(!heaps.ok && !heaps.needed)
        #expect(heaps.detail.contains("no dma-buf heap is there: udmabuf takes their place"))
        for option in ["CONFIG_DMABUF_HEAPS ", "CONFIG_DMABUF_HEAPS_SYSTEM", "CONFIG_DMABUF_HEAPS_CMA"] {
            #expect(heaps.remedy?.contains(option) == true, "\(option)")
        }
        #expect(answer.checks.contains { $0.name == "udmabuf" && $0.ok })
        #expect(answer.checks.contains { $0.name == "buffers" && $0.ok && $0.detail.contains("chooses udmabuf") })
        let words = try run(doctor).text
        #expect(words.contains("missing  heaps: no dma-buf heap is there"), "\(words)")
        #expect(words.contains("CONFIG_DMABUF_HEAPS_CMA"))
    }

    @Test func `doctor without heaps and udmabuf names all options`() throws {
        let result = try run(
            Daemon.hiding([Self.folder, "/dev/udmabuf"]) + [Program.camd, "doctor", "--camera", "test"])
        #expect(result.text.contains("missing  buffers: neither a heap nor udmabuf"), "\(result.text)")
        for option in ["CONFIG_DMABUF_HEAPS_SYSTEM", "CONFIG_DMABUF_HEAPS_CMA", "CONFIG_UDMABUF"] {
            #expect(result.text.contains(option), "\(option) in: \(result.text)")
        }
    }

    @Test func `doctor says of protected memory that it is never used`() throws {
        try having("protected,secure-video", make: [second("protected,secure-video")]) {
            let answer = try decode(DoctorAnswer.self, camd("doctor", "--camera", "test", "--json"))
            let check = try #require(answer.checks.first { $0.name == "heap:protected,secure-video" })
            #expect(check.detail.contains("never used"))
            #expect(!check.detail.contains("gives buffers"))
            #expect(try camd("doctor", "--camera", "test").text.contains("it is never used, for no CPU can read it"))
            let heaps = try report("--probe")
            #expect(heaps.heap("protected,secure-video")?.caching == nil)
            #expect(heaps.refusal("protected,secure-video")?.reason.contains("no CPU") == true)
        }
    }

    @Test func `doctor shows how fast each heap is, which one is chosen, and why`() throws {
        let result = try camd("doctor", "--camera", "test", "--json")
        let answer = try decode(DoctorAnswer.self, result)
        for name in ["heap:system", "udmabuf"] {
            let check = try #require(answer.checks.first { $0.name == name })
            #expect(check.detail.contains("ms/MB"), "\(check.detail)")
            #expect(check.detail.contains("cached"), "\(check.detail)")
        }
        let report = try report()
        let buffers = try #require(answer.checks.first { $0.name == "buffers" })
        #expect(buffers.ok)
        #expect(buffers.detail.contains("chooses system: \(report.reason)"), "\(buffers.detail)")
        struct Choice: Decodable {
            var chosen: String?
            var reason: String?
        }
        let choice = try decode(Choice.self, result)
        #expect(choice.chosen == "system")
        #expect(choice.reason == report.reason)
        let words = try camd("doctor", "--camera", "test").text
        #expect(words.contains("camd chooses system: "), "\(words)")
        #expect(words.contains("ms/MB"))
    }

    // Heaps that come later.

    @Test func `heaps that appear while a daemon runs are found at the next change of mode`() throws {
        let daemon = try Daemon(
            ["--size", "640x360", "--fps", "30"], camera: Self.vivid, hides: [Self.folder])
        #expect(try daemon.status().path.capture == "import:udmabuf")
        // Into its name space, and into the folder that is its root.
        let shown = try run([
            "nsenter", "--target", "\(daemon.program.processID)", "--mount", "--root", "umount", Self.folder,
        ])
        try #require(shown.status == 0, "\(shown.errors)")
        let started = try daemon.call("start", "-o", daemon.folder + "/a.mkv", "--size", "320x180")
        #expect(started.status == 0, "\(started.errors)")
        let status = try daemon.status()
        #expect(status.path.capture == "import:heap:system", "refused: \(status.refused)")
        #expect(status.heap == "system")
        #expect(status.path.output == "heap:system")
        usleep(500_000)
        #expect(try daemon.call("stop").status == 0)
        #expect(try daemon.stop().status == 0)
    }

    @Test func `heaps lists what is there at that moment`() throws {
        let script = """
            mount -t tmpfs none \(Self.folder) && "$0" heaps --json && umount \(Self.folder) && exec "$0" heaps --json
            """
        let result = try run(["unshare", "--mount", "sh", "-c", script, Program.camd])
        try #require(result.status == 0, "\(result.errors)")
        let reports = try result.text.split(separator: "\n").map {
            try JSONDecoder().decode(Report.self, from: Data($0.utf8))
        }
        try #require(reports.count == 2)
        #expect(reports[0].heaps.isEmpty && reports[0].chosen == "udmabuf")
        #expect(reports[1].heaps.map(\.name) == ["system"] && reports[1].chosen == "system")
    }
}
