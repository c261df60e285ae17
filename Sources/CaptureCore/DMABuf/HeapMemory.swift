import Glibc
import LinuxSystem
import Synchronization

/// Remembers what was measured, by kernel and heap: a measurement holds until the kernel changes or somebody asks for a
/// new one. One line a heap in a small text file: `KERNEL<tab>HEAP<tab>ms/MB<tab>ordinary ms/MB`.
public final class HeapMemory: Sendable {
    /// Read at most so much of the file; it is written by camd, but lies where others may write, too.
    private static let mostBytes = 64 * 1024
    private static let mostLines = 128

    private let path: String?
    private let kernel: String
    private let known: Mutex<[String: HeapMeasurement]>

    /// `folder`: where the file lies; nil remembers only as long as this object lives.
    public init(folder: String?) {
        kernel = Self.kernelName()
        path = folder.map { $0 + "/heaps" }
        var found: [String: HeapMeasurement] = [:]
        if let path, let text = Self.read(path) {
            for line in text.split(separator: "\n").prefix(Self.mostLines) {
                let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
                guard fields.count == 4, fields[0] == kernel, let read = Double(fields[2]),
                    let base = Double(fields[3]),
                    read.isFinite, base.isFinite, read > 0, base > 0
                else { continue }
                found[String(fields[1])] = HeapMeasurement(
                    millisecondsPerMegabyte: read, ordinaryMillisecondsPerMegabyte: base)
            }
        }
        known = Mutex(found)
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

    /// What is known of a source, measured now if nothing is or if `again`.
    public func measurement(of source: BufferSource, again: Bool = false) throws(CamdError) -> HeapMeasurement {
        if !again, let found = known.withLock({ $0[source.name] }) { return found }
        let measured = try HeapProbe.measure(source)
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
        let text = all.sorted { $0.key < $1.key }.map { name, value in
            "\(kernel)\t\(name)\t\(value.millisecondsPerMegabyte)\t\(value.ordinaryMillisecondsPerMegabyte)\n"
        }.joined()
        let temporary = "\(path).\(getpid())"
        guard let file = try? FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
        else { return }
        let bytes = Array(text.utf8)
        let written = write(file.rawValue, bytes, bytes.count)
        if written != bytes.count || rename(temporary, path) != 0 { unlink(temporary) }
    }

    private static func read(_ path: String) -> String? {
        guard let file = try? FileDescriptor.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { return nil }
        var bytes = [UInt8](repeating: 0, count: mostBytes)
        let count = Glibc.read(file.rawValue, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[0..<count], as: UTF8.self) : nil
    }

    /// Release and build of the running kernel (uname(2)).
    private static func kernelName() -> String {
        var names = utsname()
        uname(&names)
        return "\(string(names.release)) \(string(names.version)) \(string(names.machine))"
    }
}
