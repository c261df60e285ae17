import CV4L2
import Glibc
import LinuxSystem
import Testing

@testable import CaptureCore

@Suite struct PixelFormatTests {
    @Test(arguments: ["YUYV", "NV12", "RGGB", "Y10", "BA81", "RG10"])
    func `a fourcc reads back as it was written`(_ name: String) throws {
        #expect(try #require(PixelFormat(name)).description == name)
    }

    @Test func `it is the number that the kernel's header has`() {
        #expect(PixelFormat.yuyv.rawValue == 0x5659_5559)
        let bigEndian: UInt32 = 0x2036_3159 | 1 << 31
        #expect(PixelFormat("Y16-BE")?.rawValue == bigEndian)
        #expect(PixelFormat("Y16-BE")?.description == "Y16-BE")
    }

    @Test(arguments: ["", "YUYVX", "é", "\u{7}bad"])
    func `what is no fourcc is none`(_ name: String) { #expect(PixelFormat(name) == nil) }
}

@Suite struct FrameLayoutTests {
    @Test func `NV12 has its chroma behind its luma, with the same stride`() throws {
        let layout = try #require(
            FrameLayout(.nv12, width: 640, height: 480, strides: [704], bufferSizes: [704 * 720], color: .hdVideo))
        #expect(layout.planes[1] == PlaneLayout(buffer: 0, offset: 704 * 480, stride: 704, rowBytes: 640, rows: 240))
        #expect(layout.planes[1].end <= layout.bufferSizes[0])
    }

    @Test func `a buffer that is too small for its planes is no layout`() {
        #expect(
            FrameLayout(.nv12, width: 640, height: 480, strides: [640], bufferSizes: [640 * 480], color: .hdVideo)
                == nil)
        #expect(FrameLayout(.yuyv, width: 640, height: 480, strides: [640], bufferSizes: [0], color: .hdVideo) == nil)
    }

    @Test(arguments: [0, -1, 65537, Int.max])
    func `nonsense sizes are no layout and no trap`(_ edge: Int) {
        #expect(FrameLayout(.yuyv, width: edge, height: 2, color: .sRGB) == nil)
        #expect(FrameLayout(.yuyv, width: 2, height: edge, color: .sRGB) == nil)
    }

    @Test func `split formats have a buffer for each plane`() throws {
        let layout = try #require(
            FrameLayout(.nv12M, width: 64, height: 64, strides: [64, 64], bufferSizes: [4096, 2048], color: .hdVideo))
        #expect(layout.planes.map(\.buffer) == [0, 1])
        #expect(layout.planes[1].offset == 0)
    }
}

@Suite struct FrameSizeTests {
    @Test func `the nearest of a list is told`() {
        let sizes = FrameSizes.discrete([FrameSize(320, 180), FrameSize(1280, 720), FrameSize(1920, 1080)])
        #expect(sizes.nearest(to: FrameSize(1300, 700)) == FrameSize(1280, 720))
        #expect(sizes.contains(FrameSize(1281, 720)) == false)
    }

    @Test func `a range snaps to its steps and stays inside`() {
        let sizes = FrameSizes.range(
            smallest: FrameSize(16, 16), largest: FrameSize(1000, 1000), stepWidth: 16, stepHeight: 2)
        #expect(sizes.nearest(to: FrameSize(41, 41)) == FrameSize(48, 42))
        #expect(sizes.nearest(to: FrameSize(5000, 1)) == FrameSize(992, 16))
        #expect(sizes.contains(FrameSize(32, 18)) == true)
        #expect(sizes.contains(FrameSize(33, 18)) == false)
    }
}

@Suite struct ColorimetryTests {
    @Test func `what a driver leaves open is as the kernel defines it`() throws {
        let camera = Colorimetry(
            colorspace: V4L2_COLORSPACE_SRGB.rawValue, transfer: 0, encoding: 0, quantization: 0, isRGB: false)
        #expect(camera == Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: .bt601, range: .limited))
        let hd = Colorimetry(
            colorspace: V4L2_COLORSPACE_REC709.rawValue, transfer: 0, encoding: 0, quantization: 0, isRGB: false)
        #expect(hd == .hdVideo)
        let jpeg = Colorimetry(
            colorspace: V4L2_COLORSPACE_JPEG.rawValue, transfer: 0, encoding: 0, quantization: 0, isRGB: false)
        #expect(jpeg.range == .full)
        #expect(jpeg.matrix == .bt601)
        let grey = try FrameLayout.bare(.grey, width: 4, height: 4).color
        #expect(grey.range == .full)
        let limited = Colorimetry(
            colorspace: 0, transfer: 0, encoding: 0, quantization: V4L2_QUANTIZATION_LIM_RANGE.rawValue, isRGB: false,
            isGrey: true)
        #expect(limited.range == .limited)
    }

    // Values of ITU-R BT.601-7 and BT.709-6 for 8 bits: pure red, and white.
    @Test func `red and white become the numbers that the standards print`() {
        func encode(_ rgb: [Double], _ color: Colorimetry) -> [Int] {
            let transform = ColorTransform(from: .sRGB, to: color)
            return (0..<3).map { row in
                Int(
                    (255 * (transform.offset[row] + (0..<3).reduce(0) { $0 + transform.matrix[row][$1] * rgb[$1] }))
                        .rounded())
            }
        }
        let bt601 = Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: .bt601, range: .limited)
        #expect(encode([1, 0, 0], bt601) == [81, 90, 240])
        #expect(encode([1, 0, 0], .hdVideo) == [63, 102, 240])
        #expect(encode([1, 1, 1], .hdVideo) == [235, 128, 128])
        #expect(encode([1, 1, 1], .jfif) == [255, 128, 128])
        #expect(encode([0, 0, 0], .hdVideo) == [16, 128, 128])
    }

    @Test func `the same colorimetry on both sides changes nothing at all`() {
        #expect(ColorTransform(from: .hdVideo, to: .hdVideo).isIdentity)
        #expect(!ColorTransform(from: .hdVideo, to: .jfif).isIdentity)
    }

    @Test func `a change of range alone keeps grey grey`() {
        let limited = Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: .bt601, range: .limited)
        let transform = ColorTransform(from: limited, to: .jfif)
        #expect(abs(transform.matrix[0][0] * 16 / 255 + transform.offset[0]) < 1e-9)
        #expect(abs(transform.matrix[0][0] * 235 / 255 + transform.offset[0] - 1) < 1e-9)
        #expect(abs(transform.matrix[1][1] * 128 / 255 + transform.offset[1] - 128.0 / 255) < 1e-9)
    }
}

@Suite struct FramePoolTests {
    private func pool(_ slots: Int) throws -> FramePool {
        let layout = try #require(FrameLayout(.yuyv, width: 64, height: 2, color: .sRGB))
        return FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: slots))
    }

    @Test func `a buffer comes back when its last lease ends, not before`() throws {
        let pool = try pool(1)
        do {
            guard let first = pool.acquire() else {
                Issue.record("a free pool has a slot")
                return
            }
            let hasMore = pool.acquire() != nil
            #expect(!hasMore)
            let second = first.share()
            _ = consume first
            #expect(pool.freeCount == 0)
            _ = consume second
        }
        #expect(pool.freeCount == 1)
    }

    @Test func `all 32 slots can be had, each once`() throws {
        let pool = try pool(32)
        var slots: Set<Int> = []
        let held = Ring<FrameLease>(capacity: 32)
        while let lease = pool.acquire() {
            slots.insert(lease.slot)
            _ = held.push(lease)
        }
        #expect(slots.count == 32)
        while held.pop() != nil {}
        #expect(pool.freeCount == 32)
    }

    @Test func `a lease outlives the pool's owner with its memory`() throws {
        var pool: FramePool? = try pool(1)
        guard let lease = pool?.acquire() else {
            Issue.record("a free pool has a slot")
            return
        }
        pool = nil
        try lease.buffers[0].withMutableBytes(.write) { (bytes) throws(CamdError) in
            bytes.withUnsafeMutableBytes { $0[0] = 7 }
        }
        let first = try lease.buffers[0].withBytes { (bytes) throws(CamdError) in
            bytes.withUnsafeBytes { $0[0] }
        }
        #expect(first == 7)
    }

    @Test func `a slot that is released twice traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let layout = FrameLayout(.yuyv, width: 64, height: 2, color: .sRGB)!
            let pool = FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: 1))
            let lease = pool.lease(0, .none)
            _ = consume lease
            pool.release(0)
        }
        let told = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(told.contains("released twice"))
    }

    @Test func `leasing a slot that is leased already traps`() async {
        await #expect(processExitsWith: .failure) {
            let layout = FrameLayout(.yuyv, width: 64, height: 2, color: .sRGB)!
            let pool = FramePool(layout: layout, buffers: try BufferStock().allocate(.plainMemory, layout, count: 1))
            let first = pool.lease(0, .none)
            let second = pool.lease(0, .none)
            _ = consume first
            _ = consume second
        }
    }
}

@Suite struct LedgerTests {
    private func run(_ frames: [(sequence: UInt32, isCorrupt: Bool)]) -> Ledger.Snapshot {
        let ledger = Ledger()
        var writer = Ledger.Writer(ledger, framesPerSecond: 30)
        for (index, frame) in frames.enumerated() {
            let time = UInt64(index + 1) * 33_000_000
            _ = writer.enter(
                .init(sequence: frame.sequence, timestamp: time, isCorrupt: frame.isCorrupt, now: time))
        }
        return ledger.snapshot
    }

    @Test func `what the driver numbered is delivered, dropped or corrupt`() {
        let counts = run([(4, false), (5, false), (8, true), (9, false), (15, false)])
        #expect(counts.delivered == 4)
        #expect(counts.corrupt == 1)
        #expect(counts.dropped == 7)
        #expect(counts.numbered == counts.delivered + counts.dropped + counts.corrupt)
    }

    @Test func `the number wraps without a gap`() {
        let counts = run([(.max - 1, false), (.max, false), (0, false), (1, false)])
        #expect(counts.dropped == 0)
        #expect(counts.delivered == 4)
    }

    @Test func `a driver that counts anew drops nothing`() {
        #expect(run([(1000, false), (0, false), (1, false)]).dropped == 0)
    }

    @Test func `the sum is of numbers, not of what was counted`() {
        // The same number twice, and a start anew in the middle.
        let counts = run([(7, false), (8, true), (8, false), (3, false), (9, false)])
        #expect(counts.numbered == 2 + 1 + 7)
        #expect(counts.numbered == counts.delivered + counts.dropped + counts.corrupt)
    }

    /// Frames of 10 units; a buffer is queued at `queued`, and the frame in it ends a gap.
    private func gap(from last: UInt64, to next: UInt64, queued: UInt64) -> Ledger.Snapshot {
        let ledger = Ledger()
        var writer = Ledger.Writer(ledger, framesPerSecond: 30)
        _ = writer.enter(.init(sequence: UInt32(last), timestamp: last * 10, queued: 1, now: last * 10))
        _ = writer.enter(.init(sequence: UInt32(next), timestamp: next * 10, queued: queued, now: next * 10))
        return ledger.snapshot
    }

    @Test func `frames whose time came before the next buffer was there are starved, others are dropped`() {
        // The buffer lay in the queue all the time: the driver dropped.
        #expect(gap(from: 10, to: 15, queued: 50).starved == 0)
        #expect(gap(from: 10, to: 15, queued: 100).starved == 0)
        #expect(gap(from: 10, to: 15, queued: 100).dropped == 4)
        // It came when frame 14 was under way: 11, 12, 13 had none, and 14 had none at its beginning.
        #expect(gap(from: 10, to: 15, queued: 135).starved == 4)
        #expect(gap(from: 10, to: 15, queued: 149).starved == 4)
        // It came early in the gap: the rest is the driver's.
        #expect(gap(from: 10, to: 15, queued: 105).starved == 1)
    }

    @Test func `a frame is late when it is taken more than its interval after its time`() {
        func late(_ after: UInt64, atStart: Bool) -> UInt64 {
            let ledger = Ledger()
            var writer = Ledger.Writer(ledger, framesPerSecond: 50)
            _ = writer.enter(
                .init(
                    sequence: 0, timestamp: 1_000_000_000, isStampedAtStart: atStart, now: 1_000_000_000 + after))
            return ledger.snapshot.late
        }
        #expect(late(19_000_000, atStart: false) == 0)
        #expect(late(21_000_000, atStart: false) == 1)
        #expect(late(39_000_000, atStart: true) == 0)
        #expect(late(41_000_000, atStart: true) == 1)
    }

    @Test func `a timestamp that does not rise is replaced by the time of its arrival`() {
        let ledger = Ledger()
        var writer = Ledger.Writer(ledger, framesPerSecond: 30)
        #expect(writer.enter(.init(sequence: 0, timestamp: 100, now: 110)) == 100)
        #expect(writer.enter(.init(sequence: 1, timestamp: 40, now: 150)) == 150)
        #expect(writer.enter(.init(sequence: 2, timestamp: .max, now: 190)) == 190)
        #expect(ledger.snapshot.restamped == 2)
    }
}

@Suite struct DriverWritesTests {
    @Test func `what a driver leaves in the caches is published or copied where the GPU does not look there`() {
        #expect(DriverWrites(.clean, isIncoherent: true).handling(isSoftwareGPU: false) == .nothing)
        #expect(DriverWrites(.cached, isIncoherent: true).handling(isSoftwareGPU: false) == .publish)
        #expect(DriverWrites(.cachedOutOfReach, isIncoherent: true).handling(isSoftwareGPU: false) == .copy)
        #expect(DriverWrites(.cachedOutOfReach).handling(isSoftwareGPU: true) == .nothing)
    }
}

@Suite struct MemoryTests {
    @Test(arguments: [
        ("DMA\n", true), ("DMA-FQ\n", true), ("identity\n", false), ("blocked\n", false), ("", false),
    ])
    func `an IOMMU that translates nothing is none`(_ type: String, _ isOne: Bool) throws {
        var template = Array("/tmp/camd-test-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            unlink(folder + "/iommu_group/type")
            rmdir(folder + "/iommu_group")
            rmdir(folder)
        }
        #expect(!VideoNode.hasIOMMU(device: folder))
        mkdir(folder + "/iommu_group", 0o755)
        let file = try FileDescriptor.open(folder + "/iommu_group/type", O_CREAT | O_WRONLY, mode: 0o600)
        #expect(write(file.rawValue, type, type.utf8.count) == type.utf8.count)
        #expect(VideoNode.hasIOMMU(device: folder) == isOne)
    }
}
