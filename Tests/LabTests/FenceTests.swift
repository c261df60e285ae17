import Glibc
import LinuxSystem
import Testing

@testable import CaptureCore

/// Fences of a device that does what the test says: the kernel's software timeline (sw_sync, in debugfs).
@Suite(.serialized) struct FenceTests {
    /// A device whose work is over when its count gets there.
    struct Timeline: ~Copyable {
        private static let path = "/sys/kernel/debug/sync/sw_sync"
        /// SW_SYNC_IOC_CREATE_FENCE, SW_SYNC_IOC_INC: no header has them.
        private static let createFence: UInt = 0xc028_5700
        private static let increment: UInt = 0x4004_5701

        private struct FenceRequest {
            var value: UInt32 = 0
            var name = InlineArray<8, UInt32>(repeating: 0)
            var fence: Int32 = -1
        }

        private let descriptor: FileDescriptor

        init() throws { descriptor = try FileDescriptor.open(Self.path, O_RDWR) }

        /// A fence that is over when the count is `value`.
        func fence(at value: UInt32) throws -> SyncFile {
            var request = FenceRequest()
            request.value = value
            guard ioctl(descriptor.rawValue, Self.createFence, &request) == 0 else {
                throw CamdError(call: "SW_SYNC_IOC_CREATE_FENCE", errno: .current, subject: Self.path)
            }
            return SyncFile(owning: FileDescriptor(owning: request.fence))
        }

        func advance(by count: UInt32) throws {
            var count = count
            guard ioctl(descriptor.rawValue, Self.increment, &count) == 0 else {
                throw CamdError(call: "SW_SYNC_IOC_INC", errno: .current, subject: Self.path)
            }
        }
    }

    private struct ImportRequest {
        var flags: UInt32
        var fd: Int32
    }

    /// Makes a fence one of a buffer (DMA_BUF_IOCTL_IMPORT_SYNC_FILE): of a device that writes it, or reads it.
    private func attach(_ fence: borrowing SyncFile, to buffer: DMABuf, asWriter isWriter: Bool) throws {
        var request = ImportRequest(flags: isWriter ? 2 : 1, fd: fence.fileDescriptor)
        let importSyncFile: UInt = 0x4008_6203
        guard ioctl(buffer.fileDescriptor, importSyncFile, &request) == 0 else {
            throw CamdError(call: "DMA_BUF_IOCTL_IMPORT_SYNC_FILE", errno: .current, subject: "dma-buf")
        }
    }

    private func milliseconds(_ body: () throws -> Void) rethrows -> UInt64 {
        let began = Clock.monotonicNanoseconds()
        try body()
        return (Clock.monotonicNanoseconds() - began) / 1_000_000
    }

    private static let sources: [BufferSource] = [.heap(Heap(name: "system")), .udmabuf]

    @Test func `a fence is active until its work is over, then signalled`() throws {
        let timeline = try Timeline()
        let fence = try timeline.fence(at: 2)
        #expect(try fence.status() == .active)
        try timeline.advance(by: 1)
        #expect(try fence.status() == .active)
        #expect(try fence.wait(milliseconds: 20) == false)
        try timeline.advance(by: 1)
        #expect(try fence.wait(milliseconds: 1000))
        #expect(try fence.status() == .signalled)
    }

    @Test func `a fence whose device is gone has failed, and ends a wait`() throws {
        let fence: SyncFile
        do {
            let timeline = try Timeline()
            fence = try timeline.fence(at: 1)
            #expect(try fence.status() == .active)
        }
        #expect(try fence.wait(milliseconds: 1000))
        #expect(try fence.status() == .failed(Errno(ENOENT)))
    }

    @Test(arguments: sources)
    func `a buffer's fences can be had: of its writers to read, of all to write`(_ source: BufferSource) throws {
        let timeline = try Timeline()
        let buffer = try source.allocate(4096)
        #expect(try SyncFile(of: buffer, for: .read).status() == .signalled, "nobody has used it")
        // A device reads it.
        try attach(timeline.fence(at: 1), to: buffer, asWriter: false)
        #expect(try SyncFile(of: buffer, for: .read).status() == .signalled)
        #expect(try SyncFile(of: buffer, for: .write).status() == .active)
        #expect(try SyncFile(of: buffer, for: .readWrite).status() == .active)
        // Then another one writes it.
        try attach(timeline.fence(at: 2), to: buffer, asWriter: true)
        let written = try SyncFile(of: buffer, for: .read)
        #expect(try written.status() == .active)
        try timeline.advance(by: 2)
        #expect(try written.status() == .signalled)
        #expect(try SyncFile(of: buffer, for: .write).status() == .signalled)
    }

    @Test(arguments: sources)
    func `the CPU waits for a device that writes, but not for ever`(_ source: BufferSource) throws {
        let timeline = try Timeline()
        let buffer = try source.allocate(4096)
        try attach(timeline.fence(at: 1), to: buffer, asWriter: true)
        let waited = milliseconds {
            let error = #expect(throws: CamdError.self) {
                try buffer.withBytes { (_) throws(CamdError) in Issue.record("the body ran") }
            }
            #expect(
                error?.description.contains("poll: a device works on it for more than 2000 ms") == true,
                "\(String(describing: error))")
            #expect(error?.kind == .unavailable)
        }
        #expect((1990..<4000).contains(waited))
        // A failed access is none: the buffer can be given away, and opened.
        buffer.setOwnedByDriver(true)
        buffer.setOwnedByDriver(false)
        try timeline.advance(by: 1)
        let afterwards = try milliseconds { try buffer.withBytes { (_) throws(CamdError) in } }
        #expect(afterwards < 1000)
        try buffer.withMutableBytes(.write) { (_) throws(CamdError) in }
    }

    @Test func `a device that reads is waited for by who writes, and by who publishes a driver's writes`() throws {
        let timeline = try Timeline()
        let buffer = try BufferSource.heap(Heap(name: "system")).allocate(4096)
        try attach(timeline.fence(at: 1), to: buffer, asWriter: false)
        let afterwards = try milliseconds { try buffer.withBytes { (_) throws(CamdError) in } }
        #expect(afterwards < 1000)
        for access in [DMABuf.Access.write, .readWrite] {
            let error = #expect(throws: CamdError.self) {
                try buffer.withMutableBytes(access) { (_) throws(CamdError) in Issue.record("the body ran") }
            }
            #expect(error?.call == "poll")
        }
        // The kernel's own wait has no limit: should it come to that, the device ends its work in the end.
        let bell = try EventCounter()
        let thread = try OSThread("device") {
            _ = try? wait(for: .input, on: bell.fileDescriptor, milliseconds: 8000)
            try? timeline.advance(by: 1)
        }
        let waited = milliseconds {
            let error = #expect(throws: CamdError.self) { try buffer.publishDriverWrites() }
            #expect(error?.reason == "a device works on it for more than 2000 ms")
        }
        #expect((1990..<4000).contains(waited))
        bell.signal()
        thread.join()
        try buffer.publishDriverWrites()
        try buffer.withMutableBytes(.write) { (_) throws(CamdError) in }
    }

    @Test func `the wait ends with the work`() throws {
        let timeline = try Timeline()
        let buffer = try BufferSource.heap(Heap(name: "system")).allocate(4096)
        let fence = try timeline.fence(at: 1)
        try attach(fence, to: buffer, asWriter: true)
        let bell = try EventCounter()
        let thread = try OSThread("device") {
            _ = try? wait(for: .input, on: bell.fileDescriptor, milliseconds: 5000)
            usleep(200_000)
            try? timeline.advance(by: 1)
        }
        bell.signal()
        let waited = try milliseconds {
            try buffer.withBytes { (_) throws(CamdError) in #expect((try? fence.status()) == .signalled) }
        }
        thread.join()
        #expect((150..<1500).contains(waited))
    }

    @Test func `a device that gave up holds up nobody`() throws {
        let buffer = try BufferSource.heap(Heap(name: "system")).allocate(4096)
        do {
            let timeline = try Timeline()
            try attach(timeline.fence(at: 1), to: buffer, asWriter: true)
        }
        let afterwards = try milliseconds { try buffer.withBytes { (_) throws(CamdError) in } }
        #expect(afterwards < 1000)
    }

    private func fences(reads: DMABuf, writes: DMABuf) throws -> SyncFile {
        guard let fence = try GPUFence.ofBuffers(reads: [reads], writes: [writes]) else {
            throw CamdError(.software, subject: "test", reason: "there is no fence")
        }
        return fence
    }

    @Test(arguments: sources)
    func `the fences on buffers are one that ends with the last of them, or fails with one`(
        _ source: BufferSource
    ) throws {
        let timeline = try Timeline()
        let (read, written) = (try source.allocate(4096), try source.allocate(4096))
        try attach(timeline.fence(at: 1), to: read, asWriter: false)
        try attach(timeline.fence(at: 2), to: written, asWriter: true)
        let fence = try fences(reads: read, writes: written)
        #expect(GPUFence.outcome(of: fence, 0) == .pending)
        try timeline.advance(by: 1)
        #expect(GPUFence.outcome(of: fence, 20) == .pending, "the picture is still being written")
        try timeline.advance(by: 1)
        #expect(GPUFence.outcome(of: fence, 1000) == .over)

        let gone = try Timeline()
        let later = try gone.fence(at: 1)
        try attach(later, to: written, asWriter: true)
        let failed = try fences(reads: read, writes: written)
        _ = consume gone
        #expect(
            GPUFence.outcome(of: failed, 1000)
                == .failed(reason: "the GPU gave a frame up (its fence says ENOENT)", isEnded: true))
        let plain = try BufferSource.plainMemory.allocate(4096)
        let isNone = try GPUFence.ofBuffers(reads: [plain], writes: [plain]) == nil
        #expect(isNone, "what was copied has been waited for")
    }
}
