import CV4L2
import LinuxSystem

/// The buffers that a camera streams into, and how it came to them.
struct NegotiatedQueue {
    var memory: QueueMemory
    var buffers: [[DMABuf]]
    var path: String
    var heap: String?
    var refusals: [PathRefusal]
}

extension VideoNode {
    /// How many buffers a camera gets: two in the driver's hands, three waiting for or in the GPU, three for jitter.
    static let wantedBuffers = 8
    /// With fewer the driver and the GPU wait for each other.
    static let fewestBuffers = 3

    /// Tries the paths in order until one holds, and remembers why each earlier one did not: import of buffers of
    /// camd's own, which the CPU may read at full speed; then the driver's own buffers, exported.
    func negotiate(_ layout: FrameLayout, sources: [BufferSource]) throws(CamdError) -> NegotiatedQueue {
        var refusals: [PathRefusal] = []
        for source in sources {
            do throws(CamdError) {
                let buffers = try importBuffers(layout, source)
                var heap: String?
                if case .heap(let chosen) = source { heap = chosen.name }
                return NegotiatedQueue(
                    memory: .dmaBuf, buffers: buffers, path: "import:\(source.name)", heap: heap, refusals: refusals)
            } catch {
                if error.errno == .busy { throw busy(error) }
                refusals.append(PathRefusal(.capture, "import:\(source.name)", error.description))
                freeBuffers(.dmaBuf)
            }
        }
        do throws(CamdError) {
            let buffers = try exportBuffers(layout)
            return NegotiatedQueue(memory: .mmap, buffers: buffers, path: "mmap", heap: nil, refusals: refusals)
        } catch {
            freeBuffers(.mmap)
            throw error.errno == .busy ? busy(error) : error
        }
    }

    /// Allocates buffers and has the driver accept each of them (VIDIOC_QBUF maps them for the device), then takes them
    /// back: a refusal shows here and not in the running stream.
    private func importBuffers(_ layout: FrameLayout, _ source: BufferSource) throws(CamdError) -> [[DMABuf]] {
        let granted = try granted(.dmaBuf)
        let buffers = try source.allocate(layout, count: granted)
        for slot in buffers {
            for (buffer, needed) in zip(slot, layout.bufferSizes) where buffer.length < needed {
                throw CamdError(
                    .software, subject: subject,
                    reason: "a buffer of \(buffer.length) bytes is smaller than a frame (\(needed))")
            }
        }
        for slot in buffers.indices {
            if let error = queueBuffer(slot, .dmaBuf, buffers[slot]) {
                streamOff()
                throw CamdError(
                    call: "VIDIOC_QBUF", errno: error, subject: subject,
                    reason: error == .badAddress
                        ? "its DMA cannot reach a buffer in pieces; it wants contiguous memory" : error.message)
            }
        }
        // STREAMOFF takes queued buffers back also before STREAMON, and keeps the driver's mappings.
        streamOff()
        return buffers
    }

    private func exportBuffers(_ layout: FrameLayout) throws(CamdError) -> [[DMABuf]] {
        let granted = try granted(.mmap)
        var buffers: [[DMABuf]] = []
        for slot in 0..<granted {
            var planes: [DMABuf] = []
            for (plane, needed) in layout.bufferSizes.enumerated() {
                let buffer = try exportBuffer(slot, plane: plane)
                guard buffer.length >= needed else {
                    throw CamdError(
                        .unavailable, subject: subject, call: "VIDIOC_EXPBUF",
                        reason: "the driver's buffer has \(buffer.length) bytes, a frame needs \(needed)")
                }
                planes.append(buffer)
            }
            buffers.append(planes)
        }
        return buffers
    }

    private func granted(_ memory: QueueMemory) throws(CamdError) -> Int {
        let granted = try requestBuffers(Self.wantedBuffers, memory).count
        guard granted >= Self.fewestBuffers else {
            throw CamdError(
                .unavailable, subject: subject, call: "VIDIOC_REQBUFS",
                reason: "the driver gives \(granted) buffers, camd needs \(Self.fewestBuffers)",
                remedy: "Choose a smaller --size, or give the driver more memory (cma=).")
        }
        return min(granted, FramePool.mostSlots)
    }

    private func freeBuffers(_ memory: QueueMemory) { _ = try? requestBuffers(0, memory) }
}
