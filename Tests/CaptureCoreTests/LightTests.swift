import Glibc
import LinuxSystem
import Testing

@testable import CaptureCore

/// Other primaries and other curves than those that are wanted.
@Suite(.serialized) struct LightTests {
    // ITU-R BT.2087 for BT.2020; for the others as colour science has them in print, to four places.
    @Test(arguments: [
        (
            Colorimetry.Primaries.bt2020,
            [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
        ),
        (.opRGB, [[1.3984, -0.3984, 0], [0, 1, 0], [0, -0.0429, 1.0429]]),
        (.smpte170m, [[0.9395, 0.0502, 0.0103], [0.0178, 0.9658, 0.0164], [-0.0016, -0.0044, 1.0060]]),
        (.bt470SystemBG, [[1.0440, -0.0440, 0], [0, 1, 0], [0, 0.0118, 0.9882]]),
    ])
    func `light of other primaries becomes that of HD by the matrix in print`(
        _ primaries: Colorimetry.Primaries, _ wanted: [[Double]]
    ) {
        let matrix = primaries.toRGB(of: .bt709).numbers
        for (number, printed) in zip(matrix, wanted.flatMap(\.self)) { #expect(abs(number - printed) < 0.0002) }
    }

    @Test(arguments: Colorimetry.Primaries.allCases)
    func `white stays white`(_ primaries: Colorimetry.Primaries) {
        for row in primaries.toRGB(of: .bt709).rows { #expect(abs(row.reduce(0, +) - 1) < 1e-9) }
    }

    /// Light of a number, by the standards' formulas.
    private static func light(_ v: Double, _ transfer: Colorimetry.Transfer) -> Double {
        switch transfer {
        case .linear: return v
        case .bt709: return v < 0.081 ? v / 4.5 : pow((v + 0.099) / 1.099, 1 / 0.45)
        case .sRGB: return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4)
        case .smpte240m: return v < 0.0913 ? v / 4 : pow((v + 0.1115) / 1.1115, 1 / 0.45)
        case .opRGB: return pow(v, 2.19921875)
        case .dciP3: return pow(v, 2.6)
        case .smpte2084:
            let (m1, m2) = (2610.0 / 16384, 2523.0 / 32)
            let (c1, c2, c3) = (3424.0 / 4096, 2413.0 / 128, 2392.0 / 128)
            let root = pow(v, 1 / m2)
            return 100 * pow(max(0, root - c1) / (c2 - c3 * root), 1 / m1)
        }
    }

    /// The number of light that a screen is to show: curves of videos stay.
    private static func number(_ light: Double, of transfer: Colorimetry.Transfer) -> Double {
        switch transfer {
        case .bt709: light < 0.018 ? 4.5 * light : 1.099 * pow(light, 0.45) - 0.099
        case .smpte240m: light < 0.0228 ? 4 * light : 1.1115 * pow(light, 0.45) - 0.1115
        default: light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055
        }
    }

    /// A frame of 16x16 patches of 2x2, every one another colour.
    private static func patches() -> [(r: Double, g: Double, b: Double)] {
        (0..<64).map { index in
            let levels = [0.0, 85, 170, 255]
            return (levels[index % 4], levels[index / 4 % 4], levels[index / 16])
        }
    }

    private static func develop(_ color: Colorimetry, _ kind: PictureKind) throws -> [UInt8] {
        let plane = PlaneLayout(buffer: 0, offset: 0, stride: 64, rowBytes: 64, rows: 16)
        let layout = FrameLayout(
            format: .rgba32, width: 16, height: 16, planes: [plane], bufferSizes: [1024], color: color)
        var bytes = [UInt8](repeating: 255, count: 1024)
        for (index, patch) in patches().enumerated() {
            for pixel in 0..<4 {
                let at = ((index / 8 * 2 + pixel / 2) * 16 + index % 8 * 2 + pixel % 2) * 4
                (bytes[at], bytes[at + 1], bytes[at + 2]) = (UInt8(patch.r), UInt8(patch.g), UInt8(patch.b))
            }
        }
        return try Developer().develop(layout, [bytes], look: .neutral, kind: kind).lease.tight()
    }

    /// What a patch has to become, from 0 to 255.
    private static func wanted(
        _ patch: (r: Double, g: Double, b: Double), _ color: Colorimetry
    ) -> (r: Double, g: Double, b: Double) {
        let light = [patch.r, patch.g, patch.b].map { Self.light($0 / 255, color.transfer) }
        let seen = (color.primaries.toRGB(of: .bt709) * light).map {
            255 * number(min(1, max(0, $0)), of: color.transfer)
        }
        return (seen[0], seen[1], seen[2])
    }

    @Test(arguments: Colorimetry.Transfer.allCases)
    func `each curve becomes a screen's, in pictures for screens`(_ transfer: Colorimetry.Transfer) throws {
        let color = Colorimetry(primaries: .bt2020, transfer: transfer, matrix: .rgb, range: .full)
        let picture = try Self.develop(color, .rgba)
        for (index, patch) in Self.patches().enumerated() {
            let at = (index / 8 * 2 * 16 + index % 8 * 2) * 4
            let seen = Self.wanted(patch, color)
            for (number, channel) in zip([seen.r, seen.g, seen.b], picture[at..<at + 3]) {
                #expect(abs(number - Double(channel)) <= 1.5, "patch \(patch)")
            }
        }
    }

    @Test(arguments: Colorimetry.Primaries.allCases)
    func `all primaries become a JPEG's, in its three planes`(_ primaries: Colorimetry.Primaries) throws {
        let color = Colorimetry(primaries: primaries, transfer: .bt709, matrix: .rgb, range: .full)
        let (i420, nv12) = (try Self.develop(color, .i420(.jfif)), try Self.develop(color, .nv12(.jfif)))
        for (index, patch) in Self.patches().enumerated() {
            let (r, g, b) = Self.wanted(patch, color)
            let y = 0.299 * r + 0.587 * g + 0.114 * b
            let (u, v) = (128 + (b - y) / 1.772, 128 + (r - y) / 1.402)
            let (row, column) = (index / 8, index % 8)
            #expect(abs(Double(i420[row * 2 * 16 + column * 2]) - y) <= 1.5)
            #expect(abs(Double(i420[256 + row * 8 + column]) - u) <= 1.5)
            #expect(abs(Double(i420[320 + row * 8 + column]) - v) <= 1.5)
            #expect(abs(Double(nv12[row * 2 * 16 + column * 2 + 17]) - y) <= 1.5)
            #expect(abs(Double(nv12[256 + row * 16 + column * 2]) - u) <= 1.5)
            #expect(abs(Double(nv12[256 + row * 16 + column * 2 + 1]) - v) <= 1.5)
        }
    }

    @Test func `a video's curve is a screen's, and the numbers stay`() {
        for transfer in [Colorimetry.Transfer.bt709, .smpte240m] {
            let camera = Colorimetry(primaries: .bt709, transfer: transfer, matrix: .bt601, range: .full)
            #expect(ColorTransform.seeing(camera, as: .jfif).isIdentity)
        }
        let adobe = Colorimetry(primaries: .bt709, transfer: .opRGB, matrix: .bt601, range: .full)
        #expect(!ColorTransform.seeing(adobe, as: .jfif).isIdentity)
    }

    @Test func `what a video can be tagged with stays`() {
        let hdr = Colorimetry(primaries: .bt2020, transfer: .smpte2084, matrix: .bt2020, range: .limited)
        #expect(hdr.asVideo == hdr)
        let adobe = Colorimetry(primaries: .opRGB, transfer: .opRGB, matrix: .bt601, range: .full)
        #expect(adobe.asVideo == Colorimetry(primaries: .bt709, transfer: .bt709, matrix: .bt601, range: .full))
        let cinema = Colorimetry(primaries: .dciP3, transfer: .dciP3, matrix: .rgb, range: .full)
        #expect(cinema.asVideo == .hdVideo)
    }

    @Test func `a raw frame's look says what its numbers mean afterwards`() {
        let light = Colorimetry(primaries: .bt2020, transfer: .linear, matrix: .rgb, range: .full)
        #expect(Look.neutral.changing(light) == light)
        #expect(Look(curve: .bt709).changing(light).transfer == .bt709)
        #expect(Look(curve: .points([0, 0.7, 1])).changing(light).transfer == .sRGB)
        #expect(Look(matrix: [[2, -1, 0], [0, 1, 0], [0, 0, 1]]).changing(light).primaries == .bt709)
    }
}
