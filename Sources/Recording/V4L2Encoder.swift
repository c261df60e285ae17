import CFFmpeg
import CaptureCore
import Glibc
import LinuxSystem
import Synchronization

/// Compresses frames with a mem-to-mem encoder (V4L2), which reads each where it lies. Several are in it at once. One that
/// hangs is given up and begun anew, with the frames that it had; the recording goes on.
final class V4L2Encoder: FrameEncoder, @unchecked Sendable {
    let name: String
    let stream: EncodedStream
    let depth: Int
    private let codec: V4L2Wish.Codec
    private let setup: EncoderInstance.Setup
    private var instance: EncoderInstance
    private let frameMicroseconds: Int64
    private var isEnding = false
    private var hasDrained = false
    private let restartCount = Atomic<UInt64>(0)
    /// Restarts since the last packet.
    private var attempts = 0
    private var lastProgress: UInt64 = 0

    /// An encoder that gives nothing for so long, with frames in it, hangs.
    private static let hangMilliseconds = 2000
    private static let mostAttempts = 3
    /// Frames that are in it at once, where it does not need more: one that it reads, one that waits, one whose packet is on
    /// its way.
    private static let usualDepth = 3

    /// Opens the device and lets it compress one picture: what it refuses shows now, and containers want the parameter sets
    /// before the first packet.
    /// - Parameter mostFrames: that it may keep at once.
    init(
        _ settings: EncoderSettings, _ wish: V4L2Wish, layout: FrameLayout, nominalFrameRate: Double, mostFrames: Int
    ) throws(CamdError) {
        guard nominalFrameRate >= 0.01, nominalFrameRate <= 1000 else {
            throw CamdError(
                .usage, subject: "encoder \(settings.name)",
                reason: "a rate of \(nominalFrameRate) frames a second is out of 0.01 to 1000")
        }
        let choice = try wish.choice(for: layout)
        codec = choice.codec
        name = "v4l2:\(codec.name) (\(choice.device.node))"
        let pixels = Double(layout.width) * Double(layout.height) * nominalFrameRate
        setup = EncoderInstance.Setup(
            path: choice.device.node, codec: codec.format, layout: layout, framesPerSecond: nominalFrameRate,
            bitrate: Int(max(200_000, min(pixels / 10, 1e9))), controls: settings.options,
            publishesFrames: settings.publishesFrames && choice.device.driver != "vicodec")
        frameMicroseconds = max(1, Int64(1_000_000 / nominalFrameRate))
        let sample = try EncoderInstance.trial(setup, limitMilliseconds: Self.hangMilliseconds)
        stream = try EncodedStream(
            codec, layout: layout, frameRate: av_d2q(nominalFrameRate, 100_000), encoderName: name,
            parameterSets: codec.hasParameterSets ? try ParameterSets.find(codec.libav, in: sample) : [])
        instance = try EncoderInstance(setup)
        guard instance.fewestFrames <= min(mostFrames, instance.slots) else {
            throw CamdError(
                .unavailable, subject: "encoder \(setup.path)",
                reason: "it has to have \(instance.fewestFrames) frames at once, and there are "
                    + "\(min(mostFrames, instance.slots)) to give",
                remedy: "Give the camera more --buffers.")
        }
        depth = min(mostFrames, instance.slots, max(Self.usualDepth, instance.fewestFrames + 1))
    }

    deinit { Self.end(instance) }

    /// The encoder's device reads frames itself.
    var bytesCopied: UInt64 { 0 }
    var restarts: UInt64 { restartCount.load(ordering: .relaxed) }

    func encode(_ lease: borrowing FrameLease, timestampMicroseconds: Int64, _ emit: Emit) throws(CamdError) {
        try collect(emit)
        while instance.inFlight >= depth || !instance.hasRoom {
            try waitForDevice(emit)
        }
        if !isOwed { lastProgress = Clock.monotonicNanoseconds() }
        try instance.queue(lease.share(), microseconds: timestampMicroseconds)
    }

    func wait(for bell: CInt, milliseconds: CInt, _ emit: Emit) throws(CamdError) {
        guard instance.awaited > 0 || instance.inFlight > 0 else {
            _ = try LinuxSystem.wait(for: .input, on: bell, milliseconds: milliseconds)
            return
        }
        let limit = remaining < 0 || milliseconds >= 0 && milliseconds < remaining ? milliseconds : remaining
        let (_, isDeviceReady) = try LinuxSystem.wait(
            for: .input, on: bell, or: [.input, .output, .priority], on: instance.descriptor, milliseconds: limit)
        try advance(isDeviceReady, emit)
    }

    func forceKeyFrame() -> Bool { instance.forceKeyFrame() }

    func finish(_ emit: Emit) throws(CamdError) {
        var isTold = try instance.drain()
        isEnding = true
        lastProgress = Clock.monotonicNanoseconds()
        hasDrained = !isTold && instance.awaited == 0
        while !hasDrained {
            let before = restarts
            try waitForDevice(emit)
            // The new one has the frames that are left, and does not know that they are the last.
            if restarts != before { isTold = try instance.drain() }
            if !isTold, instance.awaited == 0 { hasDrained = true }
        }
    }

    // MARK: - the device

    /// Whether it has what it needs to give a packet: with fewer frames it may wait for the next one as long as the camera does.
    private var isOwed: Bool {
        isEnding ? !hasDrained : instance.awaited >= instance.fewestFrames || instance.inFlight >= depth
    }

    /// Milliseconds until the device counts as hung; -1 while it owes nothing.
    private var remaining: CInt {
        guard isOwed else { return -1 }
        let waited = Int((Clock.monotonicNanoseconds() &- lastProgress) / 1_000_000)
        return CInt(clamping: max(0, Self.hangMilliseconds - waited))
    }

    private func waitForDevice(_ emit: Emit) throws(CamdError) {
        let readiness = try LinuxSystem.wait(
            for: [.input, .output, .priority], on: instance.descriptor, milliseconds: remaining)
        try advance(readiness != nil, emit)
    }

    /// Takes what there is; a device that says that there is something and has nothing is not asked without a pause.
    private func advance(_ isReady: Bool, _ emit: Emit) throws(CamdError) {
        if isReady, try !collect(emit) { usleep(1000) }
        if remaining == 0 { try restart() }
    }

    /// False where there was nothing.
    @discardableResult
    private func collect(_ emit: Emit) throws(CamdError) -> Bool {
        let progress: EncoderInstance.Progress
        do throws(CamdError) {
            progress = try take(emit)
        } catch {
            // A queue that has failed gives nothing any more until it is begun anew.
            guard error.errno == .inputOutput else { throw error }
            try restart()
            return true
        }
        if progress.isLast { hasDrained = true }
        guard !progress.isNone else { return false }
        lastProgress = Clock.monotonicNanoseconds()
        if progress.packets > progress.damaged { attempts = 0 }
        return true
    }

    private func take(_ emit: Emit) throws(CamdError) -> EncoderInstance.Progress {
        try instance.collect { (info, bytes) throws(CamdError) in
            let packet = try EncodedPacket.copy(of: bytes)
            packet.raw.pointee.pts = info.microseconds
            packet.raw.pointee.dts = info.microseconds
            packet.raw.pointee.duration = frameMicroseconds
            if info.isKeyFrame || KeyFrames.isOne(codec.libav, bytes) {
                packet.raw.pointee.flags |= AV_PKT_FLAG_KEY
            }
            try emit(packet)
        }
    }

    /// Gives the instance up, and opens another one, which gets the frames that have no packet yet and begins with a key frame.
    private func restart() throws(CamdError) {
        attempts += 1
        guard attempts <= Self.mostAttempts else {
            throw CamdError(
                .unavailable, subject: "encoder \(setup.path)",
                reason: "it was begun anew \(Self.mostAttempts) times in a row and gave nothing for "
                    + "\(Double(Self.hangMilliseconds) / 1000) s each time, or failed",
                remedy: "See the kernel's log (dmesg); choose another encoder with --encoder.")
        }
        let hung = instance
        let fresh = try EncoderInstance(setup)
        try hung.repeatFrames(in: fresh)
        instance = fresh
        restartCount.wrappingAdd(1, ordering: .relaxed)
        lastProgress = Clock.monotonicNanoseconds()
        Self.end(hung)
    }

    /// Stops an instance in a thread of its own: the kernel waits for the device to be through with its frame, and one that
    /// hangs is not. Until then the frames that the device may read stay leased.
    private static func end(_ instance: EncoderInstance) {
        if instance.inFlight == 0 { return instance.stop() }
        // Where no thread is to be had, nothing else is, either.
        _ = try? OSThread("camd-encode-end") { instance.stop() }
    }
}

extension EncodedPacket {
    /// A packet with memory of its own: the device's buffer goes back to it.
    fileprivate static func copy(of bytes: RawSpan) throws(CamdError) -> EncodedPacket {
        let packet = try EncodedPacket()
        guard av_new_packet(packet.raw, CInt(clamping: bytes.byteCount)) == 0, let data = packet.raw.pointee.data else {
            throw LibAV.noMemory("av_new_packet", subject: "encoder")
        }
        bytes.withUnsafeBytes { UnsafeMutableRawPointer(data).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return packet
    }
}
