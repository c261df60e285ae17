import LinuxSystem

/// The thread `camd-write`.
extension RecorderCore {
    /// Writes packets until the encoder's thread has ended and none is left; then closes the file.
    func writePackets() {
        while true {
            packetBell.clear()
            let isLast = hasEncoderEnded.load(ordering: .acquiring)
            while let packet = packets.pop() { write(packet) }
            if isLast { break }
            do throws(CamdError) {
                _ = try wait(for: .input, on: packetBell.descriptor.rawValue, milliseconds: -1)
            } catch {
                failToWrite(error)
            }
        }
        close()
        hasEnded.store(true, ordering: .releasing)
        endBell.signal()
    }

    private func write(_ packet: consuming EncodedPacket) {
        let size = packet.size
        defer {
            queuedBytes.wrappingSubtract(size, ordering: .relaxed)
            if isRoomWanted.exchange(false, ordering: .sequentiallyConsistent) { roomBell.signal() }
        }
        guard !hasWriterFailed.load(ordering: .relaxed), gate != .abandoned else { return tally.lose(.writeFailed) }
        do throws(CamdError) {
            try muxer.write(packet)
            tell(muxer.frames, muxer.microseconds)
        } catch {
            tally.lose(.writeFailed)
            failToWrite(error)
        }
    }

    private func close() {
        if hasWriterFailed.load(ordering: .relaxed) { return }
        if gate == .abandoned {
            muxer.abandon()
            return loseUnwritten()
        }
        do throws(CamdError) {
            try muxer.finish()
        } catch {
            failToWrite(error)
        }
    }

    private func failToWrite(_ error: CamdError) {
        guard !hasWriterFailed.load(ordering: .relaxed) else { return }
        muxer.abandon()
        loseUnwritten()
        hasWriterFailed.store(true, ordering: .releasing)
        fail(error)
    }

    /// Corrects the counts to what is whole in the file.
    private func loseUnwritten() {
        let whole = muxer.whole
        tally.lose(.writeFailed, muxer.frames - whole.frames)
        tell(whole.frames, whole.microseconds)
    }

    private func tell(_ frames: UInt64, _ microseconds: Int64) {
        tally.frames.store(frames, ordering: .relaxed)
        tally.microseconds.store(microseconds, ordering: .relaxed)
    }
}
