import LinuxSystem
import Synchronization

/// A camera whose frames no shader reads: each is decoded or converted by the CPU, on a thread of its own, into a buffer that
/// the GPU imports. That is a copy, and counted as one.
///
/// The capture thread pays one push for a frame. A converter that is slower than the camera loses frames at its entry.
public final class ConvertedStream: FrameSource, @unchecked Sendable {
    public var identity: CameraIdentity { camera.identity }
    public var framesPerSecond: Double? { camera.framesPerSecond }
    public let pool: FramePool
    public var ledger: Ledger { camera.ledger }
    public var capturePath: String { camera.capturePath }
    public var heapName: String? { camera.heapName }
    public let refusals: [PathRefusal]
    /// The converter's writes are bracketed.
    public let writes = DriverWrites.Kind.clean
    public var buffers: (asked: Int, granted: Int) { camera.buffers }
    public var cameraFormat: PixelFormat { camera.pool.layout.format }

    private let camera: any FrameSource
    private let converter: any FrameConverter
    private let path: String
    private let waiting = Ring<FrameLease>(capacity: ConvertedStream.waitingFrames)
    private let bell: EventCounter
    private let isStopping = Atomic<Bool>(false)
    private let bytesCopied = Atomic<UInt64>(0)
    private let lostBehind = Atomic<UInt64>(0)
    private let lostNoBuffer = Atomic<UInt64>(0)
    private var thread: OSThread?

    /// Frames that may wait to be converted; more would leave the driver without buffers.
    static let waitingFrames = 3
    /// Those that wait for the GPU, those that are in its hands, and the one that is written.
    static let pictures = GPUStage.waitingFrames + 3
    /// How long a camera may take for a frame that says what its JPEGs are like.
    private static let previewMilliseconds = 5000

    /// Wraps a camera that was set up and does not stream yet. A camera of JPEGs streams for a moment here, because only a
    /// frame tells how its chroma is sampled.
    /// `heaps`, `stock`: as of the camera, for the pictures.
    public convenience init(_ camera: CaptureStream, heaps: [String], stock: BufferStock) throws(CamdError) {
        try self.init(
            camera, try Self.converter(for: camera), passedOver: camera.format.passedOver, heaps: heaps, stock: stock)
    }

    /// `passedOver`: why the camera was not set to a format that needs no conversion.
    init(
        _ camera: any FrameSource, _ converter: any FrameConverter, passedOver: String? = nil, heaps: [String] = [],
        stock: BufferStock = BufferStock()
    ) throws(CamdError) {
        self.camera = camera
        self.converter = converter
        let layout = converter.layout
        let choice = try HeapChoice.forMachine(
            heaps: heaps, need: .anything, bytes: layout.bufferSizes[0], stock: stock)
        let place = "\(converter.name):"
        var refusals = choice.refusals.map { PathRefusal(.convert, place + $0.source.name, $0.reason) }
        var made: (buffers: [[DMABuf]], source: BufferSource)?
        for source in choice.sources + [.plainMemory] where made == nil {
            do throws(CamdError) {
                made = (try stock.allocate(source, layout, count: Self.pictures), source)
            } catch {
                refusals.append(PathRefusal(.convert, place + source.name, error.description))
            }
        }
        guard let made else {
            throw CamdError(
                .system, subject: "camera \(camera.identity.node)", reason: "there is no memory for its pictures")
        }
        // Mapped and faulted in now, not at the first frames.
        for buffers in made.buffers + camera.pool.buffers { for buffer in buffers { try buffer.prepareForCPU() } }
        path = place + made.source.name
        bell = try EventCounter()
        pool = FramePool(layout: layout, buffers: made.buffers, heir: FramePool.Heir(stock, made.source))
        let why = passedOver.map { "; \($0)" } ?? ""
        let direct = PathRefusal(.convert, "direct", "no shader reads \(camera.pool.layout.format)\(why)")
        self.refusals = camera.refusals + [direct] + refusals
    }

    private static func converter(for camera: CaptureStream) throws(CamdError) -> any FrameConverter {
        let layout = camera.pool.layout
        guard layout.format.isJPEG else { return try V4LConverter(layout, camera.format.pix) }
        var decompressor = try JPEGDecompressor()
        var header: JPEGHeader?
        var frames = 0
        // The first frames of a USB camera are often broken, and one may be of the size before.
        _ = try camera.preview(limitMilliseconds: previewMilliseconds) { bytes in
            frames += 1
            guard let found = decompressor.header(bytes) else {
                decompressor.reset()
                return false
            }
            header = found
            return (found.width, found.height) == (layout.width, layout.height)
        }
        guard let header else {
            throw CamdError(
                .unavailable, subject: "camera \(camera.identity.node)",
                reason: frames == 0
                    ? "no whole frame came for \(previewMilliseconds / 1000) s"
                    : "none of \(frames) frames is a JPEG that libturbojpeg reads",
                remedy: frames == 0
                    ? "See the kernel's log (dmesg); unplug the camera and plug it in again."
                    : "Choose another --pixel-format.")
        }
        return try JPEGConverter(layout, like: header)
    }

    /// One that it fills, one that somebody is at.
    public var buffersOfItsOwn: Int { 2 }
    public var conversion: FrameConversion? {
        FrameConversion(
            path: path,
            work:
                "\(converter.name == "jpeg" ? "libturbojpeg decodes" : "libv4lconvert converts") \(cameraFormat) to "
                + "\(pool.layout.format)",
            bytesCopied: bytesCopied.load(ordering: .relaxed), lostBehind: lostBehind.load(ordering: .relaxed),
            lostNoBuffer: lostNoBuffer.load(ordering: .relaxed))
    }

    public func start(
        sink: @escaping @Sendable (consuming FrameLease) -> Void, ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError) { try start(isWanted: { true }, sink: sink, ended: ended) }

    /// `sink` is called on the converter's thread, `ended` on that or on the capture thread.
    public func start(
        isWanted: @escaping @Sendable () -> Bool, sink: @escaping @Sendable (consuming FrameLease) -> Void,
        ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError) {
        precondition(thread == nil, "a stream is started once")
        thread = try OSThread("camd-convert", niceness: OSThread.workNiceness) { [self] in
            if let error = run(sink) { ended(error) }
        }
        do throws(CamdError) {
            try camera.start(sink: { [self] frame in if isWanted() { take(frame) } }, ended: ended)
        } catch {
            endThread()
            throw error
        }
    }

    public func stop() {
        camera.stop()
        endThread()
    }

    private func endThread() {
        isStopping.store(true, ordering: .releasing)
        bell.signal()
        thread?.join()
        thread = nil
    }

    /// On the capture thread: never blocks.
    private func take(_ frame: consuming FrameLease) {
        if let refused = waiting.push(frame) {
            lostBehind.wrappingAdd(1, ordering: .relaxed)
            _ = consume refused
            return
        }
        bell.signal()
    }

    private func run(_ sink: (consuming FrameLease) -> Void) -> CamdError? {
        do throws(CamdError) {
            while !isStopping.load(ordering: .acquiring) {
                _ = try wait(for: .input, on: bell.fileDescriptor, milliseconds: 1000)
                bell.clear()
                while !isStopping.load(ordering: .acquiring), let frame = waiting.pop() {
                    if let picture = try picture(of: frame) { sink(picture) }
                }
            }
            return nil
        } catch {
            return error
        }
    }

    /// Makes the picture of a frame, and gives the frame back; nil where there is none, which is counted.
    private func picture(of frame: consuming FrameLease) throws(CamdError) -> FrameLease? {
        guard let picture = pool.acquire() else {
            lostNoBuffer.wrappingAdd(1, ordering: .relaxed)
            return nil
        }
        var metadata = frame.metadata
        let converter = converter
        let outcome = try frame.buffers[0].withBytes { (bytes) throws(CamdError) in
            guard let used = metadata.used(of: bytes.byteCount) else { return ConversionOutcome.damaged(.length) }
            return try picture.buffers[0].withMutableBytes(.write) { (target) throws(CamdError) in
                bytes.withUnsafeBytes { bytes in
                    target.withUnsafeMutableBytes { target in
                        converter.convert(UnsafeRawBufferPointer(rebasing: bytes[used]), into: target)
                    }
                }
            }
        }
        guard case .made(let bytes) = outcome else {
            camera.ledger.countDamaged()
            return nil
        }
        bytesCopied.wrappingAdd(UInt64(bytes), ordering: .relaxed)
        metadata.bytesUsed = pool.layout.bufferSizes[0]
        metadata.dataOffset = 0
        picture.metadata = metadata
        return picture
    }
}
