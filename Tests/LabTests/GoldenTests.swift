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

    @Test func `every format in a heap becomes NV12 as the reference says, at odd strides and offsets too`() throws {
        try check(2, ["nv12"]) { _ in true }
    }

    @Test func `photos and screens get what the reference says, on GLES 2.0`() throws {
        try check(2, ["i420", "rgba"]) { $0.name.hasPrefix("NV12-") || $0.name.hasPrefix("SRGGB10-") }
    }

    @Test func `GLES 3.0 gives the same`() throws {
        try check(3, ["nv12"]) { $0.name.hasSuffix("-odd") }
    }
}
