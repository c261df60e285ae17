import CEGL
import LinuxSystem

/// What is made of a single frame.
public enum PictureKind: Hashable, Sendable {
    /// Y, U and V planes, as JPEG has them.
    case i420(Colorimetry)
    /// Y, then UV, as encoders have them.
    case nv12(Colorimetry)
    /// R, G, B and full opacity, a byte each.
    case rgba
}

/// A picture that was made, and what it took.
public struct DevelopedPicture: ~Copyable {
    public let layout: FrameLayout
    public let lease: FrameLease
    /// Bytes that the CPU copied for it: in, and out again.
    public let bytesCopied: Int
    /// `eglimage` or `upload`, and `heap:NAME`, `udmabuf` or `readback`.
    public let paths: (gpu: String, output: String)
}

/// The GPU's passes on single frames from memory: for stored raw frames, for tests, for a machine that has no dma-buf. All of
/// its calls are to be made on the thread that made it.
public final class Developer {
    private let display: GPUDisplay
    private let memory: BufferSource
    private let corners: [GLfloat] = [-1, -1, 3, -1, -1, 3]

    /// Opens the GPU. `version`: of OpenGL ES, 2 or 3. `memory`: where frames and pictures lie; of ordinary memory they are
    /// copied in and out.
    public init(version: Int = 2, memory: BufferSource = .plainMemory) throws(CamdError) {
        self.memory = memory
        display = try GPUDisplay(version: version)
        glEnableVertexAttribArray(0)
        glDisable(GLenum(GL_DITHER))
    }

    /// GL_RENDERER.
    public var renderer: String { display.renderer }

    /// Makes a picture of one frame. `bytes`: of each of the layout's buffers. `view`: nil is the whole frame as it is.
    public func develop(
        _ layout: FrameLayout, _ bytes: [[UInt8]], look: Look, kind: PictureKind, view: PictureView? = nil
    ) throws(CamdError) -> DevelopedPicture {
        guard bytes.count == layout.bufferSizes.count, zip(bytes, layout.bufferSizes).allSatisfy({ $0.count >= $1 })
        else {
            throw CamdError(
                .badData, subject: "frame",
                reason:
                    "a \(layout.sizeText) frame of \(layout.format) has \(layout.bufferSizes) bytes, not \(bytes.map(\.count))"
            )
        }
        let stock = BufferStock()
        let pool = FramePool(layout: layout, buffers: try stock.allocate(memory, layout, count: 1))
        for (buffer, bytes) in zip(pool.buffers[0], bytes) {
            try buffer.withMutableBytes(.write) { (span) throws(CamdError) in
                let count = min(span.byteCount, bytes.count)
                span.withUnsafeMutableBytes { to in
                    bytes.withUnsafeBytes { to.copyMemory(from: .init(rebasing: $0[..<count])) }
                }
            }
        }
        let view = view ?? PictureView(width: layout.width, height: layout.height)
        var refusals: [PathRefusal] = []
        let source = try GPUSource(display, pool, writes: .nothing, look: look, refusals: &refusals)
        let isWhole = view.isWhole(layout.width, layout.height)
        let chain = try GPUChain(
            display, source.input, needsPicture: !isWhole, smallest: view.scale(layout.width, layout.height))
        let (output, color): (GPUOutput.Kind, Colorimetry) =
            switch kind {
            case .i420(let color): (.i420, color)
            case .nv12(let color): (.nv12, color)
            case .rgba: (.rgba, .sRGB)
            }
        let made = try GPUOutput(
            display, output, of: chain, view: view, color: color, slots: 1, sources: [memory], stock: stock,
            refusals: &refusals)
        guard let lease = made.pool.acquire() else {
            throw CamdError(.software, subject: "GPU", reason: "a new picture is held")
        }
        useCorners()
        var copied = try source.bind(0)
        chain.draw()
        copied += try made.draw(0)
        glFinish()
        try display.checkErrors()
        return DevelopedPicture(
            layout: made.pool.layout, lease: lease, bytesCopied: copied, paths: (source.path, made.path))
    }

    private func useCorners() {
        corners.withUnsafeBufferPointer {
            glVertexAttribPointer(0, 2, GLenum(GL_FLOAT), GLboolean(GL_FALSE), 0, $0.baseAddress)
        }
    }
}
