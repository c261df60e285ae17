import LinuxSystem
import Synchronization

/// A photo that was asked for and comes later: the GL thread fills it in, whoever asked waits for it.
public final class StillTicket: Sendable {
    private struct State: ~Copyable {
        var frame: FrameLease?
        var error: CamdError?
    }

    private let state = Mutex(State())
    private let bell: EventCounter

    public init() throws(CamdError) { bell = try EventCounter() }

    func fulfil(_ frame: consuming FrameLease) {
        // A closure cannot consume what it captures but once: the lease goes in through an optional.
        var frame: FrameLease? = consume frame
        state.withLock { $0.frame = frame.take() }
        bell.signal()
    }

    func fail(_ error: CamdError) {
        state.withLock { $0.error = error }
        bell.signal()
    }

    /// Waits for the frame, in the form that a JPEG is made of (I420, full range).
    public func wait(limitMilliseconds: Int) throws(CamdError) -> FrameLease {
        let readiness = try LinuxSystem.wait(
            for: .input, on: bell.fileDescriptor, milliseconds: Int32(limitMilliseconds))
        guard readiness != nil else {
            throw CamdError(
                .temporary, subject: "photo", reason: "no frame came within \(limitMilliseconds) ms",
                remedy: "See `camd status` whether the camera delivers frames.")
        }
        var error: CamdError?
        let frame = state.withLock { state in
            error = state.error
            return state.frame.take()
        }
        if let frame { return frame }
        throw error ?? CamdError(.software, subject: "photo", reason: "the photo was taken already")
    }
}
