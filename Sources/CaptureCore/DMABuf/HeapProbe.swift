import Glibc
import LinuxSystem

/// How fast a CPU reads a heap's buffers, measured: never inferred from a name.
public struct HeapMeasurement: Sendable, Hashable {
    public enum Caching: String, Sendable, Hashable {
        /// Reading takes at most twice the time of ordinary memory.
        case cached
        /// Between twice and four times: not to be decided.
        case unsure
        /// More than four times.
        case uncached
    }

    /// Milliseconds for each MB (2^20 bytes) read, SYNC calls included: the median of several runs, or
    /// the fastest, where the median was slow.
    public var millisecondsPerMegabyte: Double
    /// The same of ordinary memory, in the same run.
    public var ordinaryMillisecondsPerMegabyte: Double

    public init(millisecondsPerMegabyte: Double, ordinaryMillisecondsPerMegabyte: Double) {
        self.millisecondsPerMegabyte = millisecondsPerMegabyte
        self.ordinaryMillisecondsPerMegabyte = ordinaryMillisecondsPerMegabyte
    }

    public var caching: Caching {
        let ratio = millisecondsPerMegabyte / max(ordinaryMillisecondsPerMegabyte, .leastNonzeroMagnitude)
        return ratio <= 2 ? .cached : ratio > 4 ? .uncached : .unsure
    }
}

/// Measures how a CPU sees buffers of a source.
public enum HeapProbe {
    /// Bytes of a run: beyond a phone's caches, and enough that the SYNC calls weigh little beside the reading.
    static let bytes = 8 << 20
    static let runs = 7
    /// Bytes and runs of a first look. Memory that is slow at this size (20 ms/MB on a Librem 5) is not read seven times
    /// 8 MiB: somebody waits.
    static let firstBytes = 1 << 20
    static let firstRuns = 3
    /// From here on a first look is enough: twice what the verdict needs.
    static let clearlyUncached = 8.0

    /// Allocates a buffer and ordinary memory of the same size, faults both in, and times reading both in turns, the
    /// buffer between the two SYNC calls. Takes some 30 ms where memory is cached, 0.1 s where it is not.
    public static func measure(_ source: BufferSource) throws(CamdError) -> HeapMeasurement {
        let first = try measure(source, bytes: firstBytes, runs: firstRuns, fastest)
        if first.millisecondsPerMegabyte > clearlyUncached * first.ordinaryMillisecondsPerMegabyte,
            first.millisecondsPerMegabyte > 2
        {
            return first
        }
        do throws(CamdError) {
            let measured = try measure(source, bytes: bytes, runs: runs, median)
            // Other programs that run meanwhile make single runs slow, never fast: memory is called slow only when its fastest
            // run is slow.
            return measured.caching == .cached ? measured : try measure(source, bytes: bytes, runs: 2 * runs, fastest)
        } catch {
            // A small region that gives 1 MiB but not 8.
            return first
        }
    }

    /// Whether the CPU reads a buffer as fast as ordinary memory: a driver's own, perhaps, of which no name tells anything.
    /// What is in it stays.
    public static func isCached(_ buffer: DMABuf) throws(CamdError) -> Bool {
        try buffer.prepareForCPU()
        // Few bytes, and only the reading: beside it the SYNC calls may weigh a lot, and they are made either way.
        return try time(buffer, bytes: min(buffer.length, firstBytes), runs: runs, countsSync: false, fastest).caching
            == .cached
    }

    private static func measure(
        _ source: BufferSource, bytes: Int, runs: Int, _ middle: ([UInt64]) -> Double
    ) throws(CamdError) -> HeapMeasurement {
        let buffer = try source.allocate(bytes)
        // Faulted in by writing: a page that was only read may be the one page of zeros.
        try buffer.withMutableBytes(.write) { (bytes) throws(CamdError) in
            bytes.withUnsafeMutableBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: 1) }
        }
        return try time(buffer, bytes: bytes, runs: runs, countsSync: true, middle)
    }

    private static func time(
        _ buffer: DMABuf, bytes: Int, runs: Int, countsSync: Bool, _ middle: ([UInt64]) -> Double
    ) throws(CamdError) -> HeapMeasurement {
        let ordinary = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 4096)
        defer { ordinary.deallocate() }
        ordinary.initializeMemory(as: UInt8.self, repeating: 1)
        var ofBuffer: [UInt64] = []
        var ofOrdinary: [UInt64] = []
        var sum: UInt64 = 0
        for _ in 0..<runs {
            var ended: UInt64 = 0
            var began = Clock.monotonicNanoseconds()
            sum &+= read(UnsafeRawBufferPointer(ordinary))
            ofOrdinary.append(Clock.monotonicNanoseconds() - began)
            began = Clock.monotonicNanoseconds()
            sum &+= try buffer.withBytes { (all) throws(CamdError) in
                if !countsSync { began = Clock.monotonicNanoseconds() }
                let sum = all.withUnsafeBytes { read(UnsafeRawBufferPointer(rebasing: $0[0..<bytes])) }
                if !countsSync { ended = Clock.monotonicNanoseconds() }
                return sum
            }
            ofBuffer.append((countsSync ? Clock.monotonicNanoseconds() : ended) - began)
        }
        // The sum is used, so that the reads stay.
        precondition(sum > 0, "what was written is read")
        let megabytes = Double(bytes) / Double(1 << 20)
        return HeapMeasurement(
            millisecondsPerMegabyte: middle(ofBuffer) / 1e6 / megabytes,
            ordinaryMillisecondsPerMegabyte: middle(ofOrdinary) / 1e6 / megabytes)
    }

    private static func fastest(_ times: [UInt64]) -> Double { Double(times.min() ?? 0) }
    private static func median(_ times: [UInt64]) -> Double { Double(times.sorted()[times.count / 2]) }

    /// Reads every byte, eight at a time.
    @inline(never)
    private static func read(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var sum: UInt64 = 0
        var offset = 0
        while offset + 32 <= bytes.count {
            sum &+= bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            sum &+= bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
            sum &+= bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self)
            sum &+= bytes.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self)
            offset += 32
        }
        return sum
    }
}
