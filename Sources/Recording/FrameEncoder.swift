import CaptureCore
import LinuxSystem

/// What compresses frames for a recording: one of libavcodec's encoders, or a device. For one thread at a time, unless it says
/// otherwise.
protocol FrameEncoder: AnyObject, Sendable {
    typealias Emit = (consuming EncodedPacket) throws(CamdError) -> Void

    /// For messages and the status: `libx264`, `v4l2:h264 (/dev/video2)`.
    var name: String { get }
    /// What a container has to know before the first packet.
    var stream: EncodedStream { get }
    /// Bytes of pixels that were copied since the beginning, because it cannot read frames in place.
    var bytesCopied: UInt64 { get }
    /// How often it hung and was begun anew. From any thread.
    var restarts: UInt64 { get }
    /// Frames that it may keep at once, and with them their buffers.
    var depth: Int { get }

    /// Compresses one frame; gives each packet that is ready to `emit`. It may keep the lease for later.
    /// - Parameter timestampMicroseconds: since the first frame; it has to rise.
    func encode(_ lease: borrowing FrameLease, timestampMicroseconds: Int64, _ emit: Emit) throws(CamdError)

    /// Waits for a bell (poll(2)), at most so long (-1: for ever); gives packets that get ready meanwhile to `emit`.
    func wait(for bell: CInt, milliseconds: CInt, _ emit: Emit) throws(CamdError)

    /// The next frame is to depend on no other; false where the encoder cannot be told.
    func forceKeyFrame() -> Bool

    /// Gives what it still has to `emit`. No frame may follow.
    func finish(_ emit: Emit) throws(CamdError)
}

extension FrameEncoder {
    var restarts: UInt64 { 0 }
    var depth: Int { 1 }

    func wait(for bell: CInt, milliseconds: CInt, _ emit: Emit) throws(CamdError) {
        _ = try LinuxSystem.wait(for: .input, on: bell, milliseconds: milliseconds)
    }
}

/// Opens the encoder that is asked for by name.
enum Encoders {
    static func open(
        _ settings: EncoderSettings, layout: FrameLayout, nominalFrameRate: Double, globalHeader: Bool, slots: Int
    ) throws(CamdError) -> any FrameEncoder {
        if let wish = try V4L2Wish(settings.name) {
            return try V4L2Encoder(
                settings, wish, layout: layout, nominalFrameRate: nominalFrameRate, mostFrames: max(1, slots - 1))
        }
        return try VideoEncoder(
            settings, layout: layout, nominalFrameRate: nominalFrameRate, globalHeader: globalHeader)
    }
}
