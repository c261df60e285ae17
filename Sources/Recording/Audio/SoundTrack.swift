import LinuxSystem
import Synchronization

/// The sound of a recording: a microphone, and the thread `camd-sound-enc` that makes packets of what it hears. The track
/// has no gaps, whatever becomes of the device. It runs until `finish`.
final class SoundTrack: @unchecked Sendable {
    let settings: SoundSettings
    /// What a container has to know before the first packet. Times of packets are CLOCK_MONOTONIC, in nanoseconds.
    let stream: EncodedStream
    private let microphone: Microphone
    private let timeline: SoundTimeline
    private let encoder: AudioEncoder
    private let take: @Sendable (consuming EncodedPacket) -> Void
    private let thread = Mutex<OSThread?>(nil)
    /// Rung once, when the thread has ended, and never cleared.
    private let endBell: EventFD
    private let hasEnded = Atomic<Bool>(false)
    private let isFinishing = Atomic<Bool>(false)
    private let told = Mutex(Told())

    /// What the thread tells of itself, once for each turn.
    private struct Told {
        var packets: UInt64 = 0
        var silentSamples: Int64 = 0
        var drift = 0.0
        var error = 0.0
        var failure: CamdError?
    }

    /// Opens the encoder and the device, and starts. Packets go to `take` from now on, one after the other, on a thread of
    /// the track's own, which must not wait there for long: the ring before it holds two seconds and a half.
    /// - Throws: what is wrong with the device or the encoder.
    init(
        _ settings: SoundSettings, container: Container, _ take: @escaping @Sendable (consuming EncodedPacket) -> Void
    ) throws(CamdError) {
        if let channels = settings.channels, !(1...2).contains(channels) {
            throw CamdError(.usage, subject: "sound", reason: "\(channels) channels are not 1 or 2")
        }
        self.settings = settings
        self.take = take
        endBell = try EventFD()
        let microphone = try Microphone(settings.device, mayBeAway: settings.mayBeAway)
        do throws(CamdError) {
            let channels = settings.channels ?? min(2, microphone.format?.channels ?? 2)
            encoder = try AudioEncoder(
                SoundCodec(container), channels: channels, bitRate: settings.bitRate,
                globalHeader: container.hasGlobalHeader)
            timeline = try SoundTimeline(channels: channels)
            stream = encoder.stream
            self.microphone = microphone
            let thread = try OSThread("camd-sound-enc", niceness: OSThread.workNiceness) { [self] in run() }
            self.thread.withLock { $0 = thread }
        } catch {
            microphone.stop(limitMilliseconds: 2000)
            throw error
        }
    }

    /// Counts and state at this moment. From any thread; does not wait.
    var status: SoundStatus {
        let told = told.withLock { $0 }
        let format = microphone.format
        let isAway = microphone.isAway.load(ordering: .relaxed)
        var state: SoundStatus.State = isAway ? .away : .capturing
        if hasEnded.load(ordering: .acquiring) { state = .ended }
        if told.failure != nil { state = .failed }
        return SoundStatus(
            device: settings.device, encoder: stream.encoderName,
            state: state,
            rate: format?.rate ?? 0, channels: format?.channels ?? 0,
            framesRead: microphone.framesRead.load(ordering: .relaxed),
            overruns: microphone.overruns.load(ordering: .relaxed),
            lostFrames: microphone.lostFrames.load(ordering: .relaxed),
            timesAway: microphone.timesAway.load(ordering: .relaxed),
            silentSeconds: Double(told.silentSamples) / Double(SoundTimeline.rate),
            driftPartsPerMillion: told.drift * 1e6, errorSeconds: told.error, packets: told.packets,
            failure: told.failure ?? microphone.reason)
    }

    /// Stops the microphone, encodes what was heard, and gives the last packets.
    /// - Returns: the final counts.
    /// - Throws: `.temporary` when it is not through within the limit: call this again, or leave it. Packets may then
    ///   still come.
    @discardableResult
    func finish(limitMilliseconds: Int) throws(CamdError) -> SoundStatus {
        let deadline = Deadline(afterMilliseconds: limitMilliseconds)
        microphone.stop(limitMilliseconds: limitMilliseconds / 2)
        isFinishing.store(true, ordering: .sequentiallyConsistent)
        microphone.bell.signal()
        let bell = endBell.descriptor.rawValue
        guard try wait(for: .input, on: bell, milliseconds: deadline.remainingMilliseconds) != nil else {
            throw CamdError(
                .temporary, subject: CapturePCM.subject(settings.device),
                reason: "its last packets are not made after \(Double(limitMilliseconds) / 1000) s")
        }
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
        return status
    }

    private func run() {
        while true {
            microphone.bell.clear()
            let isLast = isFinishing.load(ordering: .acquiring)
            do throws(CamdError) {
                try drain()
                if isLast { try encoder.finish { (packet) throws(CamdError) in take(packet) } }
            } catch {
                told.withLock { $0.failure = $0.failure ?? error }
            }
            tell()
            if isLast { break }
            // The microphone tells something ten times a second, whatever becomes of it.
            _ = try? wait(for: .input, on: microphone.bell.descriptor.rawValue, milliseconds: -1)
        }
        hasEnded.store(true, ordering: .releasing)
        endBell.signal()
    }

    private func drain() throws(CamdError) {
        let hasFailed = told.withLock { $0.failure != nil }
        var more = true
        while more {
            more = try microphone.ring.pop { (block, bytes) throws(CamdError) in
                guard !hasFailed else { return }
                try timeline.take(block, bytes) { (samples) throws(CamdError) in
                    try encoder.encode(samples, startNanoseconds: timeline.startNanoseconds ?? 0) {
                        (packet) throws(CamdError) in take(packet)
                    }
                }
            }
        }
    }

    private func tell() {
        told.withLock {
            $0.packets = encoder.packets
            $0.silentSamples = timeline.silentSamples
            $0.drift = timeline.clock.drift
            $0.error = timeline.error
        }
    }
}
