import CEGL
import LinuxSystem
import Synchronization

/// Who takes finished video pictures. Called on the GL thread; may not block.
public protocol VideoSink: AnyObject, Sendable {
    func offer(_ frame: consuming FrameLease)
}

/// The GPU at work: one thread that owns the context, takes capture frames, draws what is wanted of each, and hands the
/// pictures on when the GPU is done with them. It never waits for the GPU with a frame at hand: up to two frames are in
/// its hands while earlier ones are read.
public final class GPUStage: @unchecked Sendable {
    /// What it came to at the start.
    public struct Report: Sendable {
        public var gpuPath: String
        public var outputPath: String
        public var renderer: String
        public var isSoftware: Bool
        public var refusals: [PathRefusal]
        /// Buffers for video pictures.
        public var videoSlots: Int
        /// How EGL found the GPU: `surfaceless` or `gbm`.
        public var platform: String
        /// Its render node; nil where it has none, or EGL does not tell.
        public var node: String?

        init(_ scene: GPUScene) {
            gpuPath = scene.source.path
            outputPath = (scene.video ?? scene.still).path
            renderer = scene.display.renderer
            isSoftware = scene.display.isSoftware
            refusals = scene.refusals
            videoSlots = scene.video?.pool.slotCount ?? 0
            platform = scene.display.platform.name
            node = scene.display.node
        }
    }

    /// What it counted.
    public struct Counts: Sendable, Hashable {
        /// Pictures that went to the video sink.
        public var video: UInt64 = 0
        /// Frames that the sink did not get because the GPU was behind.
        public var lostGPUBehind: UInt64 = 0
        /// Frames that the sink did not get because it had not given an output buffer back.
        public var lostNoOutputBuffer: UInt64 = 0
        /// Frames that the sink did not get because the GPU gave them up, or its context was lost.
        public var lostGPUFailed: UInt64 = 0
        /// How often the context was lost.
        public var resets: UInt64 = 0
        /// Bytes of pixels that the CPU copied, in all.
        public var bytesCopied: UInt64 = 0

        public init() {}
    }

    /// Pictures that the GPU and the encoder have between them: what an encoder needs for its first frames, which take
    /// it longest, and not more than 16 MB where that gives at least 6.
    static func videoSlots(bytes: Int) -> Int { min(12, max(6, (16 << 20) / max(1, bytes))) }
    static let stillSlots = 2
    /// Frames that may wait for the GPU; more would leave the driver without buffers.
    static let waitingFrames = 3

    public let report: Report
    /// Of the video's pictures; nil where none are made.
    public let videoLayout: FrameLayout?

    let waiting: Ring<FrameLease>
    let bell: EventCounter
    let shared: Shared
    private let thread: OSThread

    /// What the GL thread shares with others.
    final class Shared: Sendable {
        struct Orders: ~Copyable {
            var sink: (any VideoSink)?
            var stills: [StillTicket] = []
            var isStopping = false
            /// Counted up with each change of the sink.
            var sinkGeneration: UInt64 = 0
        }

        let orders = Mutex(Orders())
        /// Whether `orders` may hold something new: looked at for each frame without taking the lock.
        let hasOrders = Atomic<Bool>(false)
        let appliedGeneration = Atomic<UInt64>(0)
        let applied: EventCounter
        let wantsVideo = Atomic<Bool>(false)
        /// Somebody wants all frames.
        let wantsFrames = Atomic<Bool>(false)
        let video = Atomic<UInt64>(0)
        let lostGPUBehind = Atomic<UInt64>(0)
        let lostNoOutputBuffer = Atomic<UInt64>(0)
        let lostGPUFailed = Atomic<UInt64>(0)
        let resets = Atomic<UInt64>(0)
        /// The context is being made anew.
        let isRecovering = Atomic<Bool>(false)
        let bytesCopied = Atomic<UInt64>(0)

        init() throws(CamdError) { applied = try EventCounter() }
    }

    /// Opens the GPU, imports the source's buffers, compiles, allocates; all on the new thread, waited for here.
    /// `choice`: where output buffers may come from, in order; `stock`: what an earlier stage left of them. `writes`: what
    /// the source leaves in the CPU's caches. `setup`: which GPU. `ended` is called on the GL thread if it fails later.
    public init(
        source: FramePool, writes: DriverWrites, plan: PicturePlan, choice: HeapChoice,
        stock: BufferStock = BufferStock(), setup: GPUSetup = GPUSetup(), ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError) {
        let waiting = Ring<FrameLease>(capacity: Self.waitingFrames)
        let bell = try EventCounter()
        let shared = try Shared()
        let start = try GPUStart()
        let thread = try OSThread("camd-gl", niceness: OSThread.workNiceness) {
            do throws(CamdError) {
                let plan = GPUPlan(
                    source: source, writes: writes, pictures: plan, choice: choice, stock: stock, setup: setup)
                let worker = try GPUWorker(plan, waiting: waiting, bell: bell, shared: shared)
                start.succeed(worker.report, worker.videoLayout)
                if let error = worker.run() { ended(error) }
            } catch {
                start.fail(error)
            }
        }
        do throws(CamdError) {
            (report, videoLayout) = try start.wait()
        } catch {
            thread.join()
            throw error
        }
        self.waiting = waiting
        self.bell = bell
        self.shared = shared
        self.thread = thread
    }

    /// What the GPU of this machine can do.
    public struct Ability: Sendable {
        public var renderer: String
        public var isSoftware: Bool
        public var importsDMABufs: Bool
        /// What tells the end of its work: `native`, `egl` or `implicit`.
        public var fences: String
        /// `surfaceless` or `gbm`.
        public var platform: String
        /// Its render node; nil where it has none, or EGL does not tell.
        public var node: String?
        /// Platforms that were tried before.
        public var refusals: [PathRefusal]
    }

    /// Opens the GPU on this thread for a moment, and says what it is.
    public static func probe(_ setup: GPUSetup = GPUSetup()) throws(CamdError) -> Ability {
        let display = try GPUDisplay(setup)
        return Ability(
            renderer: display.renderer, isSoftware: display.isSoftware, importsDMABufs: display.importsDMABufs,
            fences: display.fenceKind.rawValue, platform: display.platform.name, node: display.node,
            refusals: display.refusals)
    }

    /// Whether it would do anything with a frame that is offered now. Never blocks.
    public var wantsFrames: Bool {
        shared.wantsFrames.load(ordering: .acquiring) || shared.hasOrders.load(ordering: .acquiring)
    }

    /// Takes a frame from the capture thread. Never blocks; what nobody wants, or what the GPU is too slow for, goes
    /// back to the driver at once.
    public func offer(_ frame: consuming FrameLease) {
        let wantsVideo = shared.wantsVideo.load(ordering: .acquiring)
        guard wantsFrames else { return }
        if let refused = waiting.push(frame) {
            if wantsVideo {
                if shared.isRecovering.load(ordering: .acquiring) {
                    shared.lostGPUFailed.wrappingAdd(1, ordering: .relaxed)
                } else {
                    shared.lostGPUBehind.wrappingAdd(1, ordering: .relaxed)
                }
            }
            _ = consume refused
            return
        }
        bell.signal()
    }

    /// Sets who gets the video pictures, or nobody. When it returns, the sink before gets no more of them.
    public func setVideoSink(_ sink: (any VideoSink)?) throws(CamdError) {
        precondition(sink == nil || videoLayout != nil, "a stage that makes no videos has no sink for them")
        let generation = shared.orders.withLock { orders in
            orders.sink = sink
            orders.sinkGeneration += 1
            return orders.sinkGeneration
        }
        shared.hasOrders.store(true, ordering: .releasing)
        bell.signal()
        let deadline = Deadline(afterMilliseconds: 5000)
        while shared.appliedGeneration.load(ordering: .acquiring) < generation {
            guard !deadline.hasPassed else {
                throw CamdError(.temporary, subject: "GPU \(report.renderer)", reason: "it did not answer within 5 s")
            }
            shared.applied.clear()
            if shared.appliedGeneration.load(ordering: .acquiring) >= generation { break }
            _ = try wait(
                for: .input, on: shared.applied.fileDescriptor, milliseconds: min(100, deadline.remainingMilliseconds))
        }
    }

    /// Asks for a photo of the next frame. At most 8 may wait.
    public func requestStill(_ ticket: StillTicket) throws(CamdError) {
        let isTaken = shared.orders.withLock { orders in
            guard orders.stills.count < 8, !orders.isStopping else { return false }
            orders.stills.append(ticket)
            return true
        }
        guard isTaken else {
            throw CamdError(
                .temporary, subject: "photo", reason: "too many photos are waiting already",
                remedy: "Try again shortly.")
        }
        shared.hasOrders.store(true, ordering: .releasing)
    }

    public var counts: Counts {
        var counts = Counts()
        counts.video = shared.video.load(ordering: .relaxed)
        counts.lostGPUBehind = shared.lostGPUBehind.load(ordering: .relaxed)
        counts.lostNoOutputBuffer = shared.lostNoOutputBuffer.load(ordering: .relaxed)
        counts.lostGPUFailed = shared.lostGPUFailed.load(ordering: .relaxed)
        counts.resets = shared.resets.load(ordering: .relaxed)
        counts.bytesCopied = shared.bytesCopied.load(ordering: .relaxed)
        return counts
    }

    /// Lets the GPU finish what it has (within a second) and ends the thread. The source has stopped before.
    public func stop() {
        shared.orders.withLock { $0.isStopping = true }
        shared.hasOrders.store(true, ordering: .releasing)
        bell.signal()
        thread.join()
    }
}

/// How the GL thread's start came out.
private final class GPUStart: Sendable {
    private let result = Mutex<Result<(GPUStage.Report, FrameLayout?), CamdError>?>(nil)
    private let bell: EventCounter

    init() throws(CamdError) { bell = try EventCounter() }

    func succeed(_ report: GPUStage.Report, _ layout: FrameLayout?) {
        result.withLock { $0 = .success((report, layout)) }
        bell.signal()
    }

    func fail(_ error: CamdError) {
        result.withLock { $0 = .failure(error) }
        bell.signal()
    }

    func wait() throws(CamdError) -> (GPUStage.Report, FrameLayout?) {
        // A driver that compiles slowly is let; one that never comes back cannot be ended either.
        while true {
            _ = try LinuxSystem.wait(for: .input, on: bell.fileDescriptor, milliseconds: -1)
            if let result = result.withLock({ $0 }) { return try result.get() }
        }
    }
}
