import Glibc
import GoldenSupport
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

/// Frames of the test cameras' drivers, in every format that they offer and camd reads: captured into a heap, drawn as NV12,
/// I420 and RGBA, and their bars looked at.
@Suite(.serialized) struct FormatTests {
    private static let size = FrameSize(320, 180)
    private static let debayerLink = "\"Debayer A\":1->\"Scaler\":0"
    private static let inputLink = "\"RGB/YUV Input\":0->\"Scaler\":0"

    /// Copies the second picture that it is offered.
    private final class Sink: VideoSink {
        private struct State {
            var offered = 0
            var picture: (layout: FrameLayout, bytes: [UInt8])?
        }
        private let state = Mutex(State())

        func offer(_ frame: consuming FrameLease) {
            let isMeant = state.withLock { state in
                state.offered += 1
                return state.offered == 2
            }
            guard isMeant, let bytes = try? frame.tight() else { return }
            let layout = frame.layout
            state.withLock { $0.picture = (layout, bytes) }
        }

        var picture: (layout: FrameLayout, bytes: [UInt8])? { state.withLock { $0.picture } }
    }

    private struct Seen {
        var input: FrameLayout
        var pictures: [(layout: FrameLayout, bytes: [UInt8])]
        var paths: [String]
        var bytesCopied: UInt64
    }

    private func capture(_ camera: String, _ format: PixelFormat, size: FrameSize) throws -> Seen {
        let wish = FormatWish(format: format, size: size)
        let source = try CaptureStream(
            node: VideoNode(path: "/dev/camera/" + camera), id: camera, wish: wish, heaps: ["system"],
            buffers: { _ in 4 })
        let sinks = [Sink(), Sink(), Sink()]
        let failure = Mutex<CamdError?>(nil)
        var plan = PicturePlan(videoColor: Colorimetry.sRGB.asVideo)
        plan.taps = [PictureTap(.i420, color: .jfif, sink: sinks[1]), PictureTap(.rgba, sink: sinks[2])]
        let gpu = try GPUStage(
            source: source.pool, writes: DriverWrites(source.writes), plan: plan,
            choice: try HeapChoice.forMachine(heaps: ["system"], need: .anything, bytes: 1 << 20),
            ended: { error in failure.withLock { $0 = error } })
        defer {
            source.stop()
            gpu.stop()
        }
        try gpu.setVideoSink(sinks[0])
        try source.start(sink: { gpu.offer($0) }, ended: { error in failure.withLock { $0 = error } })
        #expect(
            eventually { sinks.allSatisfy { $0.picture != nil } },
            "\(format): \(failure.withLock { $0.map(\.description) } ?? "no pictures")")
        return Seen(
            input: source.pool.layout, pictures: sinks.compactMap(\.picture),
            paths: [source.capturePath, gpu.report.gpuPath, gpu.report.outputPath], bytesCopied: gpu.counts.bytesCopied)
    }

    /// The largest difference of any bar in any of the pictures from what the format can say of it.
    private func worst(_ seen: Seen) -> Int {
        let wanted = (0..<8).map { Self.told($0, by: seen.input) }
        return seen.pictures.map { Pictures.worst(Self.bars($0.layout, $0.bytes), wanted) }.max() ?? 255
    }

    private func check(_ camera: String, _ formats: [PixelFormat], size: FrameSize = Self.size) throws {
        for format in formats {
            let seen = try capture(camera, format, size: size)
            #expect(seen.paths == ["import:heap:system", "eglimage", "heap:system"], "\(format)")
            #expect(seen.bytesCopied == 0)
            #expect(seen.pictures.count == 3)
            let worst = worst(seen)
            #expect(worst <= 3, "\(format) of \(camera): \(seen.pictures.map { Self.bars($0.layout, $0.bytes) })")
        }
    }

    private func offered(_ camera: String) throws -> [PixelFormat] {
        try VideoNode(path: "/dev/camera/" + camera).formats()
    }

    @Test(arguments: [("vivid0", 81), ("vivid2", 91)])
    func `every format of vivid but its HSV comes out with vivid's bars`(_ camera: String, _ count: Int) throws {
        let quiet = try run(["v4l2-ctl", "-d", "/dev/camera/" + camera, "-c", "osd_text_mode=2"])
        try #require(quiet.status == 0, "\(quiet.errors)")
        let formats = try offered(camera)
        let read = formats.filter(VideoNode.preferredFormats.contains)
        #expect(Set(formats).subtracting(read).map(\.description).sorted() == ["HSV3", "HSV4"])
        #expect(read.count == count)
        try check(camera, read)
    }

    /// Sets something in vimc's graph, as whoever owns such a camera has to.
    private func arrange(_ option: String, _ what: String) throws {
        let result = try run(["media-ctl", "-d", "platform:vimc.0", option, what])
        try #require(result.status == 0, "media-ctl \(option) \(what): \(result.errors)")
    }

    @Test(arguments: [("vimc-raw0", "A"), ("vimc-raw1", "B")])
    func `every mosaic of vimc's sensors comes out with its bars`(_ camera: String, _ sensor: String) throws {
        let codes: [PixelFormat: String] = [
            .srggb8: "SRGGB8_1X8", .sgrbg8: "SGRBG8_1X8", .sgbrg8: "SGBRG8_1X8", .sbggr8: "SBGGR8_1X8",
            .srggb10: "SRGGB10_1X10", .sgrbg10: "SGRBG10_1X10", .sgbrg10: "SGBRG10_1X10", .sbggr10: "SBGGR10_1X10",
            .srggb12: "SRGGB12_1X12", .sgrbg12: "SGRBG12_1X12", .sgbrg12: "SGBRG12_1X12", .sbggr12: "SBGGR12_1X12",
        ]
        let read = try offered(camera).filter(VideoNode.preferredFormats.contains)
        // The debayer beside each sensor takes no RGB, and its link is there for good.
        #expect(Set(read).subtracting(codes.keys) == [.rgb24, .bgr24, .argb32])
        #expect(Set(codes.keys).isSubset(of: read))
        try arrange("-l", Self.debayerLink + "[0]")
        defer { try? arrange("-l", Self.debayerLink + "[1]") }
        for format in read {
            guard let code = codes[format] else { continue }
            try arrange("-V", "\"Sensor \(sensor)\":0[fmt:\(code)/\(Self.size)]")
            try arrange("-V", "\"Debayer \(sensor)\":0[fmt:\(code)/\(Self.size)]")
            try check(camera, [format], size: Self.size)
        }
    }

    @Test func `every RGB of vimc's scaler comes out with its bars`() throws {
        try arrange("-l", Self.debayerLink + "[0]")
        try arrange("-l", Self.inputLink + "[1]")
        defer {
            try? arrange("-l", Self.inputLink + "[0]")
            try? arrange("-l", Self.debayerLink + "[1]")
        }
        for (format, code) in [
            (PixelFormat.rgb24, "RGB888_1X24"), (.bgr24, "BGR888_1X24"), (.argb32, "ARGB8888_1X32"),
        ] {
            #expect(try offered("vimc-rgb").contains(format))
            try arrange("-V", "\"RGB/YUV Input\":0[fmt:\(code)/\(Self.size)]")
            try arrange("-V", "\"Scaler\":0[fmt:\(code)/\(Self.size)]")
            try arrange("-V", "\"Scaler\":0[crop:(0,0)/\(Self.size)]")
            try arrange("-V", "\"Scaler\":1[fmt:\(code)/\(Self.size)]")
            try check("vimc-rgb", [format], size: Self.size)
        }
    }
}

extension FormatTests {
    private typealias Weights = (red: Double, blue: Double)

    private static func weights(_ color: Colorimetry) -> Weights {
        switch color.matrix {
        case .bt709: (0.2126, 0.0722)
        case .bt2020: (0.2627, 0.0593)
        default: (0.299, 0.114)
        }
    }

    /// Numbers of a byte, as Y'CbCr is written.
    private static func luma(_ color: Colorimetry) -> (black: Double, range: Double, chroma: Double) {
        color.range == .full ? (0, 255, 255) : (16, 219, 224)
    }

    private static func rgb(_ y: Double, _ u: Double, _ v: Double, _ color: Colorimetry) -> Pictures.Color {
        let (red, blue) = weights(color)
        let scale = luma(color)
        let y = (y - scale.black) * 255 / scale.range
        let r = y + 2 * (1 - red) * (v - 128) * 255 / scale.chroma
        let b = y + 2 * (1 - blue) * (u - 128) * 255 / scale.chroma
        func byte(_ value: Double) -> Int { min(255, max(0, Int(value.rounded()))) }
        return (byte(r), byte((y - red * r - blue * b) / (1 - red - blue)), byte(b))
    }

    /// What is left of a colour in grey, or in a word with few bits. vivid has the weights of BT.709 for all grey; it cuts
    /// the lower bits of its numbers off.
    private static func told(_ bar: Int, by layout: FrameLayout) -> Pictures.Color {
        let color = Pictures.bars[bar]
        if case .grey? = PixelReading(layout.format) {
            let level = Int(0.2126 * Double(color.r) + 0.7152 * Double(color.g) + 0.0722 * Double(color.b))
            return (level, level, level)
        }
        guard case .word(let word)? = PixelReading(layout.format) else { return color }
        let bits = word.fields.map(\.bits)
        func cut(_ value: Int, _ bits: Int) -> Int { value >> (8 - bits) }
        func whole(_ value: Int, _ bits: Int) -> Int { (cut(value, bits) * 255 + 1) / ((1 << bits) - 1) }
        if word.isRGB { return (whole(color.r, bits[0]), whole(color.g, bits[1]), whole(color.b, bits[2])) }
        let (y, u, v) = ownNumbers[bar]
        func high(_ value: Int, _ bits: Int) -> Double { Double(cut(value, bits) << (8 - bits)) }
        return rgb(Double(whole(y, bits[0])), high(u, bits[1]), high(v, bits[2]), layout.color)
    }

    /// Y, Cb, Cr of vivid's bars, as YUV4 has them: near a step of few bits one more or less would be another step.
    private static let ownNumbers = [
        (179, 128, 128), (160, 44, 141), (130, 156, 44), (111, 72, 58), (83, 183, 197), (64, 99, 211), (34, 211, 114),
        (16, 128, 128),
    ]

    /// The middle of each bar of a picture without padding.
    private static func bars(_ layout: FrameLayout, _ bytes: [UInt8]) -> [Pictures.Color] {
        let (width, height) = (layout.width, layout.height)
        return (0..<8).map { bar in
            let x = bar * width / 8 + width / 16
            let y = height * 5 / 8
            switch layout.format {
            case .rgba32:
                let at = 4 * (y * width + x)
                return (Int(bytes[at]), Int(bytes[at + 1]), Int(bytes[at + 2]))
            case .nv12:
                let at = width * height + y / 2 * width + x / 2 * 2
                return rgb(Double(bytes[y * width + x]), Double(bytes[at]), Double(bytes[at + 1]), layout.color)
            default:
                let at = width * height + y / 2 * (width / 2) + x / 2
                let v = at + width * height / 4
                return rgb(Double(bytes[y * width + x]), Double(bytes[at]), Double(bytes[v]), layout.color)
            }
        }
    }
}
