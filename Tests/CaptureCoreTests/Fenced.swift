import Glibc
import Testing

/// Bytes that end where no page is: whoever reads or writes past their end is killed by the kernel.
final class Fenced {
    private let bytes: UnsafeMutableRawBufferPointer
    private let base: UnsafeMutableRawPointer
    private let length: Int

    init(count: Int, fill: UInt8 = 0) {
        let page = 4096
        let room = (count + page - 1) / page * page
        length = room + page
        base = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(base != MAP_FAILED && mprotect(base + room, page, PROT_NONE) == 0)
        bytes = UnsafeMutableRawBufferPointer(start: base + room - count, count: count)
        bytes.initializeMemory(as: UInt8.self, repeating: fill)
    }

    convenience init(_ contents: some Collection<UInt8>) {
        self.init(count: contents.count)
        bytes.copyBytes(from: contents)
    }

    deinit { munmap(base, length) }

    /// A copy.
    var contents: [UInt8] { withExtendedLifetime(self) { Array(bytes) } }

    func with<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        try withExtendedLifetime(self) { try body(bytes) }
    }
}
