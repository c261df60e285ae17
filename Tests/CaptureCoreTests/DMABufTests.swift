import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

/// Ordinary memory behind a `DMABuf`: who may be inside when. What SYNC does is for the lab.
@Suite struct DMABufTests {
    private static func buffer() throws(CamdError) -> DMABuf { try DMABuf(plainMemory: 8192, origin: "test") }

    /// Runs `body` on another thread while a read access of that thread is open.
    private static func whileAnotherReads(_ buffer: DMABuf, _ body: () throws(CamdError) -> Void) throws {
        let isIn = try EventCounter()
        let mayEnd = try EventCounter()
        let thread = try OSThread("reader") {
            try? buffer.withBytes { (_) throws(CamdError) in
                isIn.signal()
                _ = try wait(for: .input, on: mayEnd.fileDescriptor, milliseconds: 10_000)
            }
        }
        defer {
            mayEnd.signal()
            thread.join()
        }
        try #require(try wait(for: .input, on: isIn.fileDescriptor, milliseconds: 10_000) != nil)
        try body()
    }

    @Test func `what is written is read`() throws {
        let buffer = try Self.buffer()
        try buffer.withMutableBytes(.write) { (bytes) throws(CamdError) in
            bytes.storeBytes(of: 42, toByteOffset: 4096, as: UInt8.self)
        }
        let read = try buffer.withBytes { (bytes) throws(CamdError) in
            bytes.unsafeLoad(fromByteOffset: 4096, as: UInt8.self)
        }
        #expect(read == 42)
    }

    @Test func `threads read side by side, more of them than are told apart`() throws {
        let buffer = try Self.buffer()
        func nest(_ depth: Int) throws {
            guard depth > 0 else { return }
            try Self.whileAnotherReads(buffer) { () throws(CamdError) in
                do { try nest(depth - 1) } catch { Issue.record(error) }
            }
        }
        try nest(12)
        // All have left: a writer is alone.
        try buffer.withMutableBytes(.readWrite) { (_) throws(CamdError) in }
    }

    @Test func `readers that come and go leave no trace`() throws {
        let buffer = try Self.buffer()
        let reads = 2000
        let threads = try (0..<12).map { index in
            try OSThread("reader \(index)") {
                for _ in 0..<reads { try? buffer.withBytes { (_) throws(CamdError) in } }
            }
        }
        for thread in threads { thread.join() }
        try buffer.withMutableBytes(.write) { (_) throws(CamdError) in }
        buffer.setOwnedByDriver(true)
        buffer.setOwnedByDriver(false)
        try buffer.withMutableBytes(.write) { (_) throws(CamdError) in }
    }

    @Test func `a body that throws has left the buffer`() throws {
        let buffer = try Self.buffer()
        let error = CamdError(.software, subject: "test", reason: "thrown")
        for _ in 0..<2 {
            #expect(throws: error) { try buffer.withBytes { (_) throws(CamdError) in throw error } }
            #expect(throws: error) {
                try buffer.withMutableBytes(.write) { (_) throws(CamdError) in throw error }
            }
        }
        buffer.setOwnedByDriver(true)
    }

    @Test func `what the driver gave back can be opened, and given again`() throws {
        let buffer = try Self.buffer()
        for _ in 0..<3 {
            buffer.setOwnedByDriver(true)
            buffer.setOwnedByDriver(true)
            buffer.setOwnedByDriver(false)
            _ = try buffer.withBytes { (_) throws(CamdError) in }
        }
    }

    @Test func `a driver's writes are published while others read`() throws {
        let buffer = try Self.buffer()
        try Self.whileAnotherReads(buffer) { () throws(CamdError) in try buffer.publishDriverWrites() }
    }

    // What must never happen ends the program, with words.

    @Test func `writing what is read traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try buffer.withBytes { (_) throws(CamdError) in
                try buffer.withMutableBytes(.write) { (_) throws(CamdError) in }
            }
        }
        #expect(result.says("is written while another access is open"))
    }

    @Test func `writing what another thread reads traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try Self.whileAnotherReads(buffer) { () throws(CamdError) in
                try buffer.withMutableBytes(.readWrite) { (_) throws(CamdError) in }
            }
        }
        #expect(result.says("is written while another access is open"))
    }

    @Test func `writing what is written traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try buffer.withMutableBytes(.write) { (_) throws(CamdError) in
                try buffer.withMutableBytes(.write) { (_) throws(CamdError) in }
            }
        }
        #expect(result.says("is written while another access is open"))
    }

    @Test func `reading what is written traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try buffer.withMutableBytes(.write) { (_) throws(CamdError) in
                try buffer.withBytes { (_) throws(CamdError) in }
            }
        }
        #expect(result.says("is read while another access writes it"))
    }

    @Test func `reading inside a read of the same thread traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try buffer.withBytes { (_) throws(CamdError) in
                try buffer.withBytes { (_) throws(CamdError) in }
            }
        }
        #expect(result.says("inside another one of the same thread"))
    }

    @Test func `so it does when another thread began to read meanwhile`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try buffer.withBytes { (_) throws(CamdError) in
                do {
                    try Self.whileAnotherReads(buffer) { () throws(CamdError) in
                        try buffer.withBytes { (_) throws(CamdError) in }
                    }
                } catch {}
            }
        }
        #expect(result.says("inside another one of the same thread"))
    }

    @Test func `reading what the driver owns traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            buffer.setOwnedByDriver(true)
            try buffer.withBytes { (_) throws(CamdError) in }
        }
        #expect(result.says("a buffer that the camera's driver owns"))
    }

    @Test func `writing what the driver owns traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            buffer.setOwnedByDriver(true)
            try buffer.withMutableBytes(.write) { (_) throws(CamdError) in }
        }
        #expect(result.says("a buffer that the camera's driver owns"))
    }

    @Test func `publishing what the driver owns traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            buffer.setOwnedByDriver(true)
            try buffer.publishDriverWrites()
        }
        #expect(result.says("a buffer that the camera's driver owns"))
    }

    @Test func `publishing what is written traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try buffer.withMutableBytes(.write) { (_) throws(CamdError) in try buffer.publishDriverWrites() }
        }
        #expect(result.says("is read while another access writes it"))
    }

    @Test func `giving the driver what is read traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try buffer.withBytes { (_) throws(CamdError) in buffer.setOwnedByDriver(true) }
        }
        #expect(result.says("goes to the camera's driver while the CPU has it open"))
    }

    @Test func `giving the driver what is written traps`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let buffer = try Self.buffer()
            try buffer.withMutableBytes(.write) { (_) throws(CamdError) in buffer.setOwnedByDriver(true) }
        }
        #expect(result.says("goes to the camera's driver while the CPU has it open"))
    }

    // The calls.

    @Test func `the length is what the kernel says`() throws {
        let buffer = try DMABuf(owning: Memory.make(length: 12_288, sealed: false), origin: "test")
        #expect(buffer.length == 12_288)
        let empty = #expect(throws: CamdError.self) {
            try DMABuf(owning: Memory.make(length: 0, sealed: false), origin: "test")
        }
        #expect(empty?.description.contains("a buffer of 0 bytes is smaller than the 1") == true)
        let small = #expect(throws: CamdError.self) {
            try DMABuf(owning: Memory.make(length: 4096, sealed: false), needing: 4097, origin: "test")
        }
        #expect(small?.description.contains("a buffer of 4096 bytes is smaller than the 4097") == true)
        var ends: [CInt] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let writer = FileDescriptor(owning: ends[1])
        let endless = #expect(throws: CamdError.self) {
            try DMABuf(owning: FileDescriptor(owning: ends[0]), origin: "test")
        }
        _ = consume writer
        #expect(endless?.call == "lseek")
    }

    @Test func `what is no dma-buf is refused by SYNC, and its bytes are not shown`() throws {
        let buffer = try DMABuf(owning: Memory.make(length: 4096, sealed: false), origin: "test")
        let error = #expect(throws: CamdError.self) {
            try buffer.withBytes { (_) throws(CamdError) in Issue.record("the body ran") }
        }
        #expect(error?.description.hasPrefix("dma-buf (test): DMA_BUF_IOCTL_SYNC START: ENOTTY: ") == true)
        #expect(throws: CamdError.self) { try buffer.publishDriverWrites() }
        // A failed access is none.
        buffer.setOwnedByDriver(true)
    }

    @Test(arguments: [Errno.interrupted, Errno.tryAgain])
    func `an interrupted call is made again`(_ interruption: Errno) throws {
        var attempts = 0
        try DMABuf.insisting("CALL", on: "test") {
            attempts += 1
            return attempts <= 5 ? interruption : nil
        }
        #expect(attempts == 6)
    }

    @Test(arguments: [Errno.interrupted, Errno.tryAgain])
    func `a call that is interrupted for ever ends with a message`(_ interruption: Errno) {
        var attempts = 0
        let began = Clock.monotonicNanoseconds()
        let error = #expect(throws: CamdError.self) {
            try DMABuf.insisting("CALL", on: "test", limitMilliseconds: 50) {
                attempts += 1
                return interruption
            }
        }
        let milliseconds = (Clock.monotonicNanoseconds() - began) / 1_000_000
        #expect((50..<2000).contains(milliseconds))
        #expect(attempts > 2)
        #expect(error?.errno == interruption)
        #expect(error?.kind == .unavailable)
        #expect(error?.description.contains("again and again for 50 ms") == true)
    }

    @Test func `a call that fails is not made again`() {
        var attempts = 0
        let error = #expect(throws: CamdError.self) {
            try DMABuf.insisting("CALL", on: "test") {
                attempts += 1
                return attempts == 1 ? .interrupted : .inputOutput
            }
        }
        #expect(attempts == 2)
        #expect(error?.description == "test: CALL: EIO: Input/output error")
    }
}

extension ExitTest.Result? {
    fileprivate func says(_ words: String) -> Bool {
        guard let self else { return false }
        return String(decoding: self.standardErrorContent, as: UTF8.self).contains(words)
    }
}
