import CV4L2
import Glibc
import LinuxSystem

/// How the buffers of a queue come by their memory.
public enum QueueMemory: Sendable, Hashable {
    /// The driver allocates (V4L2_MEMORY_MMAP).
    case mmap
    /// The driver allocates, with a cached mapping (V4L2_MEMORY_FLAG_NON_COHERENT).
    case mmapNonCoherent
    /// camd allocates and hands dma-bufs in (V4L2_MEMORY_DMABUF).
    case dmaBuf

    var value: UInt32 { self == .dmaBuf ? V4L2_MEMORY_DMABUF.rawValue : V4L2_MEMORY_MMAP.rawValue }
}

/// What VIDIOC_DQBUF said of a buffer.
public struct DequeuedBuffer: Sendable {
    public var slot: Int
    public var bytesUsed: Int
    /// Bytes before the picture, of the first plane; counted in `bytesUsed`.
    public var dataOffset: Int
    public var sequence: UInt32
    public var timestampNanoseconds: UInt64
    /// The driver marked its contents as suspect (V4L2_BUF_FLAG_ERROR).
    public var isCorrupt: Bool
    /// Its timestamp is of CLOCK_MONOTONIC (V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC).
    public var isMonotonic: Bool
    /// Its timestamp is of the exposure's start, not of the frame's end (V4L2_BUF_FLAG_TSTAMP_SRC_SOE).
    public var isStampedAtStart: Bool
    /// Of an encoder: it depends on no frame before (V4L2_BUF_FLAG_KEYFRAME).
    public var isKeyFrame = false
    /// Of an encoder that drains: nothing comes after it (V4L2_BUF_FLAG_LAST).
    public var isLast = false
}

extension VideoNode {
    /// Asks for `count` buffers and returns how many the driver gives, and what its queue can do (VIDIOC_REQBUFS).
    /// 0 frees all.
    func requestBuffers(_ count: Int, _ memory: QueueMemory) throws(CamdError) -> (count: Int, capabilities: UInt32) {
        var request = v4l2_requestbuffers()
        request.count = UInt32(count)
        request.type = bufferType
        request.memory = memory.value
        if memory == .mmapNonCoherent { request.flags = UInt8(V4L2_MEMORY_FLAG_NON_COHERENT) }
        try call(CV4L2_VIDIOC_REQBUFS, "VIDIOC_REQBUFS", &request)
        return (Int(request.count), request.capabilities)
    }

    /// Exports one plane of a driver's buffer as a dma-buf (VIDIOC_EXPBUF).
    func exportBuffer(_ slot: Int, plane: Int) throws(CamdError) -> DMABuf {
        var request = v4l2_exportbuffer()
        request.type = bufferType
        request.index = UInt32(slot)
        request.plane = UInt32(plane)
        request.flags = UInt32(O_RDWR | O_CLOEXEC)
        try call(CV4L2_VIDIOC_EXPBUF, "VIDIOC_EXPBUF", &request)
        return try DMABuf(owning: FileDescriptor(owning: request.fd), origin: "exported by \(path)")
    }

    /// Gives a buffer to the driver (VIDIOC_QBUF). For imports `buffers` are the slot's dma-bufs; always the same ones
    /// for a slot, so that the kernel keeps its mapping. `used`: bytes of each that are a frame's, and `microseconds`: its
    /// time, both of a frame that a driver is given. Allocates nothing.
    func queueBuffer(
        _ slot: Int, _ memory: QueueMemory, _ buffers: [DMABuf], used: [Int] = [], microseconds: Int64 = 0
    ) -> Errno? {
        var planes = InlineArray<8, v4l2_plane>(repeating: v4l2_plane())
        var span = planes.mutableSpan
        return span.withUnsafeMutableBufferPointer { planes in
            var buffer = v4l2_buffer()
            buffer.index = UInt32(slot)
            buffer.type = bufferType
            buffer.memory = memory.value
            buffer.timestamp.tv_sec = Int(microseconds / 1_000_000)
            buffer.timestamp.tv_usec = Int(microseconds % 1_000_000)
            if !used.isEmpty { buffer.field = V4L2_FIELD_NONE.rawValue }
            if isMultiPlanar {
                for index in 0..<min(used.count, planes.count) {
                    planes[index].bytesused = UInt32(clamping: used[index])
                }
                for index in 0..<min(buffers.count, planes.count) where memory == .dmaBuf {
                    planes[index].m.fd = buffers[index].fileDescriptor
                    planes[index].length = UInt32(clamping: buffers[index].length)
                }
                buffer.length = UInt32(min(buffers.count, planes.count))
                buffer.m.planes = planes.baseAddress
            } else if memory == .dmaBuf {
                buffer.m.fd = buffers[0].fileDescriptor
                buffer.length = UInt32(clamping: buffers[0].length)
            }
            if !isMultiPlanar, let first = used.first { buffer.bytesused = UInt32(clamping: first) }
            return attempt(CV4L2_VIDIOC_QBUF, &buffer)
        }
    }

    /// Takes a filled buffer from the driver (VIDIOC_DQBUF): `.success(nil)` when none is ready. Allocates nothing.
    func dequeueBuffer(_ memory: QueueMemory) -> Result<DequeuedBuffer?, Errno> {
        var planes = InlineArray<8, v4l2_plane>(repeating: v4l2_plane())
        var span = planes.mutableSpan
        return span.withUnsafeMutableBufferPointer { planes in
            var buffer = v4l2_buffer()
            buffer.type = bufferType
            buffer.memory = memory.value
            if isMultiPlanar {
                buffer.length = UInt32(planes.count)
                buffer.m.planes = planes.baseAddress
            }
            if let error = attempt(CV4L2_VIDIOC_DQBUF, &buffer) {
                return error == .tryAgain ? .success(nil) : .failure(error)
            }
            let clock = buffer.flags & UInt32(V4L2_BUF_FLAG_TIMESTAMP_MASK)
            return .success(
                DequeuedBuffer(
                    slot: Int(buffer.index), bytesUsed: Int(isMultiPlanar ? planes[0].bytesused : buffer.bytesused),
                    dataOffset: isMultiPlanar ? Int(planes[0].data_offset) : 0, sequence: buffer.sequence,
                    timestampNanoseconds: UInt64(clamping: buffer.timestamp.tv_sec) &* 1_000_000_000
                        &+ UInt64(clamping: buffer.timestamp.tv_usec) &* 1000,
                    isCorrupt: buffer.flags & UInt32(V4L2_BUF_FLAG_ERROR) != 0,
                    isMonotonic: clock == UInt32(V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC),
                    isStampedAtStart: buffer.flags & UInt32(V4L2_BUF_FLAG_TSTAMP_SRC_MASK)
                        == UInt32(V4L2_BUF_FLAG_TSTAMP_SRC_SOE),
                    isKeyFrame: buffer.flags & UInt32(V4L2_BUF_FLAG_KEYFRAME) != 0,
                    isLast: buffer.flags & UInt32(V4L2_BUF_FLAG_LAST) != 0))
        }
    }

    /// Takes one frame of a multi-planar queue that streams and returns where in each buffer its picture begins
    /// (`data_offset` of struct v4l2_plane), in bytes; the driver tells that only with a frame.
    func firstDataOffsets(_ memory: QueueMemory, bufferCount: Int) throws(CamdError) -> [Int] {
        guard try wait(for: .input, on: fileDescriptor, milliseconds: 5000) != nil else {
            throw CamdError(.unavailable, subject: subject, reason: "no frame came within 5 s")
        }
        var planes = InlineArray<8, v4l2_plane>(repeating: v4l2_plane())
        var span = planes.mutableSpan
        let result: Result<[Int], Errno> = span.withUnsafeMutableBufferPointer { planes in
            var buffer = v4l2_buffer()
            buffer.type = bufferType
            buffer.memory = memory.value
            buffer.length = UInt32(planes.count)
            buffer.m.planes = planes.baseAddress
            if let error = attempt(CV4L2_VIDIOC_DQBUF, &buffer) { return .failure(error) }
            return .success((0..<min(bufferCount, planes.count)).map { Int(planes[$0].data_offset) })
        }
        switch result {
        case .success(let offsets): return offsets
        case .failure(let error): throw CamdError(call: "VIDIOC_DQBUF", errno: error, subject: subject)
        }
    }

    /// VIDIOC_STREAMON.
    func streamOn() throws(CamdError) {
        var type = CInt(bufferType)
        do throws(CamdError) {
            try call(CV4L2_VIDIOC_STREAMON, "VIDIOC_STREAMON", &type)
        } catch {
            if error.errno == .brokenPipe {
                var error = error
                error.reason = "formats along the media graph differ"
                error.remedy = "Set the same format on all pads from the sensor to this node (see: media-ctl -p)."
                throw error
            }
            throw busy(error)
        }
    }

    /// VIDIOC_STREAMOFF: all buffers are the program's again.
    func streamOff() {
        var type = CInt(bufferType)
        _ = attempt(CV4L2_VIDIOC_STREAMOFF, &type)
    }
}
