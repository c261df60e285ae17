import CaptureCore
import LinuxSystem

/// The thread `camd-encode`.
extension RecorderCore {
    /// What the encoder's thread knows of the stream.
    private struct Progress {
        var firstNanoseconds: UInt64?
        var lastMicroseconds: Int64 = -1
        /// Frames that the encoder took, and packets that came of them.
        var taken: UInt64 = 0
        var packets: UInt64 = 0
        /// Where files begin.
        var cuts: CutPlan
        var cutsMade = 0
        var wall: WallTime
        /// The disk was behind: frames are refused until half of the queue is free again.
        var isBehind = false
    }

    /// Encodes frames until the gate is closed and none is left.
    func encodeFrames() {
        var progress = Progress(
            cuts: CutPlan(rule, wallNanoseconds: startNanoseconds), wall: WallTime(startNanoseconds: startNanoseconds))
        while true {
            frameBell.clear()
            let isClosed = gate != .open
            let mayCome = isOffering.load(ordering: .sequentiallyConsistent)
            while let frame = frames.pop() { take(frame, &progress) }
            if isClosed && !mayCome { break }
            do throws(CamdError) {
                // A producer that was in the middle of it is through in microseconds, and does not always ring.
                try encoder.wait(for: frameBell.descriptor.rawValue, milliseconds: isClosed ? 1 : -1) {
                    (packet) throws(CamdError) in hand(packet, &progress)
                }
            } catch {
                fail(error)
            }
        }
        if gate == .finishing {
            do throws(CamdError) {
                try encoder.finish { (packet) throws(CamdError) in hand(packet, &progress) }
            } catch {
                fail(error)
            }
        }
        let delayed = progress.taken > progress.packets ? progress.taken - progress.packets : 0
        let isEncodersFault = !hasWriterFailed.load(ordering: .acquiring) && gate != .abandoned
        if delayed > 0 { tally.lose(isEncodersFault ? .encoderFailed : .writeFailed, delayed) }
        hasEncoderEnded.store(true, ordering: .releasing)
        packetBell.signal()
    }

    private func take(_ frame: borrowing FrameLease, _ progress: inout Progress) {
        let gate = gate
        guard gate == .open || gate == .finishing else { return tally.lose(.over) }
        // Once it is full, half of it has to be free: a gap and then a group of its own, and not each second frame.
        let share = progress.isBehind ? 2 : 1
        let isFull =
            packets.count >= limits.packets / share || queuedBytes.load(ordering: .relaxed) >= limits.bytes / share
        if isFull {
            progress.isBehind = true
            return tally.lose(.diskBehind)
        }
        let nanoseconds = frame.metadata.timestampNanoseconds
        let first = progress.firstNanoseconds ?? nanoseconds
        guard nanoseconds >= first, case let microseconds = Int64((nanoseconds - first) / 1000),
            microseconds > progress.lastMicroseconds
        else { return tally.lose(.timestamp) }
        let isWanted = cutsWanted.load(ordering: .relaxed) != progress.cutsMade
        let isCut = progress.cuts.isCut(
            at: microseconds, wallNanoseconds: progress.wall.nanoseconds(at: microseconds), isWanted: isWanted)
        if isWanted { progress.cutsMade = cutsWanted.load(ordering: .relaxed) }
        do throws(CamdError) {
            // Not all encoders listen: those cut at their own next key frame.
            if isCut || progress.isBehind { _ = encoder.forceKeyFrame() }
            try encoder.encode(frame, timestampMicroseconds: microseconds) { (packet) throws(CamdError) in
                hand(packet, &progress)
            }
        } catch {
            tally.lose(.encoderFailed)
            return fail(error)
        }
        progress.taken += 1
        progress.isBehind = false
        progress.firstNanoseconds = first
        progress.lastMicroseconds = microseconds
        tally.bytesCopied.store(encoder.bytesCopied, ordering: .relaxed)
    }

    /// Hands a packet to the writer. The queue has room, but for an encoder that gives many at its end: then this
    /// waits for the disk, and no packet is dropped from the middle of a group of pictures.
    private func hand(_ packet: consuming EncodedPacket, _ progress: inout Progress) {
        progress.packets += 1
        let time = packet.microseconds(encoder.stream)
        if progress.cuts.isFirst(at: time, isKeyFrame: packet.isKeyFrame, size: packet.size) {
            packet.startsFileAt = progress.wall.nanoseconds(at: time)
        }
        queuedBytes.wrappingAdd(packet.size, ordering: .relaxed)
        var waiting = packets.push(packet)
        while let packet = waiting.take() {
            guard !hasWriterFailed.load(ordering: .acquiring), gate != .abandoned else {
                queuedBytes.wrappingSubtract(packet.size, ordering: .relaxed)
                return tally.lose(.writeFailed)
            }
            roomBell.clear()
            isRoomWanted.store(true, ordering: .sequentiallyConsistent)
            waiting = packets.push(packet)
            if waiting != nil {
                _ = try? wait(for: .input, on: roomBell.descriptor.rawValue, milliseconds: 100)
            }
        }
        packetBell.signal()
    }
}
