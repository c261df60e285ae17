import CEGL
import LinuxSystem

/// One kind of picture that the GPU makes of each frame it is asked for: its buffers, the framebuffers over them, and
/// the passes that fill one. Lives and ends on the GL thread; its pool may go anywhere.
final class GPUOutput {
    /// What it makes. All planes of a picture lie in one buffer, one above the other, so that one framebuffer holds it.
    enum Kind: Hashable, Sendable {
        /// Y, then UV, for encoders.
        case nv12
        /// Y, then U and V side by side, for JPEG.
        case i420
        /// R, G, B and full opacity, a byte each, for screens.
        case rgba
        /// Tiles of the frame, so many across and down: means of R, G and B before any gain, and a measure of focus.
        case statistics(columns: Int, rows: Int)
    }

    let pool: FramePool
    /// `heap:system`, `udmabuf`, `gbm`, or `readback`.
    let path: String
    private let targets: [GPUTarget]
    private let reads: GPUInput
    private let passes: [GPUPass]

    /// Which of a chain's inputs an output reads.
    static func input(of chain: GPUChain, _ kind: Kind, _ view: PictureView) -> GPUInput {
        if case .statistics = kind { return chain.measured }
        guard !view.isWhole(chain.input.width, chain.input.height) else { return chain.input }
        // The smallest that is not smaller than what is made of it.
        return chain.pictures.last { view.scale($0.width, $0.height) <= 1 } ?? chain.pictures[0]
    }

    /// What outlives a GPU's context: the buffers, wherever they are, and how they were had.
    struct Kept {
        var pool: FramePool
        var path: String
    }

    var kept: Kept { Kept(pool: pool, path: path) }

    /// Allocates `slots` buffers from the first source that the GPU can draw into, compiles the passes.
    /// `refusals` gets each source that was not taken. `kept`: of an output of the same kind, whose context was lost.
    /// `shape`: of NV12 and I420.
    init(
        _ display: GPUDisplay, _ kind: Kind, of chain: GPUChain, view: PictureView, color: Colorimetry,
        shape: VideoShape = VideoShape(), slots: Int, sources: [BufferSource], stock: BufferStock, kept: Kept? = nil,
        refusals: inout [PathRefusal]
    ) throws(CamdError) {
        let layout = Self.layout(kind, width: view.width, height: view.height, color: color, shape: shape)
        let texels = PackedPlane(
            width: layout.planes[0].stride / 4, height: layout.bufferSizes[0] / layout.planes[0].stride, offset: 0,
            stride: layout.planes[0].stride)
        guard max(texels.width, texels.height) <= display.largestEdge else {
            throw CamdError(
                .unavailable, subject: "GPU \(display.renderer)",
                reason: "a \(layout.sizeText) picture needs \(texels.width)x\(texels.height) texels, "
                    + "the most it can do is \(display.largestEdge) each way", remedy: "Choose a smaller --size.")
        }
        if let kept {
            (pool, path) = (kept.pool, kept.path)
            targets = try Self.targets(display, kept.pool.buffers, texels, path)
        } else {
            (pool, path, targets) = try Self.memory(display, layout, texels, slots, sources, stock, &refusals)
        }
        reads = Self.input(of: chain, kind, view)
        passes = try Self.passes(display, kind, reads, view, layout)
    }

    /// Buffers of the first source that the GPU can draw into; its own driver's come after all others, and last what is read
    /// back.
    private static func memory(
        _ display: GPUDisplay, _ layout: FrameLayout, _ texels: PackedPlane, _ slots: Int, _ sources: [BufferSource],
        _ stock: BufferStock, _ refusals: inout [PathRefusal]
    ) throws(CamdError) -> (FramePool, String, [GPUTarget]) {
        func made(
            _ source: BufferSource, _ path: String
        ) throws(CamdError) -> (FramePool, String, [GPUTarget]) {
            let buffers = try stock.allocate(source, layout, count: slots)
            let targets: [GPUTarget]
            do throws(CamdError) {
                targets = try Self.targets(display, buffers, texels, path)
            } catch {
                stock.giveBack(source, buffers)
                throw error
            }
            return (FramePool(layout: layout, buffers: buffers, heir: FramePool.Heir(stock, source)), path, targets)
        }
        for source in sources where source != .plainMemory {
            do throws(CamdError) {
                return try made(source, source.name)
            } catch {
                refusals.append(PathRefusal(.output, source.name, error.description))
            }
        }
        do throws(CamdError) {
            if let own = try display.ownBuffers() { return try made(own, own.name) }
        } catch {
            refusals.append(PathRefusal(.output, "gbm", error.description))
        }
        return try made(.plainMemory, "readback")
    }

    private static func targets(
        _ display: GPUDisplay, _ buffers: [[DMABuf]], _ texels: PackedPlane, _ path: String
    ) throws(CamdError) -> [GPUTarget] {
        var targets: [GPUTarget] = []
        for slot in buffers {
            targets.append(
                path == "readback"
                    ? try GPUTarget(display, readingBack: texels)
                    : try GPUTarget(display, importing: slot[0], texels, isOwn: path == "gbm"))
        }
        return targets
    }

    /// Fills one slot of the pool from the frame that the source is bound to; returns bytes copied by the CPU's side of it: 0
    /// unless the picture had to be read back.
    func draw(_ slot: Int) throws(CamdError) -> Int {
        let target = targets[slot]
        glBindFramebuffer(GLenum(GL_FRAMEBUFFER), target.framebuffer)
        reads.bind()
        for pass in passes { pass.draw() }
        return target.needsReadBack ? try target.readBack(into: pool.buffers[slot][0]) : 0
    }

    /// Rows begin at multiples of 64 bytes, which is what GPUs that draw into linear memory ask for, unless the shape says
    /// otherwise. One that does not fit the picture is not followed.
    static func layout(
        _ kind: Kind, width: Int, height: Int, color: Colorimetry, shape: VideoShape = VideoShape()
    ) -> FrameLayout {
        func packed(_ width: Int, _ height: Int) -> FrameLayout {
            let stride = (width * 4 + 63) / 64 * 64
            let plane = PlaneLayout(buffer: 0, offset: 0, stride: stride, rowBytes: width * 4, rows: height)
            return FrameLayout(
                format: .rgba32, width: width, height: height, planes: [plane], bufferSizes: [stride * height],
                color: color)
        }
        // Two chroma planes side by side have to begin at texels, too.
        var stride = (width + 63) / 64 * 64
        if let wanted = shape.stride, wanted >= width, wanted % 4 == 0, kind == .nv12 { stride = wanted }
        let chromaRows = (height + 1) / 2
        let lumaRows = max(height, shape.lumaRows ?? height)
        let base = stride * lumaRows
        let luma = PlaneLayout(buffer: 0, offset: 0, stride: stride, rowBytes: width, rows: height)
        let size = stride * (lumaRows + (lumaRows + 1) / 2)
        switch kind {
        case .rgba: return packed(width, height)
        case .statistics(let columns, let rows): return packed(columns, rows)
        case .nv12:
            let chroma = PlaneLayout(
                buffer: 0, offset: base, stride: stride, rowBytes: (width + 1) / 2 * 2, rows: chromaRows)
            return FrameLayout(
                format: .nv12, width: width, height: height, planes: [luma, chroma], bufferSizes: [size], color: color)
        case .i420:
            let u = PlaneLayout(buffer: 0, offset: base, stride: stride, rowBytes: (width + 1) / 2, rows: chromaRows)
            var v = u
            v.offset += stride / 2
            return FrameLayout(
                format: .yuv420, width: width, height: height, planes: [luma, u, v], bufferSizes: [size], color: color)
        }
    }

    private static func passes(
        _ display: GPUDisplay, _ kind: Kind, _ input: GPUInput, _ view: PictureView, _ layout: FrameLayout
    ) throws(CamdError) -> [GPUPass] {
        var transform = ColorTransform.seeing(input.color, as: layout.color)
        if let saturation = input.look?.saturation { transform = transform.saturated(saturation) }
        func pass(
            _ output: ShaderText.Output, x: Int = 0, y: Int = 0, width: Int, height: Int
        ) throws(CamdError) -> GPUPass {
            try GPUPass(
                display, input, output, area: GPURectangle(x: x, y: y, width: width, height: height),
                transform: transform
            ) { program in
                if case .picture = input.source { view.setUniforms(program, of: input) }
            }
        }
        func texels(_ plane: PlaneLayout) -> Int { (plane.rowBytes + 3) / 4 }
        let first = layout.planes[0]
        switch kind {
        case .rgba: return [try pass(.pixels, width: layout.width, height: layout.height)]
        case .statistics(let columns, let rows):
            let inner = input.innerQuads
            let area = GPURectangle(width: columns, height: rows)
            // What the sensor gave, and no gain: exposure and white balance are found from it.
            let statistics = try GPUPass(
                display, input, .statistics, area: area, transform: ColorTransform(from: input.color, to: .sRGB),
                features: ShaderText.Features(isIdentity: false)
            ) { program in
                program.set("tile", Double(input.width) / Double(columns), Double(input.height) / Double(rows))
                let rows = input.innerRows
                program.set(
                    "inner",
                    [
                        Double(inner.lowerBound), Double(max(inner.lowerBound, inner.upperBound - 1)),
                        Double(rows.lowerBound), Double(max(rows.lowerBound, rows.upperBound - 1)),
                    ])
            }
            return [statistics]
        case .nv12:
            let chroma = layout.planes[1]
            return [
                try pass(.luma, width: texels(first), height: first.rows),
                try pass(.chromaPairs, y: chroma.offset / first.stride, width: texels(chroma), height: chroma.rows),
            ]
        case .i420:
            let chroma = layout.planes[1]
            return [
                try pass(.luma, width: texels(first), height: first.rows),
                try pass(.chromaU, y: chroma.offset / first.stride, width: texels(chroma), height: chroma.rows),
                try pass(
                    .chromaV, x: first.stride / 8, y: chroma.offset / first.stride, width: texels(chroma),
                    height: chroma.rows),
            ]
        }
    }
}
