import Glibc
import LinuxSystem
import Testing

@testable import CaptureCore

/// A fence's descriptor polls like an event counter: that much can be seen without a device. The rest is in the lab.
@Suite struct SyncFileTests {
    private static func fence(signalled: Bool) throws -> SyncFile {
        let event = try EventFD()
        if signalled { event.signal() }
        return SyncFile(owning: try event.descriptor.duplicate())
    }

    @Test func `a fence that does not poll as ready is active, whatever else could be asked`() throws {
        let fence = try Self.fence(signalled: false)
        #expect(try fence.status() == .active)
        #expect(try fence.wait(milliseconds: 0) == false)
        let began = Clock.monotonicNanoseconds()
        #expect(try fence.wait(milliseconds: 30) == false)
        #expect(Clock.monotonicNanoseconds() - began >= 29_000_000)
    }

    @Test func `a status is asked for only after a poll says ready`() throws {
        let fence = try Self.fence(signalled: true)
        #expect(try fence.wait(milliseconds: 0))
        // An event counter has no status: that it was asked shows in the error.
        do {
            _ = try fence.status()
            Issue.record("an event counter has no status")
        } catch {
            #expect(error.description.contains("SYNC_IOC_FILE_INFO: ENOTTY"))
        }
    }

    @Test func `what is no dma-buf has no fence`() throws {
        let buffer = try DMABuf(plainMemory: 4096, origin: "test")
        for access in [DMABuf.Access.read, .write, .readWrite] {
            do {
                _ = try SyncFile(of: buffer, for: access)
                Issue.record("ordinary memory has no fence")
            } catch {
                #expect(error.description.hasPrefix("dma-buf (test): DMA_BUF_IOCTL_EXPORT_SYNC_FILE: ENOTTY"))
            }
        }
    }
}
