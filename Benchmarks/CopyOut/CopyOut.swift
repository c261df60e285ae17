import CaptureCore
import Glibc
import LinuxSystem

/// Copies a 720p NV12 frame out of a heap's buffer, between the SYNC calls, and the same bytes between two ordinary buffers,
/// in turns, and prints the medians: what the CPU pays for a frame's being in a heap.
///
///     Tests/Lab/run -- .build/release/copy-out [HEAP]
@main
struct CopyOut {
    static let bytes = 1280 * 720 * 3 / 2
    static let runs = 200

    static func main() throws {
        let name = CommandLine.arguments.dropFirst().first ?? "system"
        let source: BufferSource = name == "udmabuf" ? .udmabuf : .heap(Heap(name: name))
        let frame = try source.allocate(bytes)
        let ordinary = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 4096)
        let target = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 4096)
        ordinary.initializeMemory(as: UInt8.self, repeating: 1)
        target.initializeMemory(as: UInt8.self, repeating: 2)
        try frame.withMutableBytes(.write) { (bytes) throws(CamdError) in
            bytes.withUnsafeMutableBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: 3) }
        }
        var ofHeap: [UInt64] = []
        var ofOrdinary: [UInt64] = []
        for _ in 0..<runs {
            var began = Clock.monotonicNanoseconds()
            memcpy(target.baseAddress!, ordinary.baseAddress!, bytes)
            ofOrdinary.append(Clock.monotonicNanoseconds() - began)
            began = Clock.monotonicNanoseconds()
            try frame.withBytes { (span) throws(CamdError) in
                span.withUnsafeBytes { _ = memcpy(target.baseAddress!, $0.baseAddress!, bytes) }
            }
            ofHeap.append(Clock.monotonicNanoseconds() - began)
        }
        let heap = Double(ofHeap.sorted()[runs / 2]) / 1e6
        let plain = Double(ofOrdinary.sorted()[runs / 2]) / 1e6
        print(
            "\(name): \(heap) ms, ordinary memory: \(plain) ms, ratio \(heap / plain), \(runs) runs of \(bytes) bytes")
    }
}
