import LinuxSystem

/// What a device needs of the memory that it is given.
public enum MemoryNeed: Sendable, Hashable {
    /// Any pages: it has an IOMMU, writes with the CPU, or checks for itself and refuses.
    case anything
    /// One piece; its driver refuses anything else.
    case contiguous
    /// One piece; its driver would not notice, and write where it may not.
    case contiguousUnchecked

    /// By the driver's name (VIDIOC_QUERYCAP) and whether an IOMMU stands before the device. Where nothing is known the
    /// driver is asked by trying: it refuses what it cannot use.
    public init(driver: String, hasIOMMU: Bool) {
        if hasIOMMU {
            self = .anything
            return
        }
        switch driver {
        // Takes the first segment of a scattered buffer for the whole of it.
        case "qcom-camss": self = .contiguousUnchecked
        case "imx-media", "imx7-csi", "imx-media-capture", "mx6s-csi", "sun6i-csi", "sun6i-video", "sun4i_csi",
            "unicam", "stm32-dcmi", "rkcif":
            self = .contiguous
        default: self = .anything
        }
    }
}

/// Where buffers are to come from, in the order to be tried, and what was left out and why.
public struct HeapChoice: Sendable {
    public var sources: [BufferSource]
    /// What was not even tried; the path says `import:` for a camera's buffers.
    public var refusals: [(source: BufferSource, reason: String)]
    /// Why the first one is first.
    public var reason: String

    /// What is known of a heap when it is chosen.
    public struct Candidate: Sendable {
        public var source: BufferSource
        public var caching: HeapMeasurement.Caching?
        /// Why it gave no buffer, if so.
        public var failure: String?

        public init(source: BufferSource, caching: HeapMeasurement.Caching?, failure: String? = nil) {
            self.source = source
            self.caching = caching
            self.failure = failure
        }

        /// Two nodes of one region; also by links, where the nodes exist.
        func isSameRegion(as other: Candidate) -> Bool {
            guard case .heap(let mine) = source, case .heap(let theirs) = other.source else { return false }
            return mine.isSameRegion(as: theirs)
        }

        var name: HeapName? { if case .heap(let heap) = source { heap.parsedName } else { nil } }
    }

    /// Chooses among what there is. Pure: what was measured comes in.
    ///
    /// A region that has two names is tried once, under the one that conforms. Memory that the CPU reads slowly comes
    /// last, after udmabuf. Protected memory is never taken: a CPU reads all that camd allocates.
    public init(_ candidates: [Candidate], need: MemoryNeed) {
        var usable: [Candidate] = []
        refusals = []
        for candidate in candidates {
            if let failure = candidate.failure {
                refusals.append((candidate.source, failure))
            } else if candidate.name?.isProtected == true {
                refusals.append((candidate.source, "its memory is protected, no CPU can read it"))
            } else if need == .contiguousUnchecked, candidate.name?.isContiguous != true {
                refusals.append(
                    (candidate.source, "the camera needs one piece of memory, and its driver would not notice pieces"))
            } else if let name = candidate.name, let same = usable.firstIndex(where: { $0.isSameRegion(as: candidate) })
            {
                let isBetter = name.conforms && usable[same].name?.conforms == false
                let other = isBetter ? usable[same] : candidate
                if isBetter { usable[same] = candidate }
                let kept = usable[same].name?.text ?? ""
                refusals.append((other.source, "it is another name of the region \(kept)"))
            } else {
                usable.append(candidate)
            }
        }
        let ranked = usable.enumerated().sorted { a, b in
            (Self.rank(a.element, need), a.offset) < (Self.rank(b.element, need), b.offset)
        }
        sources = ranked.map(\.element.source)
        reason = Self.reason(ranked.first?.element, need)
    }

    /// Lower is better: reading speed counts most, then whether the device takes it.
    private static func rank(_ candidate: Candidate, _ need: MemoryNeed) -> Int {
        let speed: Int
        switch candidate.caching {
        case .cached?: speed = 0
        case .unsure?: speed = 20
        case nil: speed = 10
        case .uncached?: speed = 40
        }
        let isContiguous = candidate.name?.isContiguous ?? false
        // Contiguous areas are small: who does not need one leaves it to those who do.
        let fit = need == .anything ? (isContiguous ? 1 : 0) : (isContiguous ? 0 : 1)
        let isHeap = candidate.name != nil
        return speed + fit * 2 + (isHeap ? 0 : 1)
    }

    private static func reason(_ first: Candidate?, _ need: MemoryNeed) -> String {
        guard let first else { return "there is no heap and no udmabuf that can be used" }
        var parts: [String] = []
        switch first.caching {
        case .cached?: parts.append("measured as cached")
        case .unsure?: parts.append("whether it is cached is unsure; nothing surer is there")
        case .uncached?: parts.append("measured as uncached; nothing better is there")
        case nil: parts.append("not measured")
        }
        let isContiguous = first.name?.isContiguous ?? false
        if need != .anything {
            parts.append(isContiguous ? "contiguous, as the camera needs" : "no contiguous one is there")
        }
        if first.name == nil { parts.append("no heap is better") }
        return parts.joined(separator: ", ")
    }
}

extension HeapChoice {
    /// Looks at what this machine has now (heaps may have come since), measures what was never measured, and chooses.
    /// `heaps`: the names that the user wants, taken in their order; each has to exist, to give `bytes`, and not to be
    /// protected, or it is an error; what lies in `stock` need not be tried again.
    public static func forMachine(
        heaps: [String], need: MemoryNeed, bytes: Int, stock: BufferStock? = nil, memory: HeapMemory = .standard
    ) throws(CamdError) -> HeapChoice {
        guard heaps.isEmpty else {
            var sources: [BufferSource] = []
            for name in heaps {
                if HeapName(name).isProtected {
                    throw CamdError(
                        .configuration, subject: "heap \(name)", reason: "its memory is protected, no CPU can read it",
                        remedy: "Choose another: \(Heap.all().map(\.name).joined(separator: ", ")).")
                }
                let source: BufferSource = name == "udmabuf" ? .udmabuf : .heap(Heap(name: name))
                if stock?.has(source, bytes) != true { _ = try source.allocate(bytes) }
                sources.append(source)
            }
            var choice = HeapChoice(sources.map { Candidate(source: $0, caching: nil) }, need: need)
            // The user's order stands; what would corrupt memory stays out.
            choice.sources = sources.filter { source in choice.sources.contains(source) }
            choice.reason = "configured"
            return choice
        }
        var candidates: [Candidate] = []
        for source in BufferSource.everything {
            if case .heap(let heap) = source, heap.parsedName.isProtected {
                candidates.append(Candidate(source: source, caching: nil))
                continue
            }
            do throws(CamdError) {
                candidates.append(Candidate(source: source, caching: try memory.measurement(of: source).caching))
            } catch {
                candidates.append(Candidate(source: source, caching: nil, failure: error.description))
            }
        }
        return HeapChoice(candidates, need: need)
    }
}

extension HeapMemory {
    /// What this user's camd remembers.
    public static let standard = HeapMemory(folder: standardFolder())
}
