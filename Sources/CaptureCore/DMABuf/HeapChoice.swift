import LinuxSystem

/// Where buffers are to come from, in the order to be tried, and what was left out and why.
public struct HeapChoice: Sendable {
    /// A source that is not even tried.
    public struct Refusal: Sendable, Hashable {
        public var source: BufferSource
        /// Why, in words.
        public var cause: String
        /// What to do about it, where something can be done.
        public var remedy: String?

        /// Both in one line.
        public var reason: String {
            guard let remedy else { return cause }
            return cause + (cause.hasSuffix(".") ? " " : ". ") + remedy
        }
    }

    public var sources: [BufferSource]
    /// What was not even tried; the path says `import:` for a camera's buffers.
    public var refusals: [Refusal]
    /// Why the first one is first.
    public var reason: String

    /// What is known of a source when it is chosen.
    public struct Candidate: Sendable {
        public var source: BufferSource
        /// As measured; nil where it was not.
        public var caching: HeapMeasurement.Caching?
        /// Why it gave no buffer, if so.
        public var failure: CamdError?
        /// What its name tells; of a link, the name that it leads to. Nil for what is no heap.
        let name: HeapName?
        /// Its device's number, nil where it has none: two nodes with one number are one heap.
        let device: UInt64?

        public init(source: BufferSource, caching: HeapMeasurement.Caching?, failure: CamdError? = nil) {
            if case .heap(let heap) = source {
                self.init(
                    source: source, caching: caching, failure: failure, name: heap.parsedName, device: heap.device)
            } else {
                self.init(source: source, caching: caching, failure: failure, name: nil, device: nil)
            }
        }

        init(
            source: BufferSource, caching: HeapMeasurement.Caching?, failure: CamdError?, name: HeapName?,
            device: UInt64?
        ) {
            self.source = source
            self.caching = caching
            self.failure = failure
            self.name = name
            self.device = device
        }

        /// Whether the other one gives the very same buffers, so that trying both would tell nothing new: one device, or
        /// two names of one region that were measured to be alike. A region may be there twice, cached and uncached.
        func isSame(as other: Candidate) -> Bool {
            guard let name, let theirs = other.name else { return false }
            if let device, device == other.device { return true }
            guard name.isSameRegion(as: theirs), let caching else { return false }
            return caching == other.caching
        }

        /// Of two that are the same, the one to go by: the name that keeps to the rules, and the node before the link.
        var isNamedWell: Bool { name?.conforms == true && name?.text == source.plainName }

        /// Why no buffer of it may be used, whatever the user says; nil when it may.
        func unfitness(for need: MemoryNeed) -> String? {
            if name?.isProtected == true { return "its memory is protected, no CPU can read it" }
            if need == .contiguousUnchecked, name?.isContiguous != true {
                return "the camera needs one piece of memory, and its driver would not notice pieces"
            }
            return nil
        }
    }

    /// What the user named, in that order.
    init(configured sources: [BufferSource], refusals: [Refusal]) {
        self.sources = sources
        self.refusals = refusals
        reason = "configured"
    }

    /// Chooses among what there is. Pure: what was measured comes in.
    ///
    /// What has two names is tried once, under the better one. Memory that the CPU reads slowly comes last, after udmabuf.
    /// Protected memory is never taken: a CPU reads all that camd allocates.
    public init(_ candidates: [Candidate], need: MemoryNeed) {
        var usable: [Candidate] = []
        refusals = []
        for candidate in candidates {
            if let failure = candidate.failure {
                refusals.append(
                    Refusal(source: candidate.source, cause: failure.withoutRemedy, remedy: failure.remedy))
            } else if let cause = candidate.unfitness(for: need) {
                refusals.append(Refusal(source: candidate.source, cause: cause, remedy: nil))
            } else if let same = usable.firstIndex(where: { $0.isSame(as: candidate) }) {
                let isBetter = Self.isBetter(candidate, than: usable[same], need)
                let other = isBetter ? usable[same] : candidate
                if isBetter { usable[same] = candidate }
                refusals.append(
                    Refusal(
                        source: other.source, cause: "it is another name of \(usable[same].source.plainName)",
                        remedy: nil))
            } else {
                usable.append(candidate)
            }
        }
        let ranked = usable.enumerated().sorted { a, b in
            (Self.rank(a.element, need), a.offset) < (Self.rank(b.element, need), b.offset)
        }
        sources = ranked.map(\.element.source)
        reason = Self.reason(ranked.first?.element, need, isRefused: !refusals.isEmpty)
    }

    /// One device that was measured twice may have come out differently: the better measurement counts first.
    private static func isBetter(_ one: Candidate, than other: Candidate, _ need: MemoryNeed) -> Bool {
        let ranks = (rank(one, need), rank(other, need))
        return ranks.0 != ranks.1 ? ranks.0 < ranks.1 : one.isNamedWell && !other.isNamedWell
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

    private static func reason(_ first: Candidate?, _ need: MemoryNeed, isRefused: Bool) -> String {
        guard let first else {
            return isRefused ? "no heap can be used, and no udmabuf" : "there is no heap and no udmabuf"
        }
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
