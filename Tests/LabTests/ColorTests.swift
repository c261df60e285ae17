import Glibc
import LinuxSystem
import Testing

/// vivid's bars for colour spaces, which it converts itself: whatever a camera's primaries and curve are, a photo shows the same
/// colours, and a video says what its numbers are.
@Suite(.serialized) struct ColorTests {
    // One that no other test takes HSV of: the driver's hue stays in other steps than it says once its colour space was set.
    private static let camera = "/dev/camera/vivid3"
    /// The kernel's numbers for these bars in sRGB.
    private static let bars: [Pictures.Color] = [
        (191, 191, 191), (191, 191, 50), (50, 191, 191), (50, 191, 50), (191, 50, 191), (191, 50, 50), (50, 50, 191),
        (50, 50, 50),
    ]

    private func set(_ controls: String) throws {
        let result = try run(["v4l2-ctl", "-d", Self.camera, "-c", controls])
        try #require(result.status == 0, "\(result.errors)")
    }

    /// The test pattern "CSC Colorbar", with no words over it, while `body` runs.
    private func withBars(_ controls: String, _ body: () throws -> Void) throws {
        try set("osd_text_mode=2,test_pattern=2")
        try set(controls)
        defer { try? set("test_pattern=0,osd_text_mode=0,colorspace=2,transfer_function=0") }
        try body()
    }

    private func photo(_ format: String) throws -> [Pictures.Color] {
        let file = try Scratch.folder() + "/a.jpg"
        let result = try camd(
            "snapshot", "--camera", Self.camera, "--size", "640x360", "--pixel-format", format, "--quality", "95", "-o",
            file)
        #expect(result.status == 0, "\(result.errors)")
        return try Pictures.barsOfPhoto(file).bars
    }

    /// The same bars where a video's curve is kept: the light of sRGB's numbers by another curve.
    private static func bars(by curve: (Double) -> Double) -> [Pictures.Color] {
        func one(_ number: Int) -> Int {
            let v = Double(number) / 255
            return Int((255 * curve(v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4))).rounded())
        }
        return bars.map { (one($0.r), one($0.g), one($0.b)) }
    }

    private static let bars709 = bars { $0 < 0.018 ? 4.5 * $0 : 1.099 * pow($0, 0.45) - 0.099 }
    private static let bars240 = bars { $0 < 0.0228 ? 4 * $0 : 1.1115 * pow($0, 0.45) - 0.1115 }

    // vivid's menu: 170M, 709, sRGB, opRGB, 2020, DCI-P3, 240M, 470M, 470BG.
    @Test(arguments: 0...8)
    func `each colour space shows the same colours in a photo`(_ space: Int) throws {
        let wanted = [2, 3, 5].contains(space) ? Self.bars : space == 6 ? Self.bars240 : Self.bars709
        try withBars("colorspace=\(space)") {
            let exact = try photo("RGB3")
            #expect(Pictures.worst(exact, wanted) <= 3, "\(exact)")
            // Y'CbCr of a byte each is coarser where primaries lie far out.
            let coarse = try photo("YUYV")
            #expect(Pictures.worst(coarse, wanted) <= 10, "\(coarse)")
        }
    }

    // 709, sRGB, opRGB, 240M, none, DCI-P3, 2084. PQ spends few of its numbers on what is dark.
    @Test(arguments: [("RGB3", [1, 2, 3, 4, 5, 6, 7]), ("RGGB", [1, 5])])
    func `each curve shows the same colours in a photo`(_ format: String, _ curves: [Int]) throws {
        for curve in curves {
            try withBars("transfer_function=\(curve)") {
                let seen = try photo(format)
                let wanted = curve == 1 ? Self.bars709 : curve == 4 ? Self.bars240 : Self.bars
                #expect(Pictures.worst(seen, wanted) <= (curve == 7 ? 5 : 3), "curve \(curve): \(seen)")
            }
        }
    }

    @Test(arguments: [
        (0, "smpte170m", "bt709", "smpte170m"), (4, "bt2020", "bt709", "bt2020nc"),
        (6, "smpte170m", "smpte240m", "smpte240m"), (3, "bt709", "bt709", "smpte170m"),
    ])
    func `a video is tagged with what its numbers are`(
        _ space: Int, _ primaries: String, _ transfer: String, _ matrix: String
    ) throws {
        let file = try Scratch.folder() + "/a.mkv"
        try withBars("colorspace=\(space)") {
            let result = try camd(
                "record", "--camera", Self.camera, "--size", "640x360", "--pixel-format", "YUYV", "--duration", "0.5",
                "-o", file)
            #expect(result.status == 0, "\(result.errors)")
        }
        let tags = try run([
            "ffprobe", "-v", "error", "-show_entries", "stream=color_primaries,color_transfer,color_space", "-of",
            "default=nw=1", file,
        ]).text
        for tag in ["color_primaries=\(primaries)\n", "color_transfer=\(transfer)\n", "color_space=\(matrix)\n"] {
            #expect(tags.contains(tag), "\(tags)")
        }
    }
}
