import LinuxSystem
import Testing

@testable import CaptureCore

@Suite struct GPUDisplayTests {
    @Test func `who closes the GPU leaves it to others`() throws {
        let display = try GPUDisplay()
        let thread = try OSThread("another") { _ = try? GPUDisplay() }
        thread.join()
        // A call to EGL itself, which knows whether it was ended: it would give no fence.
        let fence = try GPUFence(display, reads: [], writes: [])
        let outcome = fence.outcome(withinMilliseconds: 5000)
        #expect(outcome == .over)
        #expect(throws: Never.self) { try display.checkErrors() }
    }
}
