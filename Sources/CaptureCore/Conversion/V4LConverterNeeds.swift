/// What the library's routines need of a frame, and do not check: they read as many bytes as a frame of that size has,
/// however long it is.
///
/// Only formats whose frames have one length are in here. Those that webcams of old compressed in ways of their own (S561,
/// S910, SONX, M310, 905C and others) are not: the library's decoders follow a frame's bits past their buffers' ends. Nor is
/// HM12, whose rows it takes to be 720 bytes long.
extension V4LConverter {
    struct Need: Sendable {
        enum Target: Sendable {
            case yuv420, rgb24

            var isRGB: Bool { self == .rgb24 }
            var format: PixelFormat { self == .rgb24 ? .rgb24 : .yuv420 }
        }

        /// Bits of a pixel.
        var bits: Int
        /// What the library makes of it without a step in between.
        var target = Target.yuv420
        /// Both sides of a frame are multiples of this.
        var multiple = 2
        /// All of a row's bytes lie together, and `bytesperline` is about them.
        var isPacked = false

        /// Of a frame.
        func bytes(_ width: Int, _ height: Int) -> Int { (width * height * bits + 7) / 8 }
    }

    static let needs: [PixelFormat: Need] = {
        var needs: [PixelFormat: Need] = [:]
        func add(_ name: String, _ need: Need) {
            if let format = PixelFormat(name) { needs[format] = need }
        }
        add("HSV3", Need(bits: 24, target: .rgb24, multiple: 1, isPacked: true))
        add("HSV4", Need(bits: 32, target: .rgb24, multiple: 1, isPacked: true))
        add("Y10B", Need(bits: 10, multiple: 4))
        // 4:2:0 in orders of their own: spca50x, Xirlink, M420.
        for name in ["S501", "S505", "S508", "CITV", "M420"] { add(name, Need(bits: 12, multiple: 16)) }
        // In blocks: of 256 pixels (Konica), of 16x16 (Sonix).
        for name in ["KONI", "S920"] { add(name, Need(bits: 12, multiple: 16)) }
        // A mosaic, each row's cells sorted by colour (stv0680).
        add("S680", Need(bits: 8))
        return needs
    }()
}
