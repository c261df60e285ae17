import LinuxSystem
import Synchronization

/// The built-in camera `test`: colour bars and a square that moves, for machines without a camera. Its frames lie in
/// udmabuf buffers where the machine has that, else in ordinary memory.
public final class PatternStream: FrameSource, @unchecked Sendable {
    public static let id = "test"
    public static let formats: [PixelFormat] = [.yuyv, .nv12, .srggb8]

    public let identity = CameraIdentity(id: id, name: "Built-in pattern", driver: "camd", node: id)
    public let framesPerSecond: Double?
    public let pool: FramePool
    public let ledger = Ledger()
    public let capturePath: String
    public let heapName: String?
    public let refusals: [PathRefusal]
    /// The painter's writes are bracketed.
    public let writes = DriverWrites.Kind.clean
    public var buffers: (asked: Int, granted: Int) { (VideoNode.usualBuffers, pool.slotCount) }

    private let painter: PatternPainter
    private let timer: TimerFD
    private let stopBell: EventCounter
    private var thread: OSThread?

    /// Sizes are even, from 64x64 to 4096x4096; rates from 1 to 240.
    public init(wish: FormatWish, heaps: [String], stock: BufferStock = BufferStock()) throws(CamdError) {
        let size = wish.size ?? FrameSize(1280, 720)
        let rate = wish.framesPerSecond ?? 30
        let format = wish.format ?? .yuyv
        let subject = "camera test"
        guard Self.formats.contains(format) else {
            throw CamdError(
                .usage, subject: subject, reason: "it has no pixel format \(format)",
                remedy: "It has: \(Self.formats.map(\.description).joined(separator: " ")).")
        }
        let sizes = FrameSizes.range(
            smallest: FrameSize(64, 64), largest: FrameSize(4096, 4096), stepWidth: 2, stepHeight: 2)
        guard sizes.contains(size) == true, let nearest = sizes.nearest(to: size) else {
            throw CamdError(
                .usage, subject: subject,
                reason:
                    "it does not have \(size); the nearest it has is \(sizes.nearest(to: size)?.description ?? "none")")
        }
        guard (1...240).contains(rate) else {
            throw CamdError(.usage, subject: subject, reason: "it has 1 to 240 frames/s, not \(rate)")
        }
        let color =
            format == .srggb8
            ? Colorimetry.sRGB : Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: .bt601, range: .limited)
        guard let layout = FrameLayout(format, width: nearest.width, height: nearest.height, color: color) else {
            throw CamdError(.software, subject: subject, reason: "\(format) has no layout")
        }
        let choice = try HeapChoice.forMachine(
            heaps: heaps, need: .anything, bytes: layout.bufferSizes[0], stock: stock)
        var refusals = choice.refusals.map { PathRefusal(.capture, $0.source.name, $0.reason) }
        var made: (buffers: [[DMABuf]], source: BufferSource)?
        for source in choice.sources + [.plainMemory] where made == nil {
            do throws(CamdError) {
                made = (try stock.allocate(source, layout, count: VideoNode.usualBuffers), source)
            } catch {
                refusals.append(PathRefusal(.capture, source.name, error.description))
            }
        }
        guard let made else { throw CamdError(.system, subject: subject, reason: "there is no memory for its frames") }
        painter = PatternPainter(layout: layout)
        for buffers in made.buffers {
            try painter.paint(buffers, x: 0..<layout.width, y: 0..<layout.height, isMarker: false)
        }
        timer = try TimerFD()
        stopBell = try EventCounter()
        pool = FramePool(layout: layout, buffers: made.buffers, heir: FramePool.Heir(stock, made.source))
        framesPerSecond = rate
        capturePath = "pattern:\(made.source.name)"
        if case .heap(let heap) = made.source { heapName = heap.name } else { heapName = nil }
        self.refusals = refusals
    }

    public func start(
        sink: @escaping @Sendable (consuming FrameLease) -> Void, ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError) {
        precondition(thread == nil, "a stream is started once")
        let epoll = try Epoll()
        try epoll.add(timer.descriptor.rawValue, .input, token: 0)
        try epoll.add(stopBell.fileDescriptor, .input, token: 1)
        timer.repeatEach(microseconds: Int(1e6 / (framesPerSecond ?? 30)))
        let box = EpollBox(epoll)
        thread = try OSThread("camd-capture") { [self] in
            if let error = run(box.epoll, sink) { ended(error) }
        }
    }

    public func stop() {
        stopBell.signal()
        thread?.join()
        thread = nil
    }

    private func run(_ epoll: borrowing Epoll, _ sink: (consuming FrameLease) -> Void) -> CamdError? {
        var writer = Ledger.Writer(ledger, framesPerSecond: framesPerSecond)
        var sequence: UInt32 = 0
        /// When there was last no buffer.
        var dry: UInt64 = 0
        var painted = Array(repeating: -1, count: pool.slotCount)
        do throws(CamdError) {
            while true {
                var isStopping = false
                _ = try epoll.wait(milliseconds: 1000) { if $0.token == 1 { isStopping = true } }
                if isStopping { return nil }
                let ticks = timer.expirations()
                guard ticks > 0 else { continue }
                sequence &+= UInt32(truncatingIfNeeded: ticks)
                guard let frame = pool.acquire() else {
                    dry = Clock.monotonicNanoseconds()
                    continue
                }
                try move(frame, Int(sequence), &painted)
                let now = Clock.monotonicNanoseconds()
                let stamp = writer.enter(
                    Ledger.Writer.Frame(sequence: sequence, timestamp: now, queued: dry, now: now))
                frame.metadata = FrameMetadata(
                    sequence: sequence, timestampNanoseconds: stamp, bytesUsed: pool.layout.bufferSizes[0],
                    dequeuedNanoseconds: now)
                sink(frame)
            }
        } catch {
            return error
        }
    }

    /// Puts the square where this frame has it, and bars where the slot's last frame had it.
    private func move(_ frame: borrowing FrameLease, _ number: Int, _ painted: inout [Int]) throws(CamdError) {
        let edge = PatternPainter.marker
        let rows = (pool.layout.height - edge) / 2 * 2..<pool.layout.height / 2 * 2
        let span = (pool.layout.width - edge) / 2
        let buffers = pool.buffers[frame.slot]
        let before = painted[frame.slot]
        if before >= 0 { try painter.paint(buffers, x: before..<before + edge, y: rows, isMarker: false) }
        let x = number * 4 % span * 2
        try painter.paint(buffers, x: x..<x + edge, y: rows, isMarker: true)
        painted[frame.slot] = x
    }
}
