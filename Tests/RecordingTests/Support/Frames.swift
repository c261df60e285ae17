import CaptureCore
import Glibc
import LinuxSystem
import Testing

/// A pool of frames in plain memory, and a picture that moves in it.
struct Studio {
    let layout: FrameLayout
    let pool: FramePool

    /// Rows are longer than the pixels in them, and planes do not follow each other at once.
    init(
        _ format: PixelFormat = .nv12, width: Int = 160, height: Int = 112, slots: Int = 4, separate: Bool = false,
        color: Colorimetry = .hdVideo
    ) throws {
        let half = (width: (width + 1) / 2, rows: (height + 1) / 2)
        let isPlanar = format == .yuv420 || format == .yuv420M
        var sizes: [(Int, Int)] = [(width, height)]
        if isPlanar { sizes += [half, half] } else { sizes.append((half.width * 2, half.rows)) }
        var planes: [PlaneLayout] = []
        var bufferSizes: [Int] = []
        var offset = 0
        for (rowBytes, rows) in sizes {
            let stride = (rowBytes + 63) / 64 * 64 + 64
            planes.append(
                PlaneLayout(
                    buffer: separate ? bufferSizes.count : 0, offset: separate ? 128 : offset, stride: stride,
                    rowBytes: rowBytes, rows: rows))
            if separate { bufferSizes.append(128 + stride * rows) }
            offset += stride * rows + 4096
        }
        if !separate { bufferSizes = [offset] }
        layout = FrameLayout(
            format: format, width: width, height: height, planes: planes, bufferSizes: bufferSizes, color: color)
        var buffers: [[DMABuf]] = []
        for _ in 0..<slots {
            buffers.append(try bufferSizes.map { try DMABuf(plainMemory: $0, origin: "test") })
        }
        pool = FramePool(layout: layout, buffers: buffers)
    }

    /// What a pixel of a plane is in a frame of the moving picture. Between 16 and 235, so that every range fits.
    static func value(_ frame: Int, _ plane: Int, _ x: Int, _ y: Int) -> UInt8 {
        switch plane {
        case 0: UInt8(40 + (x / 2 + y / 4 + frame * 2) % 160)
        default: UInt8(90 + (x / 8 + y / 4 + frame) % 60 + plane)
        }
    }

    /// A free frame with the picture in it; waits for one for 10 s.
    func frame(_ index: Int, nanoseconds: UInt64) throws -> FrameLease {
        let deadline = Deadline(afterMilliseconds: 10_000)
        while true {
            if let lease = pool.acquire() {
                try paint(lease, index)
                lease.metadata = FrameMetadata(
                    sequence: UInt32(index), timestampNanoseconds: nanoseconds, bytesUsed: 0, dequeuedNanoseconds: 0)
                return lease
            }
            try #require(!deadline.hasPassed, "no frame came back within 10 s")
            usleep(200)
        }
    }

    private func paint(_ lease: borrowing FrameLease, _ index: Int) throws {
        for (number, plane) in layout.planes.enumerated() {
            try lease.buffers[plane.buffer].withMutableBytes(.write) { (bytes) throws(CamdError) in
                bytes.withUnsafeMutableBytes { bytes in
                    for y in 0..<plane.rows {
                        // What is no pixel stays black, so that a wrong stride shows.
                        let row = bytes.baseAddress! + plane.offset + y * plane.stride
                        for x in 0..<plane.rowBytes {
                            row.storeBytes(of: Self.value(index, number, x, y), toByteOffset: x, as: UInt8.self)
                        }
                    }
                }
            }
        }
    }

    /// The picture as tightly packed planes.
    func picture(_ index: Int) -> [UInt8] {
        var picture: [UInt8] = []
        for (number, plane) in layout.planes.enumerated() {
            for y in 0..<plane.rows {
                for x in 0..<plane.rowBytes { picture.append(Self.value(index, number, x, y)) }
            }
        }
        return picture
    }

    /// Whether all frames are back, 5 s at most.
    func allBack() -> Bool {
        let deadline = Deadline(afterMilliseconds: 5000)
        while pool.freeCount < pool.slotCount {
            if deadline.hasPassed { return false }
            usleep(200)
        }
        return true
    }
}

/// How far two pictures are apart at most, and on average.
func difference(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> (most: Int, mean: Double) {
    var most = 0
    var sum = 0
    for (a, b) in zip(one, other) {
        let apart = abs(Int(a) - Int(b))
        most = max(most, apart)
        sum += apart
    }
    return (most, Double(sum) / Double(max(1, one.count)))
}
