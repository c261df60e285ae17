import Synchronization

/// Hands a camera's frames to a video sink as they come, with no GPU between them: for an encoder that reads what the
/// camera delivers.
public final class DirectVideo: Sendable {
    private let sink = Mutex<(any VideoSink)?>(nil)
    /// Looked at for each frame without taking the lock.
    private let isOn = Atomic<Bool>(false)

    public init() {}

    /// Sets who gets the frames, or nobody. A frame that the capture thread is at goes to the sink before.
    public func set(_ sink: (any VideoSink)?) {
        self.sink.withLock { $0 = sink }
        isOn.store(sink != nil, ordering: .releasing)
    }

    public var isWanted: Bool { isOn.load(ordering: .acquiring) }

    /// Called on the capture thread. The lock is held for taking a reference, and only changed twice in a recording.
    public func offer(_ frame: borrowing FrameLease) {
        guard isOn.load(ordering: .acquiring), let sink = sink.withLock({ $0 }) else { return }
        sink.offer(frame.share())
    }
}
