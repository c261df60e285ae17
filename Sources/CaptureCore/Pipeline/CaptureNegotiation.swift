import CV4L2
import LinuxSystem

/// The buffers that a camera streams into, and how it came to them.
struct NegotiatedQueue {
    var memory: QueueMemory
    var buffers: [[DMABuf]]
    var path: String
    /// Where camd allocated them; nil where the driver did.
    var source: BufferSource?
    var refusals: [PathRefusal]
}

extension VideoNode {
    /// How many buffers a camera gets unless the user says otherwise: two in the driver's hands, three waiting for or in
    /// the GPU, three for jitter.
    public static let usualBuffers = 8
    /// With fewer the driver and the GPU wait for each other.
    public static let fewestBuffers = 3

    /// Tries the paths in order until one holds, and remembers why each earlier one did not: import of buffers of
    /// camd's own, which the CPU may read at full speed; then the driver's own buffers with a cached mapping; then as
    /// the driver has them.
    func negotiate(
        _ layout: FrameLayout, _ choice: HeapChoice, count: Int, stock: BufferStock
    ) throws(CamdError) -> NegotiatedQueue {
        var refusals = choice.refusals.map { PathRefusal(.capture, "import:\($0.source.name)", $0.reason) }
        for source in choice.sources {
            do throws(CamdError) {
                let buffers = try importBuffers(layout, source, count: count, stock)
                return NegotiatedQueue(
                    memory: .dmaBuf, buffers: buffers, path: "import:\(source.name)", source: source, refusals: refusals
                )
            } catch {
                if error.errno == .busy { throw busy(error) }
                refusals.append(PathRefusal(.capture, "import:\(source.name)", error.description))
                freeBuffers(.dmaBuf)
            }
        }
        do throws(CamdError) {
            let buffers = try exportBuffers(layout, .mmapNonCoherent, count: count)
            return NegotiatedQueue(
                memory: .mmapNonCoherent, buffers: buffers, path: "mmap-noncoherent", source: nil, refusals: refusals)
        } catch {
            if error.errno == .busy { throw busy(error) }
            refusals.append(PathRefusal(.capture, "mmap-noncoherent", error.description))
            freeBuffers(.mmapNonCoherent)
        }
        do throws(CamdError) {
            let buffers = try exportBuffers(layout, .mmap, count: count)
            return NegotiatedQueue(memory: .mmap, buffers: buffers, path: "mmap", source: nil, refusals: refusals)
        } catch {
            freeBuffers(.mmap)
            if error.errno == .busy { throw busy(error) }
            var error = error
            let earlier = refusals.map { "\($0.path): \($0.reason)" }.joined(separator: "; ")
            error.reason += " (and before that: \(earlier))"
            throw error
        }
    }

    /// Allocates buffers and has the driver accept each of them (VIDIOC_QBUF maps them for the device), then takes them
    /// back: a refusal shows here and not in the running stream.
    private func importBuffers(
        _ layout: FrameLayout, _ source: BufferSource, count: Int, _ stock: BufferStock
    ) throws(CamdError) -> [[DMABuf]] {
        let granted = try granted(.dmaBuf, count)
        let buffers = try stock.allocate(source, layout, count: granted)
        do throws(CamdError) {
            for slot in buffers { try check(slot, layout) }
            for slot in buffers.indices {
                if let error = queueBuffer(slot, .dmaBuf, buffers[slot]) {
                    streamOff()
                    throw CamdError(
                        call: "VIDIOC_QBUF", errno: error, subject: subject,
                        reason: error == .badAddress
                            ? "its DMA cannot reach a buffer in pieces; it wants contiguous memory" : error.message)
                }
            }
        } catch {
            stock.giveBack(source, buffers)
            throw error
        }
        // STREAMOFF takes queued buffers back also before STREAMON, and keeps the driver's mappings.
        streamOff()
        return buffers
    }

    private func exportBuffers(
        _ layout: FrameLayout, _ memory: QueueMemory, count: Int
    ) throws(CamdError) -> [[DMABuf]] {
        let granted = try granted(memory, count)
        var buffers: [[DMABuf]] = []
        for slot in 0..<granted {
            var planes: [DMABuf] = []
            for plane in layout.bufferSizes.indices { planes.append(try exportBuffer(slot, plane: plane)) }
            try check(planes, layout)
            buffers.append(planes)
        }
        return buffers
    }

    /// A buffer that is smaller than a frame is never queued: a driver that does not check would write past its end.
    private func check(_ slot: [DMABuf], _ layout: FrameLayout) throws(CamdError) {
        guard slot.count == layout.bufferSizes.count else {
            throw CamdError(
                .software, subject: subject,
                reason: "a frame has \(layout.bufferSizes.count) buffers, not \(slot.count)")
        }
        for (buffer, needed) in zip(slot, layout.bufferSizes) where buffer.length < needed {
            throw CamdError(
                .unavailable, subject: subject,
                reason: "a buffer (\(buffer.origin)) of \(buffer.length) bytes is smaller than a frame (\(needed))")
        }
    }

    private func granted(_ memory: QueueMemory, _ count: Int) throws(CamdError) -> Int {
        let (granted, capabilities) = try requestBuffers(count, memory)
        if memory == .mmapNonCoherent, capabilities & CV4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS == 0 {
            throw CamdError(
                .unavailable, subject: subject, call: "VIDIOC_REQBUFS", reason: "the driver takes no cache hints")
        }
        guard granted >= Self.fewestBuffers else {
            throw CamdError(
                .unavailable, subject: subject, call: "VIDIOC_REQBUFS",
                reason: "the driver gives \(granted) buffers, camd needs \(Self.fewestBuffers)",
                remedy: "Choose a smaller --size, or give the driver more memory (cma=).")
        }
        return min(granted, FramePool.mostSlots)
    }

    /// Takes the buffers from the driver (VIDIOC_REQBUFS of none), which also lets another one set the camera up.
    func freeBuffers(_ memory: QueueMemory) { _ = try? requestBuffers(0, memory) }
}
