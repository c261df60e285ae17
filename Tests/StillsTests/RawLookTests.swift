import CaptureCore
import LinuxSystem
import Testing

@testable import Stills

@Suite("The look of a raw frame")
struct RawLookTests {
    @Test("is what its numbers give")
    func look() throws {
        var frame = RawFrame(
            try #require(BayerFormat(.srggb12)), width: 2, height: 2, bytes: .init(repeating: 0, count: 8))
        frame.color.neutral = [0.5, 1, 1]
        frame.blackLevels = [200, 202, 204, 206]
        frame.whiteLevel = 4000
        let look = try frame.look(quality: .video, subject: "a.dng")
        #expect(abs(look.black - 203 / 4095) < 1e-12 && abs(look.white - 4000 / 4095) < 1e-12)
        #expect(look.balance == SIMD3(2, 1, 1))
        #expect(look.matrix == Look.identity)
        #expect(look.curve == .sRGB && look.quality == .video)
        let neutral = try frame.look(isNeutral: true, quality: .still, subject: "a.dng")
        #expect(neutral.black == look.black && neutral.white == look.white)
        #expect(neutral.balance == SIMD3(1, 1, 1) && neutral.curve == .linear && neutral.quality == .still)
        frame.color.baselineExposure = 1
        #expect(try frame.look(quality: .still, subject: "a.dng").balance == SIMD3(4, 2, 2))
        frame.color.baselineExposure = -3
        #expect(try frame.look(quality: .still, subject: "a.dng").balance == SIMD3(2, 1, 1))
        frame.color.neutral = [1e-9, 1, 1]
        let error = #expect(throws: CamdError.self) { _ = try frame.look(quality: .still, subject: "a.dng") }
        #expect(error?.subject == "a.dng" && error?.kind == .badData && error?.remedy?.contains("--neutral") == true)
    }
}
