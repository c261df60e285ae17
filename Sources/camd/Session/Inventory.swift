import CaptureCore
import LinuxSystem

/// What this machine has: where `list`, `heaps` and `doctor` get what they say.
enum Inventory {
    /// The cameras of this machine.
    static func cameras() throws(CamdError) -> [CameraListing] {
        CameraEnumerator.list().map { camera in
            CameraListing(
                id: camera.id, name: camera.name, driver: camera.driver, bus: camera.bus, node: camera.node,
                formats: camera.formats.map {
                    .init(
                        fourcc: $0.format.description, sizes: texts($0.sizes),
                        reader: FormatAccess($0.format)?.rawValue)
                })
        }
    }

    /// Every heap with what its name tells and what was measured of it, udmabuf, and which one a camera with no special
    /// needs gets. `probe` measures all of them now; else only what was never measured.
    static func heaps(probe: Bool) throws(CamdError) -> HeapsReport {
        let memory = HeapMemory.standard
        if probe {
            for source in BufferSource.everything where !isProtected(source) {
                // What fails here fails once more below, where it is told.
                _ = try? memory.measurement(of: source, again: true)
            }
        }
        let choice = try HeapChoice.forMachine(heaps: [], need: .anything, bytes: 1 << 20)
        let heaps = Heap.all()
        let entries = heaps.map { heap in
            let name = HeapName(heap.name)
            return HeapsReport.Entry(
                name: heap.name, path: heap.path, properties: heap.parsedName.properties.map(\.rawValue).sorted(),
                conforms: name.conforms, measured: measured(.heap(heap), choice, memory),
                contiguous: heap.parsedName.isContiguous, breaks: name.violations.map(\.description),
                sameAs: heaps.filter { $0 != heap && $0.isSameRegion(as: heap) }.map(\.name))
        }
        return HeapsReport(
            heaps: entries,
            udmabuf: Udmabuf.isPresent
                ? .init(path: Udmabuf.path, measured: measured(.udmabuf, choice, memory)) : nil,
            refused: choice.refusals.map {
                .init(name: $0.source.plainName, reason: $0.cause, remedy: $0.remedy)
            }, chosen: choice.sources.first?.plainName, reason: choice.reason)
    }

    /// What is known of a source's speed; why nothing is, where nothing could be measured.
    private static func measured(
        _ source: BufferSource, _ choice: HeapChoice, _ memory: HeapMemory
    ) -> HeapsReport.Measured {
        guard let found = memory.remembered(source) else {
            return .init(error: choice.refusals.first { $0.source == source }?.reason)
        }
        return .init(
            cached: found.caching == .unsure ? nil : found.caching == .cached, caching: found.caching.rawValue,
            readMillisecondsPerMegabyte: found.millisecondsPerMegabyte,
            ordinaryMillisecondsPerMegabyte: found.ordinaryMillisecondsPerMegabyte)
    }

    static func isProtected(_ source: BufferSource) -> Bool {
        if case .heap(let heap) = source { heap.parsedName.isProtected } else { false }
    }

    private static func texts(_ sizes: FrameSizes) -> [String] {
        switch sizes {
        case .discrete(let list): list.map(\.description)
        case .range(let smallest, let largest, let stepWidth, let stepHeight):
            ["\(smallest)-\(largest)/\(stepWidth)x\(stepHeight)"]
        case .unknown: []
        }
    }
}

/// A camera in `camd list`. The keys are a contract: see docs/json.md.
struct CameraListing: Codable, Sendable, Equatable {
    struct Format: Codable, Sendable, Equatable {
        var fourcc: String
        /// `1280x720`, or `48x48-1920x1080/2x2`: from, to, and in which steps.
        var sizes: [String]
        /// Who reads such frames: `gpu`, `jpeg` or `v4lconvert`; nil where camd cannot.
        var reader: String?
    }

    /// Stable: by-id or by-path.
    var id: String
    var name: String
    var driver: String
    var bus: String
    var node: String
    var formats: [Format]
}

/// What `camd heaps` says.
struct HeapsReport: Encodable, Sendable, Equatable {
    /// How fast the CPU reads buffers, as measured.
    struct Measured: Encodable, Sendable, Equatable {
        /// Whether the CPU reads them as fast as ordinary memory; nil: not measured, or unsure.
        var cached: Bool?
        /// The same in words: `cached`, `unsure` or `uncached`; nil: not measured.
        var caching: String?
        /// Milliseconds in which the CPU reads a megabyte; nil: not measured.
        var readMillisecondsPerMegabyte: Double?
        /// The same of ordinary memory.
        var ordinaryMillisecondsPerMegabyte: Double?
        /// Why it could not be measured.
        var error: String?

        enum CodingKeys: String, CodingKey {
            case cached, caching
            case readMillisecondsPerMegabyte = "read_ms_per_mb"
            case ordinaryMillisecondsPerMegabyte = "ordinary_ms_per_mb"
            case error
        }

        /// Writes null where a value is not known.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(cached, forKey: .cached)
            try container.encode(caching, forKey: .caching)
            try container.encode(readMillisecondsPerMegabyte, forKey: .readMillisecondsPerMegabyte)
            try container.encode(ordinaryMillisecondsPerMegabyte, forKey: .ordinaryMillisecondsPerMegabyte)
            try container.encodeIfPresent(error, forKey: .error)
        }
    }

    struct Entry: Encodable, Sendable, Equatable {
        var name: String
        var path: String
        /// What the name tells of the buffers, e.g. `contiguous`.
        var properties: [String]
        /// Whether the name keeps to the kernel's naming rules.
        var conforms: Bool
        var measured: Measured
        /// Nil: not known.
        var contiguous: Bool?
        /// The naming rules that the name breaks.
        var breaks: [String]
        /// Other names of the same region.
        var sameAs: [String]

        enum CodingKeys: String, CodingKey {
            case name, path, properties, conforms, contiguous, breaks
            case sameAs = "same_as"
        }

        /// What was measured stands beside the other keys; those of the contract are there always, null where a value is
        /// not known.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(path, forKey: .path)
            try container.encode(properties, forKey: .properties)
            try container.encode(conforms, forKey: .conforms)
            try measured.encode(to: encoder)
            try container.encode(contiguous, forKey: .contiguous)
            try container.encode(breaks, forKey: .breaks)
            try container.encode(sameAs, forKey: .sameAs)
        }
    }

    /// udmabuf: dma-bufs of ordinary memory, never in one piece.
    struct OrdinaryMemory: Encodable, Sendable, Equatable {
        var path: String
        var measured: Measured

        enum CodingKeys: String, CodingKey { case path }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(path, forKey: .path)
            try measured.encode(to: encoder)
        }
    }

    /// What is not even tried.
    struct Refusal: Encodable, Sendable, Equatable {
        /// A heap's name, or `udmabuf`.
        var name: String
        /// Why.
        var reason: String
        /// What to do about it, where something can be done.
        var remedy: String?
    }

    var heaps: [Entry]
    /// Nil where its node is not there.
    var udmabuf: OrdinaryMemory?
    var refused: [Refusal]
    /// What camd would take by itself: a heap's name, `udmabuf`, or nil for neither.
    var chosen: String?
    /// Why that one.
    var reason: String

    enum CodingKeys: String, CodingKey { case heaps, udmabuf, refused, chosen, reason }

    /// Writes all keys, null where nothing was chosen, or no udmabuf is there.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(heaps, forKey: .heaps)
        try container.encode(udmabuf, forKey: .udmabuf)
        try container.encode(refused, forKey: .refused)
        try container.encode(chosen, forKey: .chosen)
        try container.encode(reason, forKey: .reason)
    }
}

/// What `camd doctor` says.
struct DoctorReport: Codable, Sendable, Equatable {
    struct Check: Codable, Sendable, Equatable {
        var name: String
        var ok: Bool
        /// camd cannot do its work without it.
        var needed: Bool
        /// What was found.
        var detail: String
        /// What to do about it.
        var remedy: String?
    }

    var checks: [Check]
    /// What camd allocates from where the camera takes any memory: a heap's name, `udmabuf`, or nil for neither.
    var chosen: String?
    /// Why that one.
    var reason: String?
    /// The paths that the camera's frames take; nil where no camera was tried, or it did not open.
    var path: CameraStatus.Path?
    var refused: [CameraStatus.Refusal]
    /// The GPU; nil where none was found.
    var gpu: CameraStatus.GPU?
    /// All that is needed works.
    var ok: Bool
}
