import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

@Suite struct HeapMemoryTests {
    private static let system = BufferSource.heap(Heap(name: "system"))
    private static let kernel = "7.2.13 #1 x86_64"

    /// A folder of its own that goes with it, and how often something was measured.
    private final class Bench {
        let folder: String
        let measurements = Counter()

        final class Counter: Sendable {
            let count = Atomic<Int>(0)
            let next = Mutex<HeapMeasurement?>(nil)
        }

        init() throws {
            var template = Array("/tmp/camd-test-heaps.XXXXXX".utf8CString)
            folder = String(cString: try #require(mkdtemp(&template)))
        }

        deinit {
            for name in Directory.names(in: folder) { unlink(folder + "/" + name) }
            rmdir(folder)
        }

        var count: Int { measurements.count.load(ordering: .relaxed) }

        /// Measures `ratio` from now on; nil: an error.
        func measures(_ ratio: Double?) {
            measurements.next.withLock {
                $0 = ratio.map {
                    HeapMeasurement(millisecondsPerMegabyte: $0, ordinaryMillisecondsPerMegabyte: 1)
                }
            }
        }

        func memory(kernel: String = HeapMemoryTests.kernel) -> HeapMemory {
            HeapMemory(folder: folder, kernel: kernel) { [measurements] source throws(CamdError) in
                measurements.count.add(1, ordering: .relaxed)
                guard let next = measurements.next.withLock({ $0 }) else {
                    throw CamdError(call: "open", errno: .accessDenied, subject: source.name)
                }
                return next
            }
        }

        func write(_ text: String) throws {
            let file = try FileDescriptor.open(folder + "/heaps", O_WRONLY | O_CREAT | O_TRUNC)
            let bytes = Array(text.utf8)
            try #require(Glibc.write(file.rawValue, bytes, bytes.count) == bytes.count)
        }

        var text: String {
            get throws {
                guard let file = try? FileDescriptor.open(folder + "/heaps", O_RDONLY) else { return "" }
                var bytes = [UInt8](repeating: 0, count: 1 << 20)
                let count = Glibc.read(file.rawValue, &bytes, bytes.count)
                return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
            }
        }
    }

    @Test(arguments: [
        (0.5, HeapMeasurement.Caching.cached), (1.0, .cached), (2.0, .cached), (2.01, .unsure), (3.0, .unsure),
        (4.0, .unsure), (4.01, .uncached), (10.0, .uncached),
    ])
    func `up to twice ordinary memory is cached, beyond four times uncached`(
        _ ratio: Double, _ caching: HeapMeasurement.Caching
    ) {
        for ordinary in [0.125, 1, 8] {
            #expect(
                HeapMeasurement(
                    millisecondsPerMegabyte: ratio * ordinary, ordinaryMillisecondsPerMegabyte: ordinary
                ).caching == caching)
        }
    }

    @Test func `what was measured is remembered by the next process`() throws {
        let bench = try Bench()
        bench.measures(1.5)
        let measured = try bench.memory().measurement(of: Self.system)
        #expect(bench.count == 1)
        let next = bench.memory()
        #expect(next.remembered(Self.system) == measured)
        #expect(try next.measurement(of: Self.system) == measured)
        #expect(next.remembered(.udmabuf) == nil)
        #expect(bench.count == 1)
    }

    @Test func `again measures again, and the new value counts`() throws {
        let bench = try Bench()
        bench.measures(1.5)
        let memory = bench.memory()
        _ = try memory.measurement(of: Self.system)
        bench.measures(8)
        #expect(try memory.measurement(of: Self.system).caching == .cached)
        #expect(try memory.measurement(of: Self.system, again: true).caching == .uncached)
        #expect(bench.count == 2)
        #expect(bench.memory().remembered(Self.system)?.caching == .uncached)
    }

    @Test func `what is unsure is never written down, and holds for the process`() throws {
        let bench = try Bench()
        bench.measures(3)
        let memory = bench.memory()
        #expect(try memory.measurement(of: Self.system).caching == .unsure)
        #expect(try memory.measurement(of: Self.system).caching == .unsure)
        #expect(bench.count == 1)
        #expect(try !bench.text.contains("system"))
        bench.measures(1)
        #expect(try bench.memory().measurement(of: Self.system).caching == .cached)
        #expect(bench.count == 2)
    }

    @Test func `a value that became unsure is forgotten by the file, too`() throws {
        let bench = try Bench()
        bench.measures(1)
        let memory = bench.memory()
        _ = try memory.measurement(of: Self.system)
        _ = try memory.measurement(of: .udmabuf)
        bench.measures(3)
        _ = try memory.measurement(of: Self.system, again: true)
        #expect(bench.memory().remembered(Self.system) == nil)
        #expect(bench.memory().remembered(.udmabuf) != nil)
    }

    @Test func `an unsure line of a file is not believed`() throws {
        let bench = try Bench()
        try bench.write("\(Self.kernel)\theap:system\t3.0\t1.0\n")
        #expect(bench.memory().remembered(Self.system) == nil)
    }

    @Test func `another kernel measures for itself`() throws {
        let bench = try Bench()
        bench.measures(1)
        _ = try bench.memory().measurement(of: Self.system)
        #expect(bench.memory(kernel: "7.2.13 #2 x86_64").remembered(Self.system) == nil)
        #expect(bench.memory().remembered(Self.system) != nil)
    }

    @Test(arguments: [
        "", "\n", "heap:system", "\theap:system\t1\t1", "KERNEL heap:system 1 1", "KERNEL\theap:system\t1",
        "KERNEL\theap:system\t1\t1\t1", "KERNEL\theap:system\t\t1", "KERNEL\theap:system\tx\t1",
        "KERNEL\theap:system\tnan\t1", "KERNEL\theap:system\t1\tnan", "KERNEL\theap:system\tinf\t1",
        "KERNEL\theap:system\t0\t1", "KERNEL\theap:system\t-1\t1", "KERNEL\theap:system\t1\t0",
        "KERNEL\theap:system\t1\t-0", "KERNEL\theap:system\t1e999\t1", "\u{fffd}\t\t\t",
    ])
    func `a broken line is passed over, and those around it count`(_ line: String) throws {
        let bench = try Bench()
        let broken = line.replacing("KERNEL", with: Self.kernel)
        try bench.write("\(Self.kernel)\tudmabuf\t1.0\t1.0\n\(broken)\n\(Self.kernel)\theap:video@1\t9.0\t1.0\n")
        let memory = bench.memory()
        #expect(memory.remembered(.udmabuf)?.caching == .cached)
        #expect(memory.remembered(.heap(Heap(name: "video@1")))?.caching == .uncached)
        #expect(memory.remembered(Self.system) == nil)
    }

    @Test func `a file that was cut off ends with its last whole line`() throws {
        let bench = try Bench()
        // Of 10.5 only the 1 was written: that would be another verdict.
        try bench.write("\(Self.kernel)\tudmabuf\t1.0\t1.0\n\(Self.kernel)\theap:system\t10.5\t1")
        let memory = bench.memory()
        #expect(memory.remembered(.udmabuf) != nil)
        #expect(memory.remembered(Self.system) == nil)
    }

    @Test func `of a file that is too long only the beginning is read, to a whole line`() throws {
        let bench = try Bench()
        func line(_ heap: String) -> String { "\(Self.kernel)\t\(heap)\t1.0\t1.0\n" }
        // The line across the end of what is read, and those behind it, are lost.
        var text = line("udmabuf")
        text +=
            String(repeating: "x", count: HeapMemory.mostBytes - text.utf8.count - line("heap:system").utf8.count)
            + "\n" + line("heap:system") + line("heap:video@1")
        try bench.write(text)
        let memory = bench.memory()
        #expect(memory.remembered(.udmabuf) != nil)
        #expect(memory.remembered(Self.system) == nil)
        #expect(memory.remembered(.heap(Heap(name: "video@1"))) == nil)
        // And of very many lines the first ones.
        try bench.write((0...HeapMemory.mostLines).map { line("heap:h\($0)") }.joined())
        let many = bench.memory()
        #expect(many.remembered(.heap(Heap(name: "h\(HeapMemory.mostLines - 1)"))) != nil)
        #expect(many.remembered(.heap(Heap(name: "h\(HeapMemory.mostLines)"))) == nil)
    }

    @Test func `a name that would break a line is measured each time`() throws {
        let bench = try Bench()
        bench.measures(1)
        let odd = BufferSource.heap(Heap(name: "a\t1\t1\nb"))
        _ = try bench.memory().measurement(of: odd)
        #expect(try bench.text.isEmpty)
    }

    @Test func `a failure is told, and what was known before does not hide it`() throws {
        let bench = try Bench()
        bench.measures(1)
        let memory = bench.memory()
        _ = try memory.measurement(of: Self.system)
        bench.measures(nil)
        #expect(throws: CamdError.self) { try memory.measurement(of: Self.system, again: true) }
        #expect(memory.remembered(Self.system) == nil)
    }

    @Test func `no folder, or one that cannot be written, costs a measurement and no more`() throws {
        let bench = try Bench()
        bench.measures(1)
        for folder in [nil, "/proc/nowhere"] {
            let memory = HeapMemory(folder: folder, kernel: Self.kernel) { _ throws(CamdError) in
                HeapMeasurement(millisecondsPerMegabyte: 1, ordinaryMillisecondsPerMegabyte: 1)
            }
            _ = try memory.measurement(of: Self.system)
            #expect(memory.remembered(Self.system) != nil)
        }
    }

    @Test func `a file that is a link is not followed`() throws {
        let bench = try Bench()
        try bench.write("\(Self.kernel)\theap:system\t1.0\t1.0\n")
        try #require(rename(bench.folder + "/heaps", bench.folder + "/elsewhere") == 0)
        try #require(symlink(bench.folder + "/elsewhere", bench.folder + "/heaps") == 0)
        #expect(bench.memory().remembered(Self.system) == nil)
    }

    @Test func `ordinary memory is measured as cached`() throws {
        let measured = try HeapProbe.measure(.plainMemory)
        #expect(measured.millisecondsPerMegabyte > 0)
        #expect(measured.caching != .uncached)
    }

    @Test func `a buffer that is measured keeps what is in it`() throws {
        let buffer = try DMABuf(plainMemory: 1 << 16, origin: "test")
        try buffer.withMutableBytes(.write) { (bytes) throws(CamdError) in
            bytes.withUnsafeMutableBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: 7) }
        }
        // Other programs may make a run of microseconds slow; one of some is quick.
        #expect(try (0..<20).contains { _ in try HeapProbe.isCached(buffer) })
        let isKept = try buffer.withBytes { (bytes) throws(CamdError) in
            bytes.withUnsafeBytes { $0.allSatisfy { $0 == 7 } }
        }
        #expect(isKept)
    }
}
