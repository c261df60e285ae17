/// Decoded sound of one channel at 48 kHz, and the clicks in it.
public struct Heard {
    /// Of the first sample, in the file's time.
    public var startSeconds: Double
    public var samples: [Float]

    /// What `ffmpeg -f f32le -ac 1 -ar 48000` wrote.
    public init(startSeconds: Double, floats: [UInt8]) {
        self.startSeconds = startSeconds
        samples = floats.withUnsafeBytes { bytes in
            (0..<(bytes.count / 4)).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
    }

    public init(startSeconds: Double, samples: [Float]) {
        self.startSeconds = startSeconds
        self.samples = samples
    }

    /// When clicks begin, each after a tenth of a second without one.
    public func clicks(above level: Float = 0.25) -> [Double] {
        var clicks: [Double] = []
        var last = -4801
        samples.withUnsafeBufferPointer { samples in
            var index = 0
            while index < samples.count {
                if samples[index] > level || samples[index] < -level {
                    if index - last > 4800 { clicks.append(startSeconds + Double(index) / 48_000) }
                    last = index
                }
                index += 1
            }
        }
        return clicks
    }
}
