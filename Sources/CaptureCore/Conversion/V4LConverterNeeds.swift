/// What the library's routines need of a frame, and do not check: some read as many bytes as a frame of that size has,
/// however long it is.
extension V4LConverter {
    struct Need: Sendable {
        enum Length: Sendable, Hashable {
            /// So many bits a pixel.
            case fixed(bits: Int)
            /// It is compressed: the driver tells how long a frame is.
            case told
        }
        enum Target: Sendable {
            case yuv420, rgb24

            var isRGB: Bool { self == .rgb24 }
            var format: PixelFormat { self == .rgb24 ? .rgb24 : .yuv420 }
        }

        var length: Length
        /// What the library makes of it without a step in between.
        var target = Target.yuv420
        /// Both sides of a frame are multiples of this.
        var multiple = 2
        /// All of a row's bytes lie together, and `bytesperline` is about them.
        var isPacked = false

        func fewestBytes(_ width: Int, _ height: Int) -> Int {
            if case .fixed(let bits) = length { (width * height * bits + 7) / 8 } else { 1 }
        }

        /// Bytes behind a frame that a decoder may read which does not look where it ends: no code is longer than four.
        func slack(_ layout: FrameLayout) -> Int { layout.width * layout.height * 4 + 4096 }
    }

    static let needs: [PixelFormat: Need] = {
        var needs: [PixelFormat: Need] = [:]
        func add(_ name: String, _ need: Need) {
            if let format = PixelFormat(name) { needs[format] = need }
        }
        add("HSV3", Need(length: .fixed(bits: 24), target: .rgb24, multiple: 1, isPacked: true))
        add("HSV4", Need(length: .fixed(bits: 32), target: .rgb24, multiple: 1, isPacked: true))
        add("Y16-BE", Need(length: .fixed(bits: 16), isPacked: true))
        add("Y10B", Need(length: .fixed(bits: 10), multiple: 4))
        // 4:2:0 in orders of their own: spca50x, Xirlink, Konica, Sonix, M420.
        for name in ["S501", "S505", "S508", "CITV", "KONI", "M420"] { add(name, Need(length: .fixed(bits: 12))) }
        add("S920", Need(length: .fixed(bits: 12), multiple: 16))
        // In blocks of 16x16 (cx23415).
        add("HM12", Need(length: .fixed(bits: 12), multiple: 32))
        add("S680", Need(length: .fixed(bits: 8)))
        // Compressed, each in a way of its own.
        for name in ["S561", "S910", "SONX", "P207", "M310", "905C"] { add(name, Need(length: .told, multiple: 4)) }
        return needs
    }()
}
