@testable import CaptureCore
import LinuxSystem
import Testing

@Suite struct BufferStockTests {
    private func layout(_ width: Int, _ height: Int) throws -> FrameLayout {
        try #require(FrameLayout(.yuyv, width: width, height: height, color: .sRGB))
    }

    private func pool(_ stock: BufferStock, _ layout: FrameLayout, _ count: Int) throws -> FramePool {
        FramePool(
            layout: layout, buffers: try stock.allocate(.plainMemory, layout, count: count),
            heir: FramePool.Heir(stock, .plainMemory))
    }

    @Test func `a smaller mode keeps all buffers, a larger one gets new ones`() throws {
        let stock = BufferStock()
        var large: FramePool? = try pool(stock, layout(640, 480), 4)
        let first = try #require(large?.buffers.map { ObjectIdentifier($0[0]) })
        #expect(stock.counts == .init(allocated: 4, reused: 0))
        large = nil
        var small: FramePool? = try pool(stock, layout(320, 240), 4)
        #expect(Set(try #require(small?.buffers.map { ObjectIdentifier($0[0]) })) == Set(first))
        #expect(stock.counts == .init(allocated: 4, reused: 4))
        small = nil
        _ = try pool(stock, layout(1280, 720), 4)
        #expect(stock.counts == .init(allocated: 8, reused: 4))
    }

    @Test func `the smallest buffer that fits is taken`() throws {
        let stock = BufferStock()
        stock.giveBack(
            .plainMemory, try [40_960, 8_192, 16_384].map { [try DMABuf(plainMemory: $0, origin: "test")] })
        #expect(try stock.allocate(.plainMemory, 8_193).length == 16_384)
        #expect(try stock.allocate(.plainMemory, 8_193).length == 40_960)
        #expect(!stock.has(.plainMemory, 8_193))
        #expect(stock.has(.plainMemory, 8_192))
        #expect(!stock.has(.udmabuf, 1), "buffers of one source are none of another")
    }

    @Test func `what a lease still holds goes to nobody else`() throws {
        let stock = BufferStock()
        var pool: FramePool? = try pool(stock, layout(64, 64), 2)
        var lease = pool?.acquire()
        let held = try #require(pool?.buffers[lease?.slot ?? 0][0])
        pool = nil
        #expect(!stock.has(.plainMemory, 1))
        #expect(try stock.allocate(.plainMemory, 1) !== held)
        lease = nil
        #expect(stock.has(.plainMemory, 1))
    }

    @Test func `what the next stream did not take is freed`() throws {
        let stock = BufferStock()
        weak var kept: DMABuf?
        do {
            let buffer = try DMABuf(plainMemory: 4096, origin: "test")
            kept = buffer
            stock.giveBack(.plainMemory, [[buffer]])
        }
        #expect(kept != nil)
        stock.clear()
        #expect(kept == nil)
    }

    @Test func `a source that is exhausted gets back what did not fit before it is asked again`() throws {
        let stock = BufferStock()
        let source = BufferSource.heap(Heap(name: "no-such-heap"))
        weak var kept: DMABuf?
        do {
            let buffer = try DMABuf(plainMemory: 4096, origin: "test")
            kept = buffer
            stock.giveBack(source, [[buffer]])
        }
        #expect(throws: CamdError.self) { try stock.allocate(source, 8192) }
        #expect(kept == nil)
    }
}
