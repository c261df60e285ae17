import Testing

@testable import CaptureCore

@Suite struct HeapNameTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var kind: HeapName.Kind
        var address: UInt64?
        var properties: Set<HeapName.Property>
        var contiguous: Bool?
        var conforms: Bool

        var testDescription: String { name.isEmpty ? "(empty)" : name }

        init(
            _ name: String, _ kind: HeapName.Kind, _ address: UInt64? = nil, _ properties: Set<HeapName.Property> = [],
            contiguous: Bool?, conforms: Bool
        ) {
            self.name = name
            self.kind = kind
            self.address = address
            self.properties = properties
            self.contiguous = contiguous
            self.conforms = conforms
        }
    }

    static let table: [Row] = [
        // The kernel's own.
        Row("system", .system, contiguous: false, conforms: true),
        Row("system_cc_shared", .sharedWithHost, contiguous: false, conforms: true),
        Row("default_cma_region", .defaultContiguous, contiguous: true, conforms: true),
        Row("reserved", .defaultContiguous, contiguous: true, conforms: false),
        Row("linux,cma", .defaultContiguous, contiguous: true, conforms: false),
        Row("default-pool", .defaultContiguous, contiguous: true, conforms: false),
        // The examples of the rules, good and bad.
        Row(
            "memory@42000000-cacheable-contiguous", .reservedRegion, 0x4200_0000, [.cacheable, .contiguous],
            contiguous: true, conforms: true),
        Row(
            "memory@42000000-contiguous", .reservedRegion, 0x4200_0000, [.contiguous], contiguous: true, conforms: true),
        Row("video@42000000", .reservedRegion, 0x4200_0000, contiguous: true, conforms: true),
        Row("cma-video", .unknown, contiguous: nil, conforms: false),
        // Regions of the device tree.
        Row("memory@0", .reservedRegion, 0, contiguous: true, conforms: true),
        Row("memory@100000000", .reservedRegion, 0x1_0000_0000, contiguous: true, conforms: true),
        Row("memory@ffffffffffffffff", .reservedRegion, .max, contiguous: true, conforms: true),
        Row("memory@FE000000", .reservedRegion, 0xfe00_0000, contiguous: true, conforms: true),
        Row("video@60000000", .reservedRegion, 0x6000_0000, contiguous: true, conforms: true),
        Row("camera@80000000-cacheable", .reservedRegion, 0x8000_0000, [.cacheable], contiguous: true, conforms: true),
        Row(
            "camera@80000000-uncacheable", .reservedRegion, 0x8000_0000, [.uncacheable], contiguous: true,
            conforms: true),
        Row("vpu@90000000-protected", .reservedRegion, 0x9000_0000, [.protected], contiguous: true, conforms: true),
        Row(
            "memory@42000000-protected-contiguous", .reservedRegion, 0x4200_0000, [.protected, .contiguous],
            contiguous: true, conforms: true),
        Row("linux-video@42000000", .reservedRegion, 0x4200_0000, contiguous: true, conforms: true),
        Row(
            "isp-frame-buffer@a0000000-contiguous", .reservedRegion, 0xa000_0000, [.contiguous], contiguous: true,
            conforms: true),
        Row("framebuffer@be000000", .reservedRegion, 0xbe00_0000, contiguous: true, conforms: true),
        // Names with no address say what they say.
        Row("vram", .unknown, contiguous: nil, conforms: true),
        Row("sram-contiguous", .unknown, nil, [.contiguous], contiguous: true, conforms: true),
        Row("sram-cacheable", .unknown, nil, [.cacheable], contiguous: nil, conforms: true),
        Row("camera-protected", .unknown, nil, [.protected], contiguous: nil, conforms: true),
        Row("heap", .unknown, contiguous: nil, conforms: true),
        // Trusted environments.
        Row("protected", .trusted, nil, [.protected], contiguous: nil, conforms: true),
        Row("protected,secure-video", .trusted, nil, [.protected], contiguous: nil, conforms: true),
        Row("protected,secure-video-record", .trusted, nil, [.protected], contiguous: nil, conforms: true),
        Row("protected,trusted-ui", .trusted, nil, [.protected], contiguous: nil, conforms: true),
        // Vendors.
        Row("vidbuf_cached", .unknown, nil, [.cacheable], contiguous: nil, conforms: false),
        Row("qcom,system", .system, contiguous: false, conforms: false),
        Row("qcom,system-uncached", .system, nil, [.uncacheable], contiguous: false, conforms: false),
        Row("mtk_mm", .system, contiguous: false, conforms: false),
        Row("mtk_mm-uncached", .system, nil, [.uncacheable], contiguous: false, conforms: false),
        Row("system-uncached", .system, nil, [.uncacheable], contiguous: false, conforms: false),
        Row("qcom,display", .unknown, contiguous: nil, conforms: false),
        Row("restricted_mtk_cma", .unknown, contiguous: nil, conforms: false),
        // The allocator in all places.
        Row("cma", .unknown, contiguous: nil, conforms: false),
        Row("video-cma", .unknown, contiguous: nil, conforms: false),
        Row("cma@42000000", .reservedRegion, 0x4200_0000, contiguous: true, conforms: false),
        Row("carveout-camera", .unknown, contiguous: nil, conforms: false),
        Row("ion_system", .unknown, contiguous: nil, conforms: false),
        Row("camera-ion", .unknown, contiguous: nil, conforms: false),
        // An allocator's letters inside another word are no allocator.
        Row("cinema@42000000", .reservedRegion, 0x4200_0000, contiguous: true, conforms: true),
        Row("region-stack", .unknown, contiguous: nil, conforms: true),
        // What is broken is told, and can be used all the same.
        Row("", .unknown, contiguous: nil, conforms: false),
        Row("@42000000", .unknown, 0x4200_0000, contiguous: nil, conforms: false),
        Row("memory@", .unknown, contiguous: nil, conforms: false),
        Row("memory@xyz", .unknown, contiguous: nil, conforms: false),
        Row("memory@10000000000000000", .unknown, contiguous: nil, conforms: false),
        // Hexadecimal digits only, of ASCII.
        Row("memory@+42", .unknown, contiguous: nil, conforms: false),
        Row("memory@-42", .unknown, contiguous: nil, conforms: false),
        Row("memory@0x42", .unknown, contiguous: nil, conforms: false),
        Row("memory@ 42", .unknown, contiguous: nil, conforms: false),
        Row("memory@４２", .unknown, contiguous: nil, conforms: false),
        Row("memory@42@43", .unknown, contiguous: nil, conforms: false),
        Row(
            "memory@42000000-cacheable-uncacheable", .reservedRegion, 0x4200_0000, [.cacheable, .uncacheable],
            contiguous: true, conforms: false),
        Row(
            "memory@42000000-contiguous-contiguous", .reservedRegion, 0x4200_0000, [.contiguous], contiguous: true,
            conforms: false),
        Row("contiguous", .unknown, contiguous: nil, conforms: true),
        Row("-contiguous", .unknown, nil, [.contiguous], contiguous: true, conforms: false),
        Row("video@42000000-cached", .reservedRegion, 0x4200_0000, [.cacheable], contiguous: true, conforms: false),
    ]

    @Test(arguments: table)
    func `a name is read by the kernel's rules`(_ row: Row) {
        let name = HeapName(row.name)
        #expect(name.kind == row.kind)
        #expect(name.address == row.address)
        #expect(name.properties == row.properties)
        #expect(name.isContiguous == row.contiguous)
        #expect(name.conforms == row.conforms, "\(name.violations)")
    }

    @Test func `the table has the names of the field`() { #expect(Self.table.count >= 40) }

    @Test func `cma-video is told to name its allocator`() {
        #expect(HeapName("cma-video").violations == [.namesAllocator("cma")])
        #expect(HeapName("cma-video").violations[0].description.contains("allocator (cma)"))
    }

    @Test func `two names of one region are recognised`() {
        let fixed = HeapName("default_cma_region")
        for older in ["reserved", "linux,cma", "default-pool"] { #expect(fixed.isSameRegion(as: HeapName(older))) }
        #expect(HeapName("memory@42000000-cacheable-contiguous").isSameRegion(as: HeapName("video@42000000")))
        #expect(!HeapName("video@42000000").isSameRegion(as: HeapName("video@60000000")))
        #expect(!fixed.isSameRegion(as: HeapName("system")))
        #expect(!HeapName("vram").isSameRegion(as: HeapName("sram")))
    }

    @Test func `protected memory is never for a CPU`() {
        for name in ["protected,secure-video", "vpu@90000000-protected", "camera-protected", "protected"] {
            #expect(HeapName(name).isProtected)
        }
        #expect(!HeapName("system").isProtected)
    }

    @Test func `the intended use is told`() {
        #expect(HeapName("video@42000000").intendedUse == "video")
        #expect(HeapName("memory@42000000").intendedUse == nil)
        #expect(HeapName("protected,secure-video").intendedUse == "secure-video")
    }
}
