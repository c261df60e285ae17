/// The name of a dma-buf heap, read by the kernel's naming rules (Documentation/userspace-api/dma-buf-heaps.rst): it is
/// stable, tells which memory region the buffers come from, says nothing of the allocator, and may tell properties of the
/// buffers and what they are meant for.
///
/// Any name can be used. What a name does not tell is not known, and is never guessed: caching is measured, and a region
/// counts as contiguous only where its kind is known to be.
public struct HeapName: Hashable, Sendable, CustomStringConvertible {
    /// What a name tells of a heap's buffers.
    public enum Property: String, Hashable, Sendable, CaseIterable {
        case cacheable, uncacheable, contiguous, protected
    }

    /// What the buffers are made of.
    public enum Kind: Hashable, Sendable {
        /// Pages from anywhere (`system`, and vendors' own).
        case system
        /// Unencrypted pages of a confidential guest (`system_cc_shared`).
        case sharedWithHost
        /// The default contiguous area, under its fixed name or an older one.
        case defaultContiguous
        /// A reserved region, by its name in the device tree: REGION@ADDRESS.
        case reservedRegion
        /// Memory that only a trusted environment sees.
        case trusted
        case unknown
    }

    /// A naming rule that a name breaks.
    public enum Violation: Hashable, Sendable, CustomStringConvertible {
        /// A word of the name is an allocator's.
        case namesAllocator(String)
        /// It does not tell which region.
        case namesNoRegion
        /// Contradicting or repeated properties.
        case contradictsItself(String)
        /// A form that only one vendor's kernels have.
        case vendorForm

        public var description: String {
            switch self {
            case .namesAllocator(let word): "it names the allocator (\(word))"
            case .namesNoRegion: "it does not say which memory region it is"
            case .contradictsItself(let words): "it contradicts itself (\(words))"
            case .vendorForm: "it is a vendor's own form"
            }
        }
    }

    /// The name as it stands in /dev/dma_heap.
    public let text: String
    public let kind: Kind
    /// The region without address and properties: `memory`, `video`, `system`.
    public let region: String
    /// The region's physical address, where the name has one.
    public let address: UInt64?
    public let properties: Set<Property>
    /// What the buffers are meant for, where the name says so: `video`, `secure-video`.
    public let intendedUse: String?
    public let violations: [Violation]

    public var conforms: Bool { violations.isEmpty }
    public var description: String { text }

    /// Whether the buffers are in one piece; nil where the name does not tell and its kind is not known to be.
    public var isContiguous: Bool? {
        if properties.contains(.contiguous) { return true }
        switch kind {
        case .system, .sharedWithHost: return false
        // CMA areas and reserved regions of the device tree become heaps only as contiguous areas.
        case .defaultContiguous, .reservedRegion: return true
        case .trusted, .unknown: return nil
        }
    }

    /// A CPU cannot read such buffers at all.
    public var isProtected: Bool { kind == .trusted || properties.contains(.protected) }

    /// Whether two names stand for the same memory: the default area under an older and its fixed name, or one address.
    public func isSameRegion(as other: HeapName) -> Bool {
        if text == other.text { return true }
        if let address, let theirs = other.address { return address == theirs }
        return kind == .defaultContiguous && other.kind == .defaultContiguous
    }

    public init(_ text: String) {
        self.text = text
        if let known = Self.known[text] {
            kind = known.kind
            region = known.region ?? text
            address = nil
            properties = known.properties
            intendedUse = known.use
            violations = known.violations
            return
        }
        if text == "protected" || text.hasPrefix("protected,") {
            kind = .trusted
            region = text
            address = nil
            properties = [.protected]
            intendedUse = text == "protected" ? nil : String(text.dropFirst("protected,".count))
            violations = []
            return
        }
        let parsed = Self.parse(text)
        kind = parsed.kind
        region = parsed.region
        address = parsed.address
        properties = parsed.properties
        intendedUse = parsed.use
        violations = parsed.violations
    }

    private struct Known {
        var kind: Kind
        var region: String?
        var properties: Set<Property> = []
        var use: String?
        var violations: [Violation] = []
    }

    /// Names that the kernel or a vendor fixed, which no rule would read rightly.
    private static let known: [String: Known] = [
        "system": Known(kind: .system),
        "system_cc_shared": Known(kind: .sharedWithHost),
        // The fixed name since 6.17; documented, so it stands above the rule about allocators.
        "default_cma_region": Known(kind: .defaultContiguous),
        "reserved": Known(
            kind: .defaultContiguous, region: "default_cma_region", violations: [.namesNoRegion]),
        "linux,cma": Known(
            kind: .defaultContiguous, region: "default_cma_region", violations: [.namesAllocator("cma")]),
        "default-pool": Known(
            kind: .defaultContiguous, region: "default_cma_region", violations: [.namesNoRegion]),
        "system-uncached": Known(
            kind: .system, region: "system", properties: [.uncacheable], violations: [.vendorForm]),
        "qcom,system": Known(kind: .system, violations: [.vendorForm]),
        "qcom,system-uncached": Known(
            kind: .system, region: "qcom,system", properties: [.uncacheable], violations: [.vendorForm]),
        "mtk_mm": Known(kind: .system, violations: [.vendorForm]),
        "mtk_mm-uncached": Known(
            kind: .system, region: "mtk_mm", properties: [.uncacheable], violations: [.vendorForm]),
        // A udev link on the Raspberry Pi, to `system` or to the default contiguous area: see Heap.parsedName.
        "vidbuf_cached": Known(
            kind: .unknown, region: "vidbuf", properties: [.cacheable], use: "video", violations: [.vendorForm]),
    ]

    private static let allocators: Set<Substring> = [
        "cma", "ion", "carveout", "chunk", "kmalloc", "buddy", "pool", "dma",
    ]
    private static let synonyms: [Substring: Property] = [
        "cacheable": .cacheable, "cached": .cacheable, "uncacheable": .uncacheable, "uncached": .uncacheable,
        "contiguous": .contiguous, "protected": .protected,
    ]

    private struct Parsed {
        var kind = Kind.unknown
        var region = ""
        var address: UInt64?
        var properties: Set<Property> = []
        var use: String?
        var violations: [Violation] = []
    }

    /// REGION[@ADDRESS][-PROPERTY ...]; properties stand at the end, each once.
    private static func parse(_ text: String) -> Parsed {
        var parsed = Parsed()
        var words = text.split(separator: "-", omittingEmptySubsequences: false)
        while words.count > 1, let last = words.last, let property = synonyms[last] {
            if !parsed.properties.insert(property).inserted {
                parsed.violations.append(.contradictsItself(String(last)))
            }
            // "cached" is vendors' word for what the rules call cacheable.
            if last == "cached" || last == "uncached" { parsed.violations.append(.vendorForm) }
            words.removeLast()
        }
        if parsed.properties.isSuperset(of: [.cacheable, .uncacheable]) {
            parsed.violations.append(.contradictsItself("cacheable, uncacheable"))
        }
        let base = words.joined(separator: "-")
        let halves = base.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        parsed.region = String(halves[0])
        if halves.count == 2 {
            parsed.address = address(halves[1])
            if parsed.address == nil || halves[0].isEmpty {
                parsed.violations.append(.namesNoRegion)
            } else {
                parsed.kind = .reservedRegion
            }
        } else if base.isEmpty {
            parsed.violations.append(.namesNoRegion)
        }
        if parsed.region != "memory", !parsed.region.isEmpty, parsed.address != nil { parsed.use = parsed.region }
        for word in parsed.region.split(whereSeparator: { "-_,.".contains($0) }) where allocators.contains(word) {
            parsed.violations.append(.namesAllocator(String(word)))
        }
        if parsed.region.contains(",") { parsed.violations.append(.vendorForm) }
        return parsed
    }

    /// 1 to 16 hexadecimal digits and nothing else: Swift's own reading would take a sign, too.
    private static func address(_ text: Substring) -> UInt64? {
        let isDigits = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"):
                true
            default: false
            }
        }
        return isDigits && text.utf8.count <= 16 ? UInt64(text, radix: 16) : nil
    }
}
