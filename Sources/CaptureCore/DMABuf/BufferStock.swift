import LinuxSystem
import Synchronization

/// Buffers that one stream leaves to the next: when a camera changes its mode, what is large enough is kept and only the
/// rest is allocated. Contiguous memory that was given back may not be had again an hour later.
///
/// A pool hands its buffers in when its last lease is gone, so nobody reads what the next stream is given. The stock never
/// holds more than one stream had: `clear` follows each change.
public final class BufferStock: Sendable {
    private struct State {
        var kept: [(source: BufferSource, buffer: DMABuf)] = []
        var counts = Counts()
    }

    /// How many buffers streams were given, since the stock was made.
    public struct Counts: Sendable, Hashable {
        public var allocated = 0
        public var reused = 0
    }

    private let state = Mutex(State())

    public init() {}

    public var counts: Counts { state.withLock { $0.counts } }

    /// Whether a buffer of this source and of at least `length` bytes is kept.
    public func has(_ source: BufferSource, _ length: Int) -> Bool {
        state.withLock { state in state.kept.contains { $0.source == source && $0.buffer.length >= length } }
    }

    /// The smallest kept buffer of `source` that has `length` bytes, or a new one. Where the source has no more to give,
    /// what is kept of it and did not fit goes first.
    public func allocate(_ source: BufferSource, _ length: Int) throws(CamdError) -> DMABuf {
        if let kept = take(source, length) { return kept }
        let buffer: DMABuf
        do throws(CamdError) {
            buffer = try source.allocate(length)
        } catch {
            guard drop(source) else { throw error }
            buffer = try source.allocate(length)
        }
        state.withLock { $0.counts.allocated += 1 }
        return buffer
    }

    /// One set of buffers for each of `count` slots, as large as the layout says.
    public func allocate(
        _ source: BufferSource, _ layout: FrameLayout, count: Int
    ) throws(CamdError) -> [[DMABuf]] {
        var slots: [[DMABuf]] = []
        do throws(CamdError) {
            for _ in 0..<count {
                slots.append([])
                for size in layout.bufferSizes { slots[slots.count - 1].append(try allocate(source, size)) }
            }
        } catch {
            giveBack(source, slots)
            throw error
        }
        return slots
    }

    /// Keeps what nobody uses any more.
    public func giveBack(_ source: BufferSource, _ slots: [[DMABuf]]) {
        state.withLock { state in
            for buffers in slots { for buffer in buffers { state.kept.append((source, buffer)) } }
        }
    }

    /// Frees what the present stream did not take.
    public func clear() {
        // Freed outside of the lock: the last reference unmaps and closes.
        let kept = state.withLock { state in
            defer { state.kept = [] }
            return state.kept
        }
        _ = consume kept
    }

    private func take(_ source: BufferSource, _ length: Int) -> DMABuf? {
        state.withLock { state in
            let fitting = state.kept.indices.filter {
                state.kept[$0].source == source && state.kept[$0].buffer.length >= length
            }
            guard let best = fitting.min(by: { state.kept[$0].buffer.length < state.kept[$1].buffer.length }) else {
                return nil
            }
            state.counts.reused += 1
            return state.kept.remove(at: best).buffer
        }
    }

    /// Frees all that is kept of a source; false when that was nothing.
    private func drop(_ source: BufferSource) -> Bool {
        let dropped = state.withLock { state in
            let dropped = state.kept.filter { $0.source == source }
            state.kept.removeAll { $0.source == source }
            return dropped
        }
        return !dropped.isEmpty
    }
}
