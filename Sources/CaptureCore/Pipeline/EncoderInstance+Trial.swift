import CV4L2
import LinuxSystem

extension EncoderInstance {
    /// Compresses one picture out of the driver's own memory (V4L2_MEMORY_MMAP; what is in it is nobody's) and returns the
    /// packet: what the device refuses shows before the first frame, and how its bitstream begins. Throws `.unavailable` where
    /// nothing comes within the limit.
    public static func trial(_ setup: Setup, limitMilliseconds: Int) throws(CamdError) -> [UInt8] {
        let trial = try Trial(setup)
        let result: Result<[UInt8], CamdError>
        do throws(CamdError) {
            result = .success(try trial.packet(limitMilliseconds))
        } catch {
            result = .failure(error)
        }
        // Closing waits for a device that hangs, and nobody is to wait for that.
        if case .failure = result { _ = try? OSThread("camd-encode-end") { trial.stop() } } else { trial.stop() }
        return try result.get()
    }

    private final class Trial: Sendable {
        private let node: EncoderNode
        private let memory: DMABuf

        init(_ setup: Setup) throws(CamdError) {
            let node = try EncoderNode.open(path: setup.path)
            let used = try node.configure(setup)
            _ = try node.frames.requestBuffers(1, .mmap)
            _ = try node.packets.requestBuffers(1, .mmap)
            memory = try node.packets.exportBuffer(0, plane: 0)
            if let error = node.packets.queueBuffer(0, .mmap, [memory]) {
                throw CamdError(call: "VIDIOC_QBUF", errno: error, subject: node.packets.subject)
            }
            if let error = node.frames.queueBuffer(0, .mmap, Array(repeating: memory, count: used.count), used: used) {
                throw CamdError(call: "VIDIOC_QBUF", errno: error, subject: node.frames.subject)
            }
            try node.frames.streamOn()
            try node.packets.streamOn()
            self.node = node
        }

        func packet(_ limitMilliseconds: Int) throws(CamdError) -> [UInt8] {
            // One that would wait for more frames knows now that there are none.
            _ = node.stop()
            let deadline = Deadline(afterMilliseconds: limitMilliseconds)
            while true {
                switch node.packets.dequeueBuffer(.mmap) {
                case .success(let packet?):
                    let used = packet.dataOffset..<max(packet.dataOffset, min(packet.bytesUsed, memory.length))
                    guard !packet.isCorrupt, !used.isEmpty else {
                        throw nothing("its first packet is damaged or empty")
                    }
                    return try memory.withBytes { (bytes) throws(CamdError) in
                        bytes.extracting(used).withUnsafeBytes { Array($0) }
                    }
                case .failure(let error):
                    throw CamdError(call: "VIDIOC_DQBUF", errno: error, subject: node.packets.subject)
                case .success(nil): break
                }
                guard !deadline.hasPassed else {
                    throw nothing("it compressed no picture within \(Double(limitMilliseconds) / 1000) s")
                }
                _ = try wait(
                    for: .input, on: node.packets.fileDescriptor,
                    milliseconds: min(50, deadline.remainingMilliseconds))
            }
        }

        private func nothing(_ reason: String) -> CamdError {
            CamdError(
                .unavailable, subject: node.frames.subject, reason: reason,
                remedy: "See the kernel's log (dmesg); choose another encoder with --encoder.")
        }

        func stop() {
            node.frames.streamOff()
            node.packets.streamOff()
        }
    }
}
