import CaptureCore
import LinuxSystem

/// What this machine has: where `list`, `heaps` and `doctor` get what they say.
enum Inventory {
    /// The cameras of this machine.
    static func cameras() throws(CamdError) -> [CameraListing] {
        CameraEnumerator.list().map { camera in
            CameraListing(
                id: camera.id, name: camera.name, driver: camera.driver, bus: camera.bus, node: camera.node,
                formats: camera.formats.map { .init(fourcc: $0.format.description, sizes: texts($0.sizes)) })
        }
    }

    /// Every heap with what its name tells and, with `probe`, what is measured now; and which one a camera with no
    /// special needs gets.
    static func heaps(probe: Bool) throws(CamdError) -> HeapsReport {
        var entries: [HeapsReport.Entry] = []
        let heaps = Heap.all()
        for heap in heaps {
            let name = heap.parsedName
            var entry = HeapsReport.Entry(
                name: heap.name, path: heap.path, properties: name.properties.map(\.rawValue).sorted(),
                conforms: HeapName(heap.name).conforms, cached: nil, readMillisecondsPerMegabyte: nil,
                contiguous: name.isContiguous,
                breaks: HeapName(heap.name).violations.map(\.description),
                sameAs: heaps.filter { $0 != heap && $0.isSameRegion(as: heap) }.map(\.name), error: nil)
            if probe, !name.isProtected {
                do throws(CamdError) {
                    let measured = try HeapMemory.standard.measurement(of: .heap(heap), again: true)
                    entry.cached = measured.caching == .unsure ? nil : measured.caching == .cached
                    entry.caching = measured.caching.rawValue
                    entry.readMillisecondsPerMegabyte = measured.millisecondsPerMegabyte
                    entry.ordinaryMillisecondsPerMegabyte = measured.ordinaryMillisecondsPerMegabyte
                } catch {
                    entry.error = error.description
                }
            }
            entries.append(entry)
        }
        let choice = try HeapChoice.forMachine(heaps: [], need: .anything, bytes: 1 << 20)
        return HeapsReport(heaps: entries, chosen: choice.sources.first.map(name), reason: choice.reason)
    }

    private static func name(_ source: BufferSource) -> String {
        if case .heap(let heap) = source { heap.name } else { source.name }
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
struct HeapsReport: Codable, Sendable, Equatable {
    struct Entry: Codable, Sendable, Equatable {
        var name: String
        var path: String
        /// What the name tells of the buffers, e.g. `contiguous`.
        var properties: [String]
        /// Whether the name keeps to the kernel's naming rules.
        var conforms: Bool
        /// Whether the CPU reads its buffers as fast as ordinary memory, as measured; nil: not measured, or unsure.
        var cached: Bool?
        /// The same in words: `cached`, `unsure` or `uncached`; nil: not measured.
        var caching: String?
        /// Milliseconds in which the CPU reads a megabyte of it; nil: not measured.
        var readMillisecondsPerMegabyte: Double?
        /// The same of ordinary memory.
        var ordinaryMillisecondsPerMegabyte: Double?
        /// Nil: not known.
        var contiguous: Bool?
        /// The naming rules that the name breaks.
        var breaks: [String]
        /// Other names of the same memory.
        var sameAs: [String]
        /// Why it could not be measured.
        var error: String?

        enum CodingKeys: String, CodingKey {
            case name, path, properties, conforms, cached, caching
            case readMillisecondsPerMegabyte = "read_ms_per_mb"
            case ordinaryMillisecondsPerMegabyte = "ordinary_ms_per_mb"
            case contiguous, breaks
            case sameAs = "same_as"
            case error
        }

        /// Writes the keys of the contract always, null where a value is not known.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(path, forKey: .path)
            try container.encode(properties, forKey: .properties)
            try container.encode(conforms, forKey: .conforms)
            try container.encode(cached, forKey: .cached)
            try container.encode(caching, forKey: .caching)
            try container.encode(readMillisecondsPerMegabyte, forKey: .readMillisecondsPerMegabyte)
            try container.encode(ordinaryMillisecondsPerMegabyte, forKey: .ordinaryMillisecondsPerMegabyte)
            try container.encode(contiguous, forKey: .contiguous)
            try container.encode(breaks, forKey: .breaks)
            try container.encode(sameAs, forKey: .sameAs)
            try container.encodeIfPresent(error, forKey: .error)
        }
    }

    var heaps: [Entry]
    /// What camd would take by itself: a heap's name, `udmabuf`, or nil for neither.
    var chosen: String?
    /// Why that one.
    var reason: String

    enum CodingKeys: String, CodingKey { case heaps, chosen, reason }

    /// Writes all keys, null where nothing was chosen.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(heaps, forKey: .heaps)
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
    /// The paths that the camera's frames take; nil where no camera was tried, or it did not open.
    var path: CameraStatus.Path?
    var refused: [CameraStatus.Refusal]
    /// All that is needed works.
    var ok: Bool
}
