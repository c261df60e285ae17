import Glibc
import LinuxSystem
import Synchronization

/// Reads a sound card on a thread of its own, `camd-sound`, into a ring. Once it runs it does not end by itself: a device
/// that goes away, or delivers nothing, is silent by the clock, and is opened again when it is there. What is read costs no
/// allocation and no lock.
final class Microphone: @unchecked Sendable {
    let device: String
    let ring = SoundRing()
    /// Rung when something is in the ring.
    let bell: EventFD
    private let stopBell: EventFD
    /// Rung once, when the thread has ended, and never cleared.
    private let endBell: EventFD
    private let thread = Mutex<OSThread?>(nil)
    private let isStopping = Atomic<Bool>(false)

    // Of the thread.
    private var wanted: SoundFormat?
    private var isContinuous = false
    private let spare = UnsafeMutableRawPointer.allocate(byteCount: SoundRing.slotBytes, alignment: 64)

    // Counts, for anyone.
    let framesRead = Atomic<UInt64>(0)
    let overruns = Atomic<UInt64>(0)
    let lostFrames = Atomic<UInt64>(0)
    let timesAway = Atomic<UInt64>(0)
    let isAway = Atomic<Bool>(false)
    private let told = Mutex<(reason: CamdError?, format: SoundFormat?)>((nil, nil))

    /// A device that delivers nothing for so long has gone.
    private static let patienceNanoseconds: UInt64 = 1_000_000_000
    /// How often silence is told, and the clock looked at, while it is away.
    private static let silenceMilliseconds = 100
    /// Between two attempts to open it: doubled, up to the latter.
    private static let retryMilliseconds = (first: 250, last: 5000)
    /// Overruns in a row, with no frame between them.
    private static let mostOverruns = 20

    /// Opens the device and starts to read.
    /// - Throws: what is wrong with the device; one that may be away is only refused for its name.
    init(_ device: String, mayBeAway: Bool = false) throws(CamdError) {
        try CapturePCM.check(device)
        self.device = device
        bell = try EventFD()
        stopBell = try EventFD()
        endBell = try EventFD()
        var first: CapturePCM?
        do throws(CamdError) {
            let pcm = try CapturePCM(device)
            try pcm.start()
            remember(pcm.format)
            first = consume pcm
        } catch {
            guard mayBeAway, error.kind != .usage else { throw error }
            goAway(error)
        }
        let start = Start(first.take())
        let thread = try OSThread("camd-sound") { [self] in
            run(start.pcm.take())
            endBell.signal()
        }
        self.thread.withLock { $0 = thread }
    }

    /// Carries the device to the thread.
    private final class Start: @unchecked Sendable {
        var pcm: CapturePCM?
        init(_ pcm: consuming CapturePCM?) { self.pcm = pcm }
    }

    deinit { spare.deallocate() }

    /// What the card delivers; nil when it has never been there.
    var format: SoundFormat? { told.withLock { $0.format } }
    /// Why it was away the last time.
    var reason: CamdError? { told.withLock { $0.reason } }

    /// Ends the thread and closes the device. What is in the ring stays there. A device that holds its thread in a system
    /// call is left to it after the limit.
    func stop(limitMilliseconds: Int) {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        stopBell.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        let bell = endBell.descriptor.rawValue
        let hasEnded = (try? wait(for: .input, on: bell, milliseconds: CInt(clamping: limitMilliseconds))) ?? nil
        if hasEnded != nil { thread?.join() }
    }

    private var mustStop: Bool { isStopping.load(ordering: .acquiring) }

    private func remember(_ format: SoundFormat) {
        wanted = format
        told.withLock { $0.format = format }
    }

    private func goAway(_ error: CamdError) {
        told.withLock { $0.reason = error }
        if !isAway.exchange(true, ordering: .relaxed) { timesAway.wrappingAdd(1, ordering: .relaxed) }
    }

    private func run(_ first: consuming CapturePCM?) {
        if let pcm = first.take() { capture(pcm) }
        var pause = Self.retryMilliseconds.first
        while !mustStop {
            beSilent(milliseconds: pause)
            if mustStop { return }
            do throws(CamdError) {
                let pcm = try CapturePCM(device, like: wanted)
                try pcm.start()
                remember(pcm.format)
                let before = framesRead.load(ordering: .relaxed)
                capture(pcm)
                // One that opens and delivers nothing is not tried at once again and again.
                if framesRead.load(ordering: .relaxed) != before { pause = Self.retryMilliseconds.first / 2 }
            } catch {
                goAway(error)
            }
            pause = min(pause * 2, Self.retryMilliseconds.last)
        }
    }

    /// Tells silence by the clock for so long.
    private func beSilent(milliseconds: Int) {
        let deadline = Deadline(afterMilliseconds: milliseconds)
        repeat {
            isContinuous = false
            let silence = SoundBlock(
                frames: 0, format: wanted ?? SoundFormat(sample: .s16, channels: 2, rate: SoundTimeline.rate),
                isContinuous: false, stampNanoseconds: Clock.monotonicNanoseconds(), stampOffset: 0)
            // Full: the next one tells the same, and more.
            if ring.push(silence) { bell.signal() }
            let limit = min(deadline.remainingMilliseconds, CInt(Self.silenceMilliseconds))
            _ = try? wait(for: .input, on: stopBell.descriptor.rawValue, milliseconds: limit)
        } while !deadline.hasPassed && !mustStop
    }

    /// Reads until it is to stop, or until the device is no more.
    private func capture(_ pcm: consuming CapturePCM) {
        var lastFrames = Clock.monotonicNanoseconds()
        var overrunsInARow = 0
        var entries = InlineArray<8, pollfd>(repeating: pollfd(fd: -1, events: 0, revents: 0))
        do throws(CamdError) {
            while !mustStop {
                var span = entries.mutableSpan
                span.withUnsafeMutableBufferPointer { list in
                    list[0] = pollfd(fd: stopBell.descriptor.rawValue, events: CShort(POLLIN), revents: 0)
                    let count = pcm.fill(list.baseAddress! + 1)
                    _ = poll(list.baseAddress!, nfds_t(count + 1), 250)
                }
                // Whatever was polled: the status tells frames, an overrun and a device that is gone alike.
                switch try read(pcm) {
                case .some:
                    lastFrames = Clock.monotonicNanoseconds()
                    overrunsInARow = 0
                    isAway.store(false, ordering: .relaxed)
                case .none:
                    guard Clock.monotonicNanoseconds() - lastFrames < Self.patienceNanoseconds else {
                        throw CamdError(
                            .noInput, subject: CapturePCM.subject(device),
                            reason: "it has delivered nothing for a second")
                    }
                    // A plugin whose descriptor stays ready is not to turn this into a loop at full speed.
                    if entries[0].revents == 0, entries[1].revents != 0 { usleep(2000) }
                case .overrun:
                    overruns.wrappingAdd(1, ordering: .relaxed)
                    overrunsInARow += 1
                    isContinuous = false
                    guard overrunsInARow < Self.mostOverruns else {
                        throw CamdError(
                            .noInput, subject: CapturePCM.subject(device), reason: "its buffer runs over without end")
                    }
                    try pcm.start()
                }
            }
        } catch {
            goAway(error)
        }
    }

    /// Reads what waits, into slots of the ring.
    private func read(_ pcm: borrowing CapturePCM) throws(CamdError) -> CapturePCM.Outcome<Void> {
        let waiting: CapturePCM.Waiting
        switch try pcm.waiting() {
        case .some(let some): waiting = some
        case .none: return .none
        case .overrun: return .overrun
        }
        let slotFrames = SoundRing.slotBytes / pcm.format.frameBytes
        var left = waiting.frames
        defer { bell.signal() }
        while left > 0 {
            let slot = ring.freeSlot
            switch try pcm.read(min(left, slotFrames), to: slot ?? spare) {
            case .none: return .some(())
            case .overrun: return .overrun
            case .some(let count):
                framesRead.wrappingAdd(UInt64(count), ordering: .relaxed)
                if slot == nil {
                    lostFrames.wrappingAdd(UInt64(count), ordering: .relaxed)
                    isContinuous = false
                } else {
                    let block = SoundBlock(
                        frames: count, format: pcm.format, isContinuous: isContinuous,
                        stampNanoseconds: waiting.stampNanoseconds, stampOffset: left)
                    _ = ring.push(block)
                    isContinuous = true
                }
                left -= count
            }
        }
        return .some(())
    }
}
