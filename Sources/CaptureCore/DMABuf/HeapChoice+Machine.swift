import Glibc
import LinuxSystem

extension HeapChoice {
    /// Looks at what this machine has now (heaps may have come since), measures what was never measured, and chooses.
    /// `heaps`: the names that the user wants, taken in their order; each has to exist, to give `bytes`, and not to be
    /// protected, or it is an error; what lies in `stock` need not be tried again.
    public static func forMachine(
        heaps: [String], need: MemoryNeed, bytes: Int, stock: BufferStock? = nil, memory: HeapMemory = .standard
    ) throws(CamdError) -> HeapChoice {
        guard heaps.isEmpty else { return try configured(heaps, need: need, bytes: bytes, stock) }
        var candidates: [Candidate] = []
        for source in BufferSource.everything {
            var candidate = Candidate(source: source, caching: nil)
            // Protected memory is not even measured: no CPU can read it.
            if candidate.name?.isProtected != true {
                do throws(CamdError) {
                    try source.checkAccess()
                    candidate.caching = try memory.measurement(of: source).caching
                } catch {
                    candidate.failure = error
                }
            }
            candidates.append(candidate)
        }
        return HeapChoice(candidates, need: need)
    }

    /// The user's order stands; what would corrupt memory stays out, and when that is all of it, it is an error.
    private static func configured(
        _ names: [String], need: MemoryNeed, bytes: Int, _ stock: BufferStock?
    ) throws(CamdError) -> HeapChoice {
        var sources: [BufferSource] = []
        var refusals: [Refusal] = []
        for name in names {
            let source: BufferSource = name == "udmabuf" ? .udmabuf : .heap(Heap(name: name))
            guard !sources.contains(source), !refusals.contains(where: { $0.source == source }) else { continue }
            let candidate = Candidate(source: source, caching: nil)
            if let cause = candidate.unfitness(for: .anything) {
                throw CamdError(
                    .configuration, subject: "heap \(name)", reason: cause, remedy: others(source, bytes, need))
            }
            do throws(CamdError) {
                if stock?.has(source, bytes) != true { _ = try source.allocate(bytes) }
            } catch {
                throw misconfigured(error, source, bytes, need)
            }
            if let cause = candidate.unfitness(for: need) {
                refusals.append(Refusal(source: source, cause: cause, remedy: nil))
            } else {
                sources.append(source)
            }
        }
        guard !sources.isEmpty else {
            throw CamdError(
                .configuration, subject: "heap \(refusals.map(\.source.plainName).joined(separator: ", "))",
                reason: "none of those that are named can be used: "
                    + refusals.map { "\($0.source.plainName): \($0.cause)" }.joined(separator: "; "),
                remedy: others(nil, bytes, need))
        }
        return HeapChoice(configured: sources, refusals: refusals)
    }

    /// That the user may not use a heap, or that this process has too many files open, is no fault of the name.
    private static func misconfigured(
        _ error: CamdError, _ source: BufferSource, _ bytes: Int, _ need: MemoryNeed
    ) -> CamdError {
        guard error.kind != .noPermission, error.errno != .tooManyFiles, error.errno != .tooManyFilesInSystem else {
            return error
        }
        var error = error
        error.kind = .configuration
        error.remedy = [error.remedy, others(source, bytes, need)].compactMap(\.self).joined(separator: " ")
        return error
    }

    /// What else could be named: what does give a buffer of that size, to this user, now.
    private static func others(_ failing: BufferSource?, _ bytes: Int, _ need: MemoryNeed) -> String {
        let names = BufferSource.everything.filter { source in
            source != failing && Candidate(source: source, caching: nil).unfitness(for: need) == nil
                && (try? source.allocate(bytes)) != nil
        }.map(\.plainName)
        return names.isEmpty
            ? "Nothing else here can be used; without --heap the driver's own memory is used."
            : "What can be used here: \(names.joined(separator: ", "))."
    }
}

extension HeapMemory {
    /// What this user's camd remembers.
    public static let standard = HeapMemory(folder: standardFolder())
}

extension Errno {
    fileprivate static let tooManyFiles = Errno(EMFILE)
    fileprivate static let tooManyFilesInSystem = Errno(ENFILE)
}
