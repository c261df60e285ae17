import Testing

@testable import camd

@Suite struct ProgressTests {
    @Test func `the line has time, size, rates and losses, and nothing that moves the cursor`() {
        let recording = CameraStatus.Recording(
            file: "/srv/a\u{1B}[2J\n.mkv", files: 2, state: "recording", frames: 111_900,
            lost: ["disk behind": 2, "encoder behind": 1], bytes: 466_200_000, seconds: 3730, encoder: "libx264",
            error: nil)
        #expect(
            ProgressLine.text(.fake(recording: recording))
                == "1:02:10  466.2 MB  1.0 Mbit/s  30.0 frames/s  2 dropped  3 lost  a?[2J?.mkv")
        #expect(ProgressLine.text(.fake()) == "waiting")
    }
}
