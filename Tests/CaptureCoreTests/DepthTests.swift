import CaptureCore
import GoldenSupport
import Testing

@Suite struct DepthTests {
    /// Samplers have no precision of their own in GLES 2.0: drivers may take them for halves, which have eleven bits.
    @Test(arguments: [Look.Quality.video, .still])
    func `all sixteen bits of a cell count`(_ quality: Look.Quality) throws {
        let developer = try Developer()
        let layout = try #require(FrameLayout(.srggb16, width: 16, height: 8, strides: [0], color: .sRGB))
        for number in [0, 1, 77, 130, 254] {
            let word = 0x9600 + number
            let frame = (0..<16 * 8).flatMap { _ in [UInt8(word & 0xff), UInt8(word >> 8)] }
            // Black and white are 255 steps of 65535 apart.
            let look = Look(quality: quality, black: 0x9600 / 65535, white: (0x9600 + 255) / 65535)
            let picture = try developer.develop(layout, [frame], look: look, kind: .rgba)
            let pixels = try picture.lease.tight()
            for channel in 0..<3 { #expect(pixels[4 * 35 + channel] == UInt8(number), "of \(number)") }
        }
    }
}
