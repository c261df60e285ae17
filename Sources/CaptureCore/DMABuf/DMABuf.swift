import CV4L2
import Glibc
import LinuxSystem
import Synchronization

/// One dma-buf: memory that a camera, a GPU and a CPU see through one descriptor.
///
/// The CPU sees its bytes only inside `withBytes`, between the two calls of `DMA_BUF_IOCTL_SYNC` that keep its view
/// coherent. The mapping is made at the first access and kept: mapping it for each frame costs more than the syncs.
public final class DMABuf: @unchecked Sendable {
    /// What the CPU does with the bytes (DMA_BUF_SYNC_READ, _WRITE, _RW).
    public enum Access: Sendable {
        case read, write, readWrite

        var flags: UInt64 {
            switch self {
            case .read: CV4L2_SYNC_READ
            case .write: CV4L2_SYNC_WRITE
            case .readWrite: CV4L2_SYNC_RW
            }
        }
    }

    /// Bytes, rounded up to pages by whoever allocated it.
    public let length: Int
    /// Where it came from, for messages: "heap system", "udmabuf", "exported by /dev/video0".
    public let origin: String
    /// Ordinary memory (a memfd) that stands in where a machine has no dma-buf: no GPU can import it, and there is
    /// nothing to sync.
    public let isPlainMemory: Bool
    private let owned: FileDescriptor
    private let view = Mutex(View())
    private let gate = AccessGate()

    private struct View: ~Copyable {
        var mapping: Mapping?
        var bytes: UnsafeMutableRawBufferPointer?
    }

    /// Takes over a descriptor. Its length is what the kernel says (lseek(2) to the end, which dma-bufs support), never
    /// what somebody asked for; one of fewer than `needed` bytes is an error.
    public init(
        owning descriptor: consuming FileDescriptor, needing needed: Int = 1, origin: String
    ) throws(CamdError) {
        let end = lseek(descriptor.rawValue, 0, SEEK_END)
        guard end >= 0 else { throw CamdError(call: "lseek", errno: .current, subject: "dma-buf (\(origin))") }
        guard end >= needed else {
            throw CamdError(
                .unavailable, subject: "dma-buf (\(origin))", call: "lseek",
                reason: "a buffer of \(end) bytes is smaller than the \(needed) that were asked for",
                remedy: "This is a fault of the driver that made it.")
        }
        length = Int(end)
        self.origin = origin
        isPlainMemory = false
        owned = descriptor
    }

    /// Ordinary memory of `length` bytes (memfd_create(2)), for the pattern camera on a machine with no dma-buf.
    public init(plainMemory length: Int, origin: String) throws(CamdError) {
        owned = try Memory.make(length: length, sealed: false)
        self.length = length
        self.origin = origin
        isPlainMemory = true
    }

    /// The descriptor's number, for an ioctl or an import; it stays owned by this object.
    public var fileDescriptor: CInt { owned.rawValue }

    /// Lets the CPU read: START, `body`, END (DMA_BUF_IOCTL_SYNC), the END also when `body` throws. The span is the
    /// whole buffer and does not outlive the body. Whoever calls has made sure that the GPU's writes are over.
    public func withBytes<R>(
        _ body: (RawSpan) throws(CamdError) -> R
    ) throws(CamdError) -> R {
        try bracketed(.read) { (bytes) throws(CamdError) in try body(UnsafeRawBufferPointer(bytes).bytes) }
    }

    /// Lets the CPU write, or read and write, as `withBytes` does.
    public func withMutableBytes<R>(
        _ access: Access, _ body: (inout MutableRawSpan) throws(CamdError) -> R
    ) throws(CamdError) -> R {
        try bracketed(access) { (bytes) throws(CamdError) in
            var span = bytes.mutableBytes
            return try body(&span)
        }
    }

    /// The GPU or another device that takes longer than this with a buffer has hung.
    private static let fenceLimitMilliseconds: CInt = 2000

    private func bracketed<R>(
        _ access: Access, _ body: (UnsafeMutableRawBufferPointer) throws(CamdError) -> R
    ) throws(CamdError) -> R {
        let bytes = try mapped()
        let entry = gate.enter(writing: !access.isRead)
        defer { gate.leave(entry) }
        try waitForDevices(access)
        try sync(CV4L2_SYNC_START | access.flags, "DMA_BUF_IOCTL_SYNC START")
        let result: R
        do throws(CamdError) {
            result = try body(bytes)
        } catch {
            try? sync(CV4L2_SYNC_END | access.flags, "DMA_BUF_IOCTL_SYNC END")
            throw error
        }
        try sync(CV4L2_SYNC_END | access.flags, "DMA_BUF_IOCTL_SYNC END")
        return result
    }

    /// Waits for the devices' fences on the buffer (poll(2) of the dma-buf: readable when its writers are done,
    /// writable when all are). It comes before START, which would invalidate caches first and then wait with no limit.
    private func waitForDevices(_ access: Access) throws(CamdError) {
        if isPlainMemory { return }
        let wanted: Readiness = access.isRead ? .input : .output
        guard try wait(for: wanted, on: owned.rawValue, milliseconds: Self.fenceLimitMilliseconds) != nil else {
            throw CamdError(
                .unavailable, subject: "dma-buf (\(origin))", call: "poll",
                reason: "a device works on it for more than \(Self.fenceLimitMilliseconds) ms",
                remedy: "See the kernel's log (dmesg) for a GPU that hangs.")
        }
    }

    /// Told by the capture queue: from QBUF to DQBUF the buffer is the driver's, and a CPU access traps; so does giving it
    /// away while an access is open.
    func setOwnedByDriver(_ isOwned: Bool) { gate.setOwnedByDriver(isOwned) }

    /// Hands on what a driver wrote with the CPU and did not clean from the caches (uvcvideo and the test drivers never
    /// do), so that a device that does not look into caches sees it: START and END for writing. START for writing alone
    /// invalidates nothing, and no byte changes: to others who read it is one more reader.
    func publishDriverWrites() throws(CamdError) {
        let entry = gate.enter(writing: false)
        defer { gate.leave(entry) }
        // START for writing waits for all devices, with no limit of its own.
        try waitForDevices(.write)
        try sync(CV4L2_SYNC_START | CV4L2_SYNC_WRITE, "DMA_BUF_IOCTL_SYNC START")
        try sync(CV4L2_SYNC_END | CV4L2_SYNC_WRITE, "DMA_BUF_IOCTL_SYNC END")
    }

    private func mapped() throws(CamdError) -> UnsafeMutableRawBufferPointer {
        // The lock is held across mmap(2), once in the life of a buffer and before any frame flows: see `prepare`.
        let result: Result<UnsafeMutableRawBufferPointer, CamdError> = view.withLock { view in
            if let bytes = view.bytes { return .success(bytes) }
            do throws(CamdError) {
                let mapping = try Mapping(
                    owned.rawValue, length: length, writable: true, subject: "dma-buf (\(origin))")
                let bytes = UnsafeMutableRawBufferPointer(start: mapping.base, count: mapping.length)
                view.mapping = consume mapping
                view.bytes = bytes
                return .success(bytes)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Maps it and touches each page ahead of the first frame, so that the frame path makes no mapping and no fault.
    public func prepareForCPU() throws(CamdError) {
        try withBytes { (bytes) throws(CamdError) in
            bytes.withUnsafeBytes { bytes in
                var sum: UInt8 = 0
                for offset in stride(from: 0, to: bytes.count, by: 4096) { sum &+= bytes[offset] }
                Self.touched.store(sum, ordering: .relaxed)
            }
        }
    }

    /// Somewhere for the bytes to go, or the reads would be left out.
    private static let touched = Atomic<UInt8>(0)

    private func sync(_ flags: UInt64, _ call: String) throws(CamdError) {
        if isPlainMemory { return }
        try Self.insisting(call, on: "dma-buf (\(origin))") {
            var argument = dma_buf_sync(flags: flags)
            return ioctl(owned.rawValue, CV4L2_DMA_BUF_IOCTL_SYNC, &argument) == 0 ? nil : .current
        }
    }

    /// Makes a call again for as long as a signal or a busy device interrupts it (EINTR, EAGAIN), but not for ever.
    /// `attempt`: what it failed with, nil when it did not.
    static func insisting(
        _ call: String, on subject: @autoclosure () -> String, limitMilliseconds: Int = 2000, _ attempt: () -> Errno?
    ) throws(CamdError) {
        guard var error = attempt() else { return }
        let deadline = Deadline(afterMilliseconds: limitMilliseconds)
        while error == .interrupted || error == .tryAgain {
            guard !deadline.hasPassed else {
                throw CamdError(
                    .unavailable, subject: subject(), call: call, errno: error,
                    reason: "it was interrupted again and again for \(limitMilliseconds) ms",
                    remedy: "See the kernel's log (dmesg) for a device that hangs.")
            }
            guard let again = attempt() else { return }
            error = again
            // Whoever is busy gets the CPU before the third try.
            usleep(200)
        }
        throw CamdError(call: call, errno: error, subject: subject())
    }
}

extension DMABuf.Access {
    fileprivate var isRead: Bool { if case .read = self { true } else { false } }
}
