import CaptureCore
import GoldenSupport
import Testing

/// Every format in, every kind of picture out, held against numpy (Tests/Golden).
@Suite struct GoldenTests {
    static let folder = String(#filePath.dropLast("CaptureCoreTests/GoldenTests.swift".count)) + "Golden"

    @Test(arguments: [2, 3])
    func `every format becomes what the reference says, within 2 of 255`(_ version: Int) throws {
        let (golden, bytes) = try Golden.load(Self.folder)
        #expect(golden.cases.count >= 230)
        let developer = try Developer(version: version)
        // Both versions compile the same text but for how a texel is fetched.
        for item in golden.cases where version == 2 || item.name.hasSuffix("-odd") {
            let differences = try item.differences(developer, bytes)
            #expect(differences.isEmpty, "\(differences)")
        }
    }

    @Test func `every format that camd takes of a camera is among them, and has a reading`() throws {
        let known = Set(try Golden.load(Self.folder).golden.cases.map(\.fourcc).compactMap { PixelFormat($0) })
        for format in VideoNode.preferredFormats {
            #expect(PixelReading(format) != nil, "\(format)")
            #expect(known.contains(format), "\(format)")
        }
        #expect(Set(VideoNode.preferredFormats).count == VideoNode.preferredFormats.count)
        #expect(known.subtracting(VideoNode.preferredFormats).isEmpty)
    }
}
