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

    /// Opens the GPU. `version`: of OpenGL ES, 2 or 3. `memory`: where frames and pictures lie; of ordinary memory they are
    /// copied in and out. `node`: see `GPUSetup`.
    public convenience init(
        version: Int = 2, memory: BufferSource = .plainMemory, node: String? = nil
    ) throws(CamdError) {
        var setup = GPUSetup(node: node)
        setup.version = version
        try self.init(setup, memory: memory)
    }

    init(_ setup: GPUSetup, memory: BufferSource = .plainMemory) throws(CamdError) {
        self.memory = memory
        display = try GPUDisplay(setup)
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
        let stage = try prepare(layout, look: look, kind: kind, view: view)
        for (buffer, bytes) in zip(stage.frame, bytes) {
            try buffer.withMutableBytes(.write) { (span) throws(CamdError) in
                let count = min(span.byteCount, bytes.count)
                span.withUnsafeMutableBytes { to in
                    bytes.withUnsafeBytes { to.copyMemory(from: .init(rebasing: $0[..<count])) }
                }
            }
        }
        try stage.draw()
        return try stage.picture()
    }

    /// Compiles what one kind of picture of one kind of frame needs.
    public func prepare(
        _ layout: FrameLayout, look: Look, kind: PictureKind, view: PictureView? = nil
    ) throws(CamdError) -> Stage {
        try Stage(display, memory, layout, look, kind, view ?? PictureView(width: layout.width, height: layout.height))
    }

    /// The passes from one frame to one picture.
    public final class Stage {
        private let display: GPUDisplay
        private let source: GPUSource
        private let chain: GPUChain
        private let output: GPUOutput
        private let lease: FrameLease
        private let pool: FramePool
        private var bytesCopied = 0
        private let corners: [GLfloat] = [-1, -1, 3, -1, -1, 3]

        fileprivate init(
            _ display: GPUDisplay, _ memory: BufferSource, _ layout: FrameLayout, _ look: Look, _ kind: PictureKind,
            _ view: PictureView
        ) throws(CamdError) {
            let stock = BufferStock()
            let pool = FramePool(layout: layout, buffers: try stock.allocate(memory, layout, count: 1))
            var refusals: [PathRefusal] = []
            let source = try GPUSource(display, pool, writes: .nothing, look: look, refusals: &refusals)
            let isWhole = view.isWhole(layout.width, layout.height)
            let chain = try GPUChain(
                display, source.input, needsPicture: !isWhole, smallest: view.scale(layout.width, layout.height))
            let (made, color): (GPUOutput.Kind, Colorimetry) =
                switch kind {
                case .i420(let color): (.i420, color)
                case .nv12(let color): (.nv12, color)
                case .rgba: (.rgba, .sRGB)
                }
            let output = try GPUOutput(
                display, made, of: chain, view: view, color: color, slots: 1, sources: [memory], stock: stock,
                refusals: &refusals)
            guard let lease = output.pool.acquire() else {
                throw CamdError(.software, subject: "GPU", reason: "a new picture is held")
            }
            self.display = display
            self.pool = pool
            self.source = source
            self.chain = chain
            self.output = output
            self.lease = lease
        }

        /// The frame's buffers, to be filled.
        public var frame: [DMABuf] { pool.buffers[0] }

        /// Draws, and waits for the end of it.
        public func draw() throws(CamdError) {
            corners.withUnsafeBufferPointer {
                glVertexAttribPointer(0, 2, GLenum(GL_FLOAT), GLboolean(GL_FALSE), 0, $0.baseAddress)
                glEnableVertexAttribArray(0)
            }
            bytesCopied = try source.bind(0)
            chain.draw()
            bytesCopied += try output.draw(lease.slot)
            glFinish()
            try display.checkErrors()
        }

        /// What was drawn last.
        public func picture() throws(CamdError) -> DevelopedPicture {
            DevelopedPicture(
                layout: output.pool.layout, lease: lease.share(), bytesCopied: bytesCopied,
                paths: (source.path, output.path))
        }
    }
}
