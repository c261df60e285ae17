import Glibc

/// Owns one shared mapping of a descriptor and unmaps it when its life ends (mmap(2), munmap(2)).
public struct Mapping: ~Copyable, @unchecked Sendable {
    /// The first byte; page-aligned.
    public let base: UnsafeMutableRawPointer
    /// Bytes.
    public let length: Int

    /// Maps the first `length` bytes of `fd`, shared; throws what mmap(2) leaves in errno.
    public init(_ fd: CInt, length: Int, writable: Bool, offset: Int = 0, subject: String) throws(CamdError) {
        guard length > 0,
            let base = mmap(nil, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset),
            base != UnsafeMutableRawPointer(bitPattern: -1)
        else {
            throw CamdError(call: "mmap", errno: length > 0 ? .current : .invalid, subject: subject)
        }
        self.base = base
        self.length = length
    }

    deinit { munmap(base, length) }
}
