import LinuxSystem
import Testing

@testable import CaptureCore

@Suite struct HeapChoiceTests {
    typealias Caching = HeapMeasurement.Caching

    static let needs: [MemoryNeed] = [.anything, .contiguous, .contiguousUnchecked]
    static let cachings: [Caching?] = [.cached, nil, .unsure, .uncached]

    private static func heap(
        _ name: String, _ caching: Caching?, device: UInt64? = nil, fails: Bool = false
    ) -> HeapChoice.Candidate {
        HeapChoice.Candidate(
            source: .heap(Heap(name: name)), caching: caching,
            failure: fails
                ? CamdError(
                    call: "open", errno: .accessDenied, subject: "heap \(name)", remedy: "Join the group.") : nil,
            name: HeapName(name), device: device)
    }

    private static func udmabuf(_ caching: Caching?) -> HeapChoice.Candidate {
        HeapChoice.Candidate(source: .udmabuf, caching: caching)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var candidates: [HeapChoice.Candidate]
        /// For each need the sources in their order.
        var anything: [String]
        var contiguous: [String]
        var unchecked: [String]

        init(
            _ title: String, _ candidates: [HeapChoice.Candidate], anything: [String], contiguous: [String]? = nil,
            unchecked: [String] = []
        ) {
            testDescription = title
            self.candidates = candidates
            self.anything = anything
            self.contiguous = contiguous ?? anything
            self.unchecked = unchecked
        }

        func expected(_ need: MemoryNeed) -> [String] {
            switch need {
            case .anything: anything
            case .contiguous: contiguous
            case .contiguousUnchecked: unchecked
            }
        }
    }

    static let table: [Row] = [
        Row("nothing", [], anything: []),
        Row("udmabuf alone", [udmabuf(.cached)], anything: ["udmabuf"]),
        Row("system", [heap("system", .cached), udmabuf(.cached)], anything: ["system", "udmabuf"]),
        Row(
            "contiguous memory is left to who needs it",
            [heap("default_cma_region", .cached), heap("system", .cached), udmabuf(.cached)],
            anything: ["system", "udmabuf", "default_cma_region"],
            contiguous: ["default_cma_region", "system", "udmabuf"], unchecked: ["default_cma_region"]),
        Row(
            "cached, not measured, unsure, uncached",
            [
                heap("video@4", .uncached), heap("video@3", .unsure), heap("video@2", nil), heap("video@1", .cached),
            ], anything: ["video@1", "video@2", "video@3", "video@4"],
            unchecked: ["video@1", "video@2", "video@3", "video@4"]),
        Row(
            "slow memory comes after udmabuf, whatever the camera needs",
            [heap("default_cma_region", .uncached), udmabuf(.cached)], anything: ["udmabuf", "default_cma_region"],
            unchecked: ["default_cma_region"]),
        Row(
            "speed counts more than fit",
            [heap("system", .unsure), heap("default_cma_region", .cached)], anything: ["default_cma_region", "system"],
            unchecked: ["default_cma_region"]),
        Row(
            "of equals the first", [heap("video@2", .cached), heap("video@1", .cached)],
            anything: ["video@2", "video@1"],
            unchecked: ["video@2", "video@1"]),
        Row(
            "an unknown name is used, but never unchecked", [heap("vram", .cached)], anything: ["vram"]),
        Row(
            "a name that says contiguous is taken at its word", [heap("sram-contiguous", .cached)],
            anything: ["sram-contiguous"], unchecked: ["sram-contiguous"]),
        Row(
            "protected memory is never taken",
            [
                heap("protected,secure-video", .cached), heap("vpu@9-protected", .cached),
                heap("camera-protected", nil), heap("system", .uncached),
            ], anything: ["system"]),
        Row(
            "what fails is not taken", [heap("system", .cached, fails: true), udmabuf(.unsure)], anything: ["udmabuf"]),
        Row(
            "two names of one region that are alike: the one that conforms",
            [heap("reserved", .cached), heap("default_cma_region", .cached), heap("linux,cma", .cached)],
            anything: ["default_cma_region"], unchecked: ["default_cma_region"]),
        Row(
            "one region, cached and uncached: both, the cached one first",
            [
                heap("memory@42000000-uncacheable", .uncached), heap("memory@42000000-cacheable", .cached),
                udmabuf(.cached),
            ], anything: ["udmabuf", "memory@42000000-cacheable", "memory@42000000-uncacheable"],
            contiguous: ["memory@42000000-cacheable", "udmabuf", "memory@42000000-uncacheable"],
            unchecked: ["memory@42000000-cacheable", "memory@42000000-uncacheable"]),
        Row(
            "an uncached name that conforms does not hide a cached one that does not",
            [heap("default_cma_region", .uncached), heap("reserved", .cached)],
            anything: ["reserved", "default_cma_region"], unchecked: ["reserved", "default_cma_region"]),
        Row(
            "a name that fails does not hide the other",
            [heap("default_cma_region", nil, fails: true), heap("reserved", .cached)], anything: ["reserved"],
            unchecked: ["reserved"]),
        Row(
            "a third name is compared with all that stay",
            [heap("reserved", .uncached), heap("linux,cma", .cached), heap("default_cma_region", .cached)],
            anything: ["default_cma_region", "reserved"], unchecked: ["default_cma_region", "reserved"]),
        Row(
            "names that nobody measured may be different memory",
            [heap("reserved", nil), heap("default_cma_region", nil)], anything: ["reserved", "default_cma_region"],
            unchecked: ["reserved", "default_cma_region"]),
        Row(
            "one device under two names: once, by its better measurement",
            [heap("vram", .uncached, device: 7), heap("sram", .cached, device: 7)], anything: ["sram"]),
        Row(
            "two devices that nobody can compare are two heaps",
            [heap("vram", .cached, device: 7), heap("sram", .cached, device: 8)], anything: ["vram", "sram"]),
    ]

    @Test(arguments: table)
    func `sources are ordered by speed, then by fit`(_ row: Row) {
        for need in Self.needs {
            let choice = HeapChoice(row.candidates, need: need)
            #expect(choice.sources.map(\.plainName) == row.expected(need), "\(need): \(choice.refusals)")
            // Whatever is not taken is told.
            #expect(choice.sources.count + choice.refusals.count == row.candidates.count)
        }
    }

    @Test func `of two names of one region one is dropped only where both were measured to be alike`() {
        for one in Self.cachings {
            for other in Self.cachings {
                for need in Self.needs {
                    let choice = HeapChoice(
                        [Self.heap("reserved", one), Self.heap("default_cma_region", other)], need: need)
                    let names = choice.sources.map(\.plainName)
                    if let one, one == other {
                        #expect(names == ["default_cma_region"])
                        #expect(choice.refusals.map(\.reason) == ["it is another name of default_cma_region"])
                    } else {
                        #expect(Set(names) == ["reserved", "default_cma_region"])
                        let isFirstFaster = Self.speed(one) <= Self.speed(other)
                        #expect(names.first == (isFirstFaster ? "reserved" : "default_cma_region"))
                    }
                }
            }
        }
    }

    @Test func `one device is tried once, however it was measured`() {
        for one in Self.cachings {
            for other in Self.cachings {
                let choice = HeapChoice(
                    [Self.heap("reserved", one, device: 3), Self.heap("default_cma_region", other, device: 3)],
                    need: .contiguous)
                let isFirstFaster = Self.speed(one) < Self.speed(other)
                #expect(choice.sources.map(\.plainName) == [isFirstFaster ? "reserved" : "default_cma_region"])
            }
        }
    }

    @Test func `a link to a heap stands behind the heap itself`() {
        let link = HeapChoice.Candidate(
            source: .heap(Heap(name: "camera")), caching: .cached, failure: nil, name: HeapName("system"), device: 5)
        let choice = HeapChoice([link, Self.heap("system", .cached, device: 5)], need: .anything)
        #expect(choice.sources.map(\.plainName) == ["system"])
    }

    /// Every pair out of all kinds of heaps, with udmabuf beside them.
    @Test func `what holds for every choice`() throws {
        var kinds: [HeapChoice.Candidate] = []
        for caching in Self.cachings {
            for isFailing in [false, true] {
                for name in ["system", "default_cma_region", "vram", "vpu@9-protected"] {
                    kinds.append(Self.heap(name, caching, fails: isFailing))
                }
            }
        }
        for need in Self.needs {
            for first in kinds {
                for second in kinds where second.source != first.source {
                    let all = [first, second, Self.udmabuf(.cached)]
                    let choice = HeapChoice(all, need: need)
                    let taken = all.filter { choice.sources.contains($0.source) }
                    #expect(taken.count == choice.sources.count)
                    #expect(taken.count + choice.refusals.count == all.count)
                    #expect(taken.allSatisfy { $0.failure == nil && $0.name?.isProtected != true })
                    if need == .contiguousUnchecked {
                        #expect(taken.allSatisfy { $0.name?.isContiguous == true })
                    } else {
                        #expect(choice.sources.contains(.udmabuf))
                    }
                    let speeds = choice.sources.map { source in
                        Self.speed(all.first { $0.source == source }?.caching ?? nil)
                    }
                    #expect(speeds == speeds.sorted())
                    #expect(choice.refusals.allSatisfy { !$0.cause.isEmpty })
                }
            }
        }
    }

    private static func speed(_ caching: Caching?) -> Int { cachings.firstIndex(of: caching) ?? -1 }

    @Test func `a refusal has the call and the errno, and what to do beside it`() throws {
        let refusal = try #require(
            HeapChoice([Self.heap("system", nil, fails: true)], need: .anything).refusals.first)
        #expect(refusal.cause == "heap system: open: EACCES: Permission denied")
        #expect(refusal.remedy == "Join the group.")
        #expect(refusal.reason == "heap system: open: EACCES: Permission denied. Join the group.")
    }

    @Test func `why the first is first is told`() {
        func reason(_ candidates: [HeapChoice.Candidate], _ need: MemoryNeed = .anything) -> String {
            HeapChoice(candidates, need: need).reason
        }
        #expect(reason([]) == "there is no heap and no udmabuf")
        #expect(reason([Self.heap("system", nil, fails: true)]) == "no heap can be used, and no udmabuf")
        #expect(reason([Self.heap("system", .cached)]) == "measured as cached")
        #expect(reason([Self.heap("system", .unsure)]).contains("unsure"))
        #expect(reason([Self.heap("system", .uncached)]) == "measured as uncached; nothing better is there")
        #expect(reason([Self.udmabuf(.cached)]).contains("no heap is better"))
        #expect(reason([Self.heap("system", .cached)], .contiguous).contains("no contiguous one"))
        #expect(reason([Self.heap("reserved", .cached)], .contiguous).contains("as the camera needs"))
    }
}

@Suite struct MemoryNeedTests {
    /// As drivers name themselves in VIDIOC_QUERYCAP.
    static let table: [(driver: String, need: MemoryNeed)] = [
        ("imx-capture", .contiguous), ("imx-media-capture", .contiguous), ("mx6s-csi", .contiguous),
        ("mxc-isi", .contiguous), ("sun6i-csi", .contiguous), ("sun6i-video", .contiguous),
        ("sun4i_csi", .contiguous), ("unicam", .contiguous), ("rp1-cfe", .contiguous), ("stm32-dcmi", .contiguous),
        ("dcmipp", .contiguous), ("rockchip-cif", .contiguous), ("rkcif", .contiguous), ("atmel-isi", .contiguous),
        ("microchip-isc", .contiguous), ("qcom-camss", .contiguousUnchecked), ("uvcvideo", .anything),
        ("vivid", .anything), ("rkisp1", .anything), ("nobody-knows", .anything), ("", .anything),
    ]

    @Test(arguments: table)
    func `a driver is known by the name that it tells`(_ driver: String, _ need: MemoryNeed) {
        #expect(MemoryNeed(driver: driver, hasIOMMU: false) == need)
        #expect(MemoryNeed(driver: driver, hasIOMMU: true) == .anything)
    }

    @Test func `camss with no IOMMU gets nothing that is not known to be in one piece`() {
        let choice = HeapChoice(
            [
                .init(source: .heap(Heap(name: "default_cma_region")), caching: .uncached),
                .init(source: .heap(Heap(name: "qcom,display")), caching: .cached),
                .init(source: .heap(Heap(name: "system")), caching: .cached),
                .init(source: .heap(Heap(name: "vram")), caching: .cached), .init(source: .udmabuf, caching: .cached),
            ], need: MemoryNeed(driver: "qcom-camss", hasIOMMU: false))
        #expect(choice.sources.map(\.plainName) == ["default_cma_region"])
        #expect(choice.refusals.map(\.source.plainName) == ["qcom,display", "system", "vram", "udmabuf"])
        #expect(choice.refusals.allSatisfy { $0.reason.contains("would not notice") })
    }
}
