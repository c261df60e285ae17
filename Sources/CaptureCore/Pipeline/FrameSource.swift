import LinuxSystem
import Synchronization

/// A path that was tried and not taken, and why.
public struct PathRefusal: Sendable, Hashable {
    public enum Stage: String, Sendable { case capture, convert, gpu, output }
    public var stage: Stage
    public var path: String
    public var reason: String

    public init(_ stage: Stage, _ path: String, _ reason: String) {
        self.stage = stage
        self.path = path
        self.reason = reason
    }
}

/// What a camera is, for people and for the status.
public struct CameraIdentity: Sendable, Hashable {
    public var id: String
    public var name: String
    public var driver: String
    public var node: String
}

/// Where frames come from: a V4L2 camera, or the built-in pattern.
public protocol FrameSource: AnyObject, Sendable {
    var identity: CameraIdentity { get }
    var framesPerSecond: Double? { get }
    var pool: FramePool { get }
    var ledger: Ledger { get }
    /// The name of the path that frames take into memory, e.g. `import:heap:system`.
    var capturePath: String { get }
    /// The heap that the buffers came from; nil where none is used.
    var heapName: String? { get }
    var refusals: [PathRefusal] { get }
    /// What its frames leave in the CPU's caches.
    var writes: DriverWrites.Kind { get }
    /// How many buffers were asked for and how many there are.
    var buffers: (asked: Int, granted: Int) { get }

    /// Of `pool`, how many buffers nobody should keep for longer than a frame takes.
    var buffersOfItsOwn: Int { get }

    /// What the camera's own frames are; those of `pool` are the same unless the CPU converts them.
    var cameraFormat: PixelFormat { get }
    /// What the CPU makes of the camera's frames before anybody gets them; nil where they go on as they come.
    var conversion: FrameConversion? { get }

    /// The same as `start(sink:ended:)`. `isWanted` is asked before work is done on a frame: what nobody wants is let go.
    func start(
        isWanted: @escaping @Sendable () -> Bool, sink: @escaping @Sendable (consuming FrameLease) -> Void,
        ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError)

    /// Starts the stream. `sink` is called on the capture thread for each frame and may not block; `ended` is called
    /// once, on that thread, when the stream ends by itself.
    func start(
        sink: @escaping @Sendable (consuming FrameLease) -> Void, ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError)

    /// Stops the stream and joins its thread. Leases that are still out stay good.
    func stop()
}

extension FrameSource {
    public var cameraFormat: PixelFormat { pool.layout.format }
    public var conversion: FrameConversion? { nil }
    /// Two that the driver fills, one that it is about to, one that somebody is at.
    public var buffersOfItsOwn: Int { 4 }

    public func start(
        isWanted: @escaping @Sendable () -> Bool, sink: @escaping @Sendable (consuming FrameLease) -> Void,
        ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError) { try start(sink: sink, ended: ended) }
}

/// How many buffers the driver holds, so that whoever gives one back knows whether to wake the capture thread.
final class QueueDepth: Sendable {
    private let held = Atomic<Int>(0)
    /// With this many or fewer the driver waits for buffers; above it, the next frame's wake-up takes them along.
    let low: Int

    init(low: Int) { self.low = low }

    var count: Int { held.load(ordering: .acquiring) }
    var isLow: Bool { count <= low }
    func add(_ number: Int) { held.wrappingAdd(number, ordering: .acquiringAndReleasing) }
    func clear() { held.store(0, ordering: .releasing) }
}
