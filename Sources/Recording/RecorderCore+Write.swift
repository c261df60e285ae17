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
                if !hasWriterFailed.load(ordering: .relaxed) {
                    try files.syncIfDue()
                    tell()
                }
                let limit = hasWriterFailed.load(ordering: .relaxed) ? -1 : files.millisecondsToSync
                _ = try wait(for: .input, on: packetBell.descriptor.rawValue, milliseconds: limit)
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
        // What is compressed already is written also when the recording is broken off: nobody waits for it.
        guard !hasWriterFailed.load(ordering: .relaxed) else { return tally.lose(.writeFailed) }
        let taken = files.taken.frames
        do throws(CamdError) {
            try files.write(packet, isBehind: packets.count > 0)
            tell()
        } catch {
            // A packet that was taken and is not whole in the file is counted below.
            if files.taken.frames == taken { tally.lose(.writeFailed) }
            failToWrite(error)
        }
    }

    private func close() {
        if hasWriterFailed.load(ordering: .relaxed) { return }
        if gate == .abandoned {
            files.abandon()
            return loseUnwritten()
        }
        do throws(CamdError) {
            try files.finish()
            tell()
        } catch {
            failToWrite(error)
        }
    }

    private func failToWrite(_ error: CamdError) {
        guard !hasWriterFailed.load(ordering: .relaxed) else { return }
        files.abandon()
        loseUnwritten()
        hasWriterFailed.store(true, ordering: .releasing)
        fail(error)
    }

    /// Corrects the counts to what is whole in the files.
    private func loseUnwritten() {
        tally.lose(.writeFailed, files.taken.frames - files.whole.frames)
        tell(files.whole)
    }

    /// Tells what was taken, but never more than a second of what is not on the disk: what somebody was told of is there
    /// also after a power cut, up to a second. A sync that lasts makes the counts stand still.
    private func tell() {
        let (taken, synced) = (files.taken, files.synced)
        if taken.microseconds - synced.microseconds <= FileSequence.secondMicroseconds {
            tell(taken)
        } else {
            tell(nil)
        }
    }

    private func tell(_ taken: Muxer.Mark?) {
        let synced = files.synced
        tally.syncedFrames.store(synced.frames, ordering: .relaxed)
        tally.syncedMicroseconds.store(synced.microseconds, ordering: .relaxed)
        tally.bytes.store(files.bytes, ordering: .relaxed)
        if tally.files.load(ordering: .relaxed) != files.count {
            currentPath.withLock { $0 = files.path }
            tally.files.store(files.count, ordering: .releasing)
        }
        guard let taken else { return }
        tally.frames.store(taken.frames, ordering: .relaxed)
        tally.microseconds.store(taken.microseconds, ordering: .relaxed)
    }
}
