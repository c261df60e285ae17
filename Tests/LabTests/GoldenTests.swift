import CaptureCore
import GoldenSupport
import LinuxSystem
import Testing

/// Formats as they come in a heap's buffers: imported plane by plane, drawn into another heap's buffer.
@Suite(.serialized) struct GoldenTests {
    private static let heap = BufferSource.heap(Heap(name: "system"))

    private func check(_ version: Int, _ kinds: [String], where isMeant: (Golden.Case) -> Bool) throws {
        let (golden, bytes) = try Golden.load("Tests/Golden")
        let developer = try Developer(version: version, memory: Self.heap)
        let cases = golden.cases.filter(isMeant)
        try #require(!cases.isEmpty)
        for item in cases {
            let differences = try item.differences(
                developer, bytes, kinds: kinds, paths: (gpu: "eglimage", output: "heap:system"))
            #expect(differences.isEmpty, "\(differences)")
        }
    }

    /// Without padding FormatTests has them, from cameras.
    @Test func `every format in a heap becomes NV12 as the reference says, at odd strides and offsets`() throws {
        try check(2, ["nv12"]) { !$0.name.hasSuffix("-tight") }
    }

    /// One of each kind of source.
    private static let kinds: Set<String> = [
        "YUYV", "NV12", "NV24", "NV12M", "YUV420", "YUV422M", "YUV444M", "AYUV32", "YUV24", "YUV565", "GREY", "Y10",
        "Y16_BE", "Y10P", "RGB24", "RGBX32", "RGB565", "RGB332", "BGR666", "SRGGB8", "SRGGB10", "SRGGB10P", "SRGGB12P",
        "SRGGB14P",
    ]

    private static func isOfKinds(_ item: Golden.Case) -> Bool {
        kinds.contains(String(item.name.prefix { $0 != "-" }))
    }

    @Test func `photos and screens get what the reference says, on GLES 2.0`() throws {
        try check(2, ["i420", "rgba"]) { Self.isOfKinds($0) && !$0.name.hasSuffix("-tight") }
    }

    @Test func `GLES 3.0 gives the same`() throws {
        try check(3, ["nv12"]) { Self.isOfKinds($0) && $0.name.hasSuffix("-odd") }
    }
}
