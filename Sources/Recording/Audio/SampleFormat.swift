import CALSA

/// How a card writes one sample. All are little-endian, as the machines are that camd runs on.
enum SampleFormat: Sendable, Hashable, CaseIterable {
    // In the order that they are asked for.
    case s16, s32, s24, s24Packed, float32, u8

    var alsa: snd_pcm_format_t {
        switch self {
        case .s16: SND_PCM_FORMAT_S16_LE
        case .s32: SND_PCM_FORMAT_S32_LE
        case .s24: SND_PCM_FORMAT_S24_LE
        case .s24Packed: SND_PCM_FORMAT_S24_3LE
        case .float32: SND_PCM_FORMAT_FLOAT_LE
        case .u8: SND_PCM_FORMAT_U8
        }
    }

    /// Of one sample in memory.
    var bytes: Int {
        switch self {
        case .s16: 2
        case .s32, .s24, .float32: 4
        case .s24Packed: 3
        case .u8: 1
        }
    }

    /// The sample at an offset, between -1 and 1.
    @inline(__always)
    func value(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Float {
        switch self {
        case .s16: return Float(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self)) / 32_768
        case .s32: return Float(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)) / 2_147_483_648
        case .s24:
            // The upper byte is not said to be the sign's.
            return Float(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self) << 8) / 2_147_483_648
        case .s24Packed:
            let low = Int32(bytes[offset]) << 8 | Int32(bytes[offset + 1]) << 16
            return Float(low | Int32(Int8(bitPattern: bytes[offset + 2])) << 24) / 2_147_483_648
        case .float32:
            let value = bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
            return value.isFinite ? max(-1, min(1, value)) : 0
        case .u8: return (Float(bytes[offset]) - 128) / 128
        }
    }
}

/// What frames of a card look like.
struct SoundFormat: Sendable, Hashable {
    var sample: SampleFormat
    var channels: Int
    /// Frames for each second.
    var rate: Int

    /// Of one frame.
    var frameBytes: Int { sample.bytes * channels }

    static let channelRange = 1...8
    static let rateRange = 8000...192_000

    /// Frames in memory as interleaved floats of another number of channels: the first ones of many, one twice, or the mean
    /// of two.
    func decode(_ bytes: UnsafeRawBufferPointer, frames: Int, to out: UnsafeMutablePointer<Float>, channels wanted: Int)
    {
        for frame in 0..<frames {
            let start = frame * frameBytes
            let left = sample.value(bytes, start)
            let right = channels > 1 ? sample.value(bytes, start + sample.bytes) : left
            if wanted == 1 {
                out[frame] = (left + right) / 2
            } else {
                out[frame * 2] = left
                out[frame * 2 + 1] = right
            }
        }
    }
}
