import CV4L2
import Glibc
import LinuxSystem

/// One instance of a mem-to-mem encoder at work, by the kernel's stateful encoder interface: frames go in where they lie
/// (V4L2_MEMORY_DMABUF), one packet comes out for each. Several are in it at once. It never waits; for one thread at a time.
///
/// Each buffer of the frames' pool has an index of the driver's queue for itself, so that the kernel maps it once. A frame
/// stays leased until the driver gives that index back.
public final class EncoderInstance: @unchecked Sendable {
    /// What an instance is made of.
    public struct Setup: Sendable {
        public var path: String
        public var codec: PixelFormat
        public var layout: FrameLayout
        public var framesPerSecond: Double
        /// Bits for each second, where the driver has such a control.
        public var bitrate: Int
        /// The driver's controls by v4l2-ctl's names for them: they come last.
        public var controls: [String: String]
        /// Frames lie in the CPU's caches and have to be cleaned from them first.
        public var publishesFrames: Bool

        public init(
            path: String, codec: PixelFormat, layout: FrameLayout, framesPerSecond: Double, bitrate: Int,
            controls: [String: String] = [:], publishesFrames: Bool = false
        ) {
            self.path = path
            self.codec = codec
            self.layout = layout
            self.framesPerSecond = framesPerSecond
            self.bitrate = bitrate
            self.controls = controls
            self.publishesFrames = publishesFrames
        }
    }

    /// What the driver says of a packet.
    public struct PacketInfo: Sendable {
        public var microseconds: Int64
        /// V4L2_BUF_FLAG_KEYFRAME; some drivers never set it.
        public var isKeyFrame: Bool
    }

    /// What one look into the queues brought.
    public struct Progress: Sendable {
        /// Frames that the driver gave back.
        public var frames = 0
        /// Packets, the damaged ones with them.
        public var packets = 0
        /// Packets that the driver marked as damaged, or that were empty.
        public var damaged = 0
        /// It has drained.
        public var isLast = false

        public var isNone: Bool { frames == 0 && packets == 0 && !isLast }
    }

    private struct Pending {
        var order: UInt64 = 0
        var microseconds: Int64 = 0
        var hasPacket = false
    }

    public let setup: Setup
    /// Frames that it has to have before the first packet comes (V4L2_CID_MIN_BUFFERS_FOR_OUTPUT).
    public let fewestFrames: Int
    private let node: EncoderNode
    /// Indices of the queue for frames: so many it takes at once.
    public let slots: Int
    private let packetBuffers: [[DMABuf]]
    /// By what the driver says that it reads of each buffer of a frame.
    private let frameBytes: [Int]
    private var leases = InlineArray<32, FrameLease?> { _ in nil }
    private var pending = InlineArray<32, Pending>(repeating: Pending())
    private var nextOrder: UInt64 = 0
    private var hasStopped = false
    /// Frames that the driver has.
    public private(set) var inFlight = 0
    /// Frames that went in and of which no packet came yet.
    public private(set) var awaited = 0

    private static let wantedPackets = 4

    /// Opens the device, sets formats and controls, allocates both queues and starts them.
    /// - Throws: `.unavailable` for a device that takes no such frames where they lie, `.usage` for a control that it does not
    ///   have or a value that it does not take, `.temporary` for one that is in use.
    public init(_ setup: Setup) throws(CamdError) {
        self.setup = setup
        let node = try EncoderNode.open(path: setup.path)
        frameBytes = try node.configure(setup)
        fewestFrames = max(1, node.frames.value(of: CV4L2_CID_MIN_BUFFERS_FOR_OUTPUT) ?? 1)
        let most = FramePool.mostSlots
        let granted = try node.frames.requestBuffers(most, .dmaBuf).count
        guard granted >= 2 else {
            throw CamdError(
                .unavailable, subject: node.frames.subject, call: "VIDIOC_REQBUFS",
                reason: "the driver gives \(granted) buffers for frames, camd needs 2")
        }
        slots = min(granted, most)
        let packets = try node.packets.requestBuffers(Self.wantedPackets, .mmap).count
        guard packets >= 1 else {
            throw CamdError(
                .unavailable, subject: node.packets.subject, call: "VIDIOC_REQBUFS",
                reason: "the driver gives no buffers for packets")
        }
        var buffers: [[DMABuf]] = []
        for slot in 0..<packets { buffers.append([try node.packets.exportBuffer(slot, plane: 0)]) }
        packetBuffers = buffers
        for slot in buffers.indices {
            if let error = node.packets.queueBuffer(slot, .mmap, buffers[slot]) {
                throw CamdError(call: "VIDIOC_QBUF", errno: error, subject: node.packets.subject)
            }
            try buffers[slot][0].prepareForCPU()
        }
        node.subscribeEnd()
        try node.frames.streamOn()
        try node.packets.streamOn()
        self.node = node
    }

    /// How pictures of a size have to lie for an encoder: bytes from row to row, rows of luma before the chroma, and what it
    /// takes at all.
    public static func need(
        _ path: String, codec: PixelFormat, format: PixelFormat, width: Int, height: Int
    ) throws(CamdError) -> FrameLayout {
        let node = try EncoderNode.open(path: path)
        return try node.layout(codec: codec, format: format, FrameSize(width, height), stride: 0, color: nil)
    }

    /// Why it cannot read frames where they lie; nil where it can. It is opened for that.
    public static func refusal(_ path: String, codec: PixelFormat, _ layout: FrameLayout) -> CamdError? {
        do throws(CamdError) {
            let node = try EncoderNode.open(path: path)
            _ = try node.fit(codec, layout)
            return nil
        } catch {
            return error
        }
    }

    /// To be polled: for input, output and priority.
    public var descriptor: CInt { node.frames.fileDescriptor }

    /// Whether it takes one more frame.
    public var hasRoom: Bool { inFlight < slots }

    /// Gives it a frame (VIDIOC_QBUF). `microseconds`: not negative; the packet has it, too. Allocates nothing.
    public func queue(_ lease: consuming FrameLease, microseconds: Int64) throws(CamdError) {
        let home = lease.slot % slots
        var slot = home
        while leases[slot] != nil {
            slot = (slot + 1) % slots
            guard slot != home else {
                throw CamdError(.software, subject: node.frames.subject, reason: "it has no room for a frame")
            }
        }
        let buffers = lease.buffers
        for (buffer, needed) in zip(buffers, frameBytes) where buffer.length < needed {
            throw CamdError(
                .unavailable, subject: node.frames.subject,
                reason:
                    "a buffer (\(buffer.origin)) of \(buffer.length) bytes is smaller than what its driver reads (\(needed))",
                remedy: "Choose another --size.")
        }
        if setup.publishesFrames { for buffer in buffers { try buffer.publishDriverWrites() } }
        if let error = node.frames.queueBuffer(
            slot, .dmaBuf, buffers, used: frameBytes, microseconds: microseconds)
        {
            guard error == .badAddress else { throw failed("VIDIOC_QBUF", error) }
            throw CamdError(
                call: "VIDIOC_QBUF", errno: error, subject: node.frames.subject,
                reason: "its DMA cannot reach a buffer in pieces; it wants contiguous memory",
                remedy: "Choose a heap of contiguous memory with --heap.")
        }
        leases[slot] = consume lease
        pending[slot] = Pending(order: nextOrder, microseconds: microseconds)
        nextOrder += 1
        inFlight += 1
        awaited += 1
    }

    /// Takes what is ready from both queues. `take` gets each packet's bytes, which are there for as long as it runs.
    public func collect(
        _ take: (PacketInfo, RawSpan) throws(CamdError) -> Void
    ) throws(CamdError) -> Progress {
        var progress = Progress()
        while try collectPacket(&progress, take) {}
        while true {
            switch node.frames.dequeueBuffer(.dmaBuf) {
            case .success(nil):
                // At most a few; they would keep the descriptor ready.
                for _ in 0..<4 where !node.takeEvent() { break }
                return progress
            case .success(let frame?):
                guard frame.slot < slots, leases[frame.slot] != nil else {
                    throw CamdError(
                        .unavailable, subject: node.frames.subject, call: "VIDIOC_DQBUF",
                        reason: "it gives buffer \(frame.slot) back, which it does not have",
                        remedy: "This is a fault of the driver \(node.frames.driver).")
                }
                leases[frame.slot] = nil
                inFlight -= 1
                progress.frames += 1
            case .failure(let error):
                throw failed("VIDIOC_DQBUF", error)
            }
        }
    }

    private func failed(_ call: String, _ error: Errno) -> CamdError {
        guard error == .noDevice else { return CamdError(call: call, errno: error, subject: node.frames.subject) }
        return CamdError(
            .unavailable, subject: node.frames.subject, call: call, errno: error, reason: "the device is gone",
            remedy: "Choose another encoder with --encoder.")
    }

    /// One packet; false when there is none.
    private func collectPacket(
        _ progress: inout Progress, _ take: (PacketInfo, RawSpan) throws(CamdError) -> Void
    ) throws(CamdError) -> Bool {
        let buffer: DequeuedBuffer
        switch node.packets.dequeueBuffer(.mmap) {
        case .success(nil): return false
        case .success(let packet?): buffer = packet
        case .failure(.brokenPipe) where hasStopped:
            // After the last one there is nothing (EPIPE).
            progress.isLast = true
            return false
        case .failure(let error):
            throw failed("VIDIOC_DQBUF", error)
        }
        guard packetBuffers.indices.contains(buffer.slot) else {
            throw CamdError(
                .unavailable, subject: node.packets.subject, call: "VIDIOC_DQBUF",
                reason: "it gives packet buffer \(buffer.slot), of \(packetBuffers.count)",
                remedy: "This is a fault of the driver \(node.packets.driver).")
        }
        let memory = packetBuffers[buffer.slot][0]
        let used = buffer.dataOffset..<max(buffer.dataOffset, min(buffer.bytesUsed, memory.length))
        if buffer.isLast { progress.isLast = true }
        // The last one may be empty: then it is no frame's.
        if !(buffer.isLast && used.isEmpty) {
            progress.packets += 1
            let microseconds = tick(Int64(clamping: buffer.timestampNanoseconds / 1000))
            if buffer.isCorrupt || used.isEmpty {
                progress.damaged += 1
            } else {
                try memory.withBytes { (bytes) throws(CamdError) in
                    try take(
                        PacketInfo(microseconds: microseconds, isKeyFrame: buffer.isKeyFrame), bytes.extracting(used))
                }
            }
        }
        if !progress.isLast, let error = node.packets.queueBuffer(buffer.slot, .mmap, packetBuffers[buffer.slot]) {
            throw failed("VIDIOC_QBUF", error)
        }
        return !progress.isLast
    }

    /// Ticks a frame off as compressed: the one with this time. The interface says that times are copied; where a driver does
    /// not, packets come in the frames' order all the same, since no frame refers to later ones.
    private func tick(_ microseconds: Int64) -> Int64 {
        awaited = max(0, awaited - 1)
        for slot in 0..<slots where pending[slot].microseconds == microseconds && !pending[slot].hasPacket {
            pending[slot].hasPacket = true
            return microseconds
        }
        var oldest: Int?
        for slot in 0..<slots where leases[slot] != nil && !pending[slot].hasPacket {
            if let other = oldest, pending[other].order < pending[slot].order { continue }
            oldest = slot
        }
        guard let oldest else { return microseconds }
        pending[oldest].hasPacket = true
        return pending[oldest].microseconds
    }

    /// Lets it compress what it has, and then end. The last packet is told by `collect`. False where the driver knows no such
    /// command: then what is awaited is all that comes.
    public func drain() throws(CamdError) -> Bool {
        hasStopped = true
        switch node.stop() {
        case nil: return true
        case .notTerminal?, .invalid?: return false
        case let error?: throw CamdError(call: "VIDIOC_ENCODER_CMD", errno: error, subject: node.frames.subject)
        }
    }

    /// The next frame is to be one that depends on no other (V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME); false where the driver cannot.
    public func forceKeyFrame() -> Bool { node.frames.setControl(CV4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 1) == nil }

    /// Gives each frame that is in it and has no packet yet to another instance, in their order. They stay leased here, too,
    /// until this one ends: its device may still read them.
    public func repeatFrames(in other: EncoderInstance) throws(CamdError) {
        var after: UInt64?
        while true {
            var next: Int?
            for slot in 0..<slots where leases[slot] != nil && !pending[slot].hasPacket {
                if let after, pending[slot].order <= after { continue }
                if let chosen = next, pending[chosen].order < pending[slot].order { continue }
                next = slot
            }
            guard let next, let copy = leases[next]?.share() else { return }
            after = pending[next].order
            try other.queue(copy, microseconds: pending[next].microseconds)
        }
    }

    /// Stops both queues, which waits for the device to be through with its frame, however long that takes: to be called where
    /// nothing waits for it. Frames go back then.
    public func stop() {
        node.frames.streamOff()
        node.packets.streamOff()
        for slot in 0..<slots { leases[slot] = nil }
        inFlight = 0
        awaited = 0
    }

    deinit {
        // The device must not read what has gone back.
        node.frames.streamOff()
        node.packets.streamOff()
    }
}
