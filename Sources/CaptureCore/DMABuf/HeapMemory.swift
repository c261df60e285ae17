import Glibc
import LinuxSystem
import Synchronization

/// Remembers what was measured, by kernel and heap: a measurement holds until the kernel changes or somebody asks for a
/// new one. One line a heap in a small text file: `KERNEL<tab>HEAP<tab>ms/MB<tab>ordinary ms/MB`.
///
/// What came out unsure (another program ran, perhaps) holds for this process only and is never written down: the next
/// one measures again.
public final class HeapMemory: Sendable {
    typealias Measure = @Sendable (BufferSource) throws(CamdError) -> HeapMeasurement

    /// Read at most so much of the file; it is written by camd, but lies where others may write, too.
    static let mostBytes = 64 * 1024
    static let mostLines = 128

    private let path: String?
    private let kernel: String
    private let measure: Measure
    private let known: Mutex<[String: HeapMeasurement]>

    /// `folder`: where the file lies; nil remembers only as long as this object lives.
    public convenience init(folder: String?) {
        self.init(folder: folder, kernel: Self.kernelName(), measure: HeapProbe.measure)
    }

    init(folder: String?, kernel: String, measure: @escaping Measure) {
        self.kernel = kernel
        self.measure = measure
        path = folder.map { $0 + "/heaps" }
        known = Mutex(path.flatMap(Self.read).map { Self.parse($0, kernel) } ?? [:])
    }

    /// The folder that systemd gives a service (`$CACHE_DIRECTORY`), else the user's cache folder.
    public static func standardFolder() -> String? {
        func variable(_ name: String) -> String? {
            guard let value = getenv(name) else { return nil }
            let text = String(cString: value)
            return text.hasPrefix("/") ? text : nil
        }
        if let folder = variable("CACHE_DIRECTORY") { return folder }
        guard let base = variable("XDG_CACHE_HOME") ?? variable("HOME").map({ $0 + "/.cache" }) else { return nil }
        return base + "/camd"
    }

    /// What is known of a source; nothing is measured for it.
    public func remembered(_ source: BufferSource) -> HeapMeasurement? { known.withLock { $0[source.name] } }

    /// What is known of a source, measured now if nothing is or if `again`.
    public func measurement(of source: BufferSource, again: Bool = false) throws(CamdError) -> HeapMeasurement {
        if !again, let found = remembered(source) { return found }
        let measured: HeapMeasurement
        do throws(CamdError) {
            measured = try measure(source)
        } catch {
            // What it gave once says nothing of what it gives now.
            known.withLock { $0[source.name] = nil }
            throw error
        }
        let all = known.withLock { known in
            known[source.name] = measured
            return known
        }
        save(all)
        return measured
    }

    /// A file that cannot be written costs a measurement next time, and nothing else.
    private func save(_ all: [String: HeapMeasurement]) {
        guard let path, let slash = path.lastIndex(of: "/") else { return }
        _ = mkdir(String(path[..<slash]), 0o755)
        let text = all.sorted { $0.key < $1.key }.filter { name, value in
            // A node can have any name; one that would break a line is measured each time.
            value.caching != .unsure && !name.utf8.contains { $0 < UInt8(ascii: " ") }
        }.map { name, value in
            "\(kernel)\t\(name)\t\(value.millisecondsPerMegabyte)\t\(value.ordinaryMillisecondsPerMegabyte)\n"
        }.joined()
        let temporary = "\(path).\(getpid())"
        guard let file = try? FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
        else { return }
        let bytes = Array(text.utf8)
        let written = retrying { write(file.rawValue, bytes, bytes.count) }
        if written != bytes.count || rename(temporary, path) != 0 { unlink(temporary) }
    }

    /// The lines of this kernel that hold two numbers which can be true, and tell something.
    private static func parse(_ text: String, _ kernel: String) -> [String: HeapMeasurement] {
        var found: [String: HeapMeasurement] = [:]
        for line in text.split(separator: "\n").prefix(mostLines) {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count == 4, fields[0] == kernel, let read = Double(fields[2]), let base = Double(fields[3]),
                read.isFinite, base.isFinite, read > 0, base > 0
            else { continue }
            let measured = HeapMeasurement(millisecondsPerMegabyte: read, ordinaryMillisecondsPerMegabyte: base)
            if measured.caching != .unsure { found[String(fields[1])] = measured }
        }
        return found
    }

    /// Whole lines only: half a number is another number.
    private static func read(_ path: String) -> String? {
        guard let file = try? FileDescriptor.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { return nil }
        var bytes = [UInt8](repeating: 0, count: mostBytes)
        let count = retrying { Glibc.read(file.rawValue, &bytes, bytes.count) }
        guard count > 0, let end = bytes[..<count].lastIndex(of: UInt8(ascii: "\n")) else { return nil }
        return String(decoding: bytes[...end], as: UTF8.self)
    }

    /// Release and build of the running kernel (uname(2)).
    private static func kernelName() -> String {
        var names = utsname()
        uname(&names)
        return "\(string(names.release)) \(string(names.version)) \(string(names.machine))"
    }
}
