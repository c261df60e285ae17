import CFFmpeg
import CaptureCore
import LinuxSystem

/// The AVFrame through which an encoder reads a frame.
///
/// In place: its data pointers lie in the dma-buf's mapping, and only while the CPU's access to it is open. What keeps
/// libavcodec from copying the frame is its `buf[0]`: av_frame_ref(3), which avcodec_send_frame(3) calls, allocates and
/// copies where that is null, and else takes a reference. The references are to a buffer that owns nothing, so their
/// count tells whether the encoder still has the frame after the call. One that does would read outside the access:
/// it is given copies, which are counted.
final class FrameInput {
    let geometry: FrameGeometry
    private let frame: UnsafeMutablePointer<AVFrame>
    // The frame's fields of these names.
    private let data: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>
    private let lines: UnsafeMutablePointer<CInt>
    private let references: UnsafeMutablePointer<UnsafeMutablePointer<AVBufferRef>?>
    /// For each dma-buf a reference of ours.
    private var views: [UnsafeMutablePointer<AVBufferRef>] = []
    /// Where copies go; made at the first one.
    private var pool: OpaquePointer?
    private(set) var bytesCopied: UInt64 = 0
    /// What an encoder kept that was not expected to: leased until it lets go.
    private var keptLease: FrameLease?
    private var keptViews: [UnsafeMutablePointer<AVBufferRef>] = []

    init(_ geometry: FrameGeometry, format: AVPixelFormat, color: Colorimetry) throws(CamdError) {
        guard let frame = av_frame_alloc() else { throw LibAV.noMemory("av_frame_alloc", subject: "encoder") }
        self.geometry = geometry
        self.frame = frame
        data = Self.field(frame, \.data)
        lines = Self.field(frame, \.linesize)
        references = Self.field(frame, \.buf)
        frame.pointee.format = format.rawValue
        frame.pointee.width = CInt(clamping: geometry.width)
        frame.pointee.height = CInt(clamping: geometry.height)
        frame.pointee.sample_aspect_ratio = AVRational(num: 1, den: 1)
        let tags = ColorTags(color)
        frame.pointee.color_primaries = tags.primaries
        frame.pointee.color_trc = tags.transfer
        frame.pointee.colorspace = tags.matrix
        frame.pointee.color_range = tags.range
        try makeViews()
    }

    deinit {
        Self.free(views)
        Self.free(keptViews)
        // Copies that an encoder still has keep their pool alive.
        av_buffer_pool_uninit(&pool)
        var owned: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&owned)
    }

    /// Whether the encoder has the frame of the last call to `inPlace` still.
    var isHeld: Bool { views.contains { av_buffer_get_ref_count($0) > 1 } }

    /// Gives the frame to `body` as it lies in its buffers, with the CPU's access open to all of them.
    func inPlace(
        _ lease: borrowing FrameLease, _ body: (UnsafeMutablePointer<AVFrame>) throws(CamdError) -> Void
    ) throws(CamdError) {
        defer { forget() }
        try opened(lease.buffers, 0) { () throws(CamdError) in try body(frame) }
    }

    /// Gives memory that is not a dma-buf to `body`: one base address for each buffer.
    func inPlace(
        _ bases: [UnsafeRawBufferPointer], _ body: (UnsafeMutablePointer<AVFrame>) throws(CamdError) -> Void
    ) throws(CamdError) {
        defer { forget() }
        for (index, bytes) in bases.enumerated() { try point(index, bytes) }
        try body(frame)
    }

    /// Copies the frame, and gives the copy to `body` with no access open.
    func copied(
        _ lease: borrowing FrameLease, _ body: (UnsafeMutablePointer<AVFrame>) throws(CamdError) -> Void
    ) throws(CamdError) {
        defer { forget() }
        // Rows as long as any encoder's vector code likes them, and some bytes behind the last.
        let strides = geometry.planes.map { ($0.rowBytes + 63) & ~63 }
        let size = zip(strides, geometry.planes).reduce(64) { $0 + $1.0 * $1.1.rows }
        if pool == nil { pool = av_buffer_pool_init(size, nil) }
        guard pool != nil, let copy = av_buffer_pool_get(pool) else {
            throw LibAV.noMemory("av_buffer_pool_get", subject: "copy of a frame")
        }
        var reference: UnsafeMutablePointer<AVBufferRef>? = copy
        defer { av_buffer_unref(&reference) }
        try opened(lease.buffers, 0) { () throws(CamdError) in
            var target = copy.pointee.data!
            for (index, plane) in geometry.planes.enumerated() {
                let source = data[index]!
                for row in 0..<plane.rows {
                    UnsafeMutableRawPointer(target + row * strides[index])
                        .copyMemory(from: source + row * plane.stride, byteCount: plane.rowBytes)
                }
                data[index] = target
                lines[index] = CInt(strides[index])
                target += strides[index] * plane.rows
            }
        }
        bytesCopied += UInt64(geometry.pixelBytes)
        for index in views.indices { references[index] = nil }
        references[0] = copy
        try body(frame)
    }

    /// Keeps the frame leased until the encoder gives it back, and lets go of an earlier one that it gave back.
    func keep(_ lease: consuming FrameLease) throws(CamdError) {
        letGo()
        guard keptLease == nil else { return }
        keptViews = views
        keptLease = consume lease
        views = []
        try makeViews()
    }

    /// Ends the lease of a frame that the encoder gave back.
    func letGo() {
        guard keptLease != nil, keptViews.allSatisfy({ av_buffer_get_ref_count($0) == 1 }) else { return }
        Self.free(keptViews)
        keptViews = []
        keptLease = nil
    }

    // MARK: - the AVFrame's fields

    /// The first of a C array, which Swift sees as a tuple.
    private static func field<Tuple, Element>(
        _ frame: UnsafeMutablePointer<AVFrame>, _ path: KeyPath<AVFrame, Tuple>
    ) -> UnsafeMutablePointer<Element> {
        let offset = MemoryLayout<AVFrame>.offset(of: path)!
        return (UnsafeMutableRawPointer(frame) + offset).assumingMemoryBound(to: Element.self)
    }

    /// Opens the CPU's access to each buffer inside that of the one before.
    private func opened(
        _ buffers: [DMABuf], _ index: Int, _ body: () throws(CamdError) -> Void
    ) throws(CamdError) {
        guard index < views.count else { return try body() }
        guard index < buffers.count else { throw tooSmall(index, 0) }
        try buffers[index].withBytes { (span) throws(CamdError) in
            let bytes = span.withUnsafeBytes { $0 }
            try point(index, bytes)
            try opened(buffers, index + 1, body)
        }
    }

    /// Sets the pointers of all planes that lie in a buffer.
    private func point(_ buffer: Int, _ bytes: UnsafeRawBufferPointer) throws(CamdError) {
        guard bytes.count >= geometry.bufferSizes[buffer], let base = bytes.baseAddress else {
            throw tooSmall(buffer, bytes.count)
        }
        // libavcodec's types know no const; the reference is marked read-only, and no encoder writes to its input.
        let start = UnsafeMutableRawPointer(mutating: base).assumingMemoryBound(to: UInt8.self)
        for (index, plane) in geometry.planes.enumerated() where plane.buffer == buffer {
            data[index] = start + plane.offset
            lines[index] = CInt(plane.stride)
        }
        views[buffer].pointee.data = start
        views[buffer].pointee.size = bytes.count
        references[buffer] = views[buffer]
    }

    /// Leaves no pointer into a buffer whose access is over, and nothing for av_frame_free(3) to release.
    private func forget() {
        for index in 0..<FrameGeometry.mostPlanes {
            data[index] = nil
            references[index] = nil
        }
    }

    private func makeViews() throws(CamdError) {
        for _ in geometry.bufferSizes {
            // It owns nothing, so its free does nothing; where it points is set for each frame.
            guard let view = av_buffer_create(nil, 0, { _, _ in }, nil, AV_BUFFER_FLAG_READONLY) else {
                throw LibAV.noMemory("av_buffer_create", subject: "encoder")
            }
            views.append(view)
        }
    }

    private static func free(_ views: [UnsafeMutablePointer<AVBufferRef>]) {
        for view in views {
            var owned: UnsafeMutablePointer<AVBufferRef>? = view
            av_buffer_unref(&owned)
        }
    }

    private func tooSmall(_ buffer: Int, _ count: Int) -> CamdError {
        CamdError(
            .software, subject: "frame buffer \(buffer)",
            reason: "it has \(count) bytes, the layout needs \(geometry.bufferSizes[buffer])")
    }
}
