import CEGL
import LinuxSystem

/// One kind of picture that the GPU makes of each frame it is asked for: its buffers, the framebuffers over them, and
/// the passes that fill one. Lives and ends on the GL thread; its pool may go anywhere.
final class GPUOutput {
    /// Pictures that camd makes today. Both lie in one buffer, their planes one above the other, so that one
    /// framebuffer holds all of a picture.
    enum Kind: Sendable {
        /// Y, then UV, for encoders.
        case nv12
        /// Y, then U and V side by side, for JPEG.
        case i420
    }

    let pool: FramePool
    /// `heap:system`, `udmabuf`, or `readback`.
    let path: String
    private let targets: [GPUTarget]
    private let passes: [Pass]

    private struct Pass {
        var program: GPUProgram
        var x: Int
        var y: Int
        var width: Int
        var height: Int
    }

    /// Allocates `slots` buffers from the first source that the GPU can draw into, compiles the passes.
    /// `refusals` gets each source that was not taken.
    init(
        _ display: GPUDisplay, _ kind: Kind, of source: FrameLayout, color: Colorimetry, slots: Int,
        sources: [BufferSource], stock: BufferStock, refusals: inout [PathRefusal]
    ) throws(CamdError) {
        let layout = Self.layout(kind, width: source.width, height: source.height, color: color)
        let texels = PackedPlane(
            width: layout.planes[0].stride / 4, height: layout.bufferSizes[0] / layout.planes[0].stride, offset: 0,
            stride: layout.planes[0].stride)
        guard max(texels.width, texels.height) <= display.largestEdge else {
            throw CamdError(
                .unavailable, subject: "GPU \(display.renderer)",
                reason: "a \(layout.sizeText) picture needs \(texels.width)x\(texels.height) texels, "
                    + "the most it can do is \(display.largestEdge) each way", remedy: "Choose a smaller --size.")
        }
        var made: (buffers: [[DMABuf]], targets: [GPUTarget], source: BufferSource, path: String)?
        for candidate in sources where candidate != .plainMemory && made == nil {
            do throws(CamdError) {
                let buffers = try stock.allocate(candidate, layout, count: slots)
                var targets: [GPUTarget] = []
                for slot in buffers { targets.append(try GPUTarget(display, importing: slot[0], texels)) }
                made = (buffers, targets, candidate, candidate.name)
            } catch {
                refusals.append(PathRefusal(.output, candidate.name, error.description))
            }
        }
        if made == nil {
            let buffers = try stock.allocate(.plainMemory, layout, count: slots)
            var targets: [GPUTarget] = []
            for _ in buffers { targets.append(try GPUTarget(display, readingBack: texels)) }
            made = (buffers, targets, .plainMemory, "readback")
        }
        guard let made else { preconditionFailure("an output has a path") }
        pool = FramePool(layout: layout, buffers: made.buffers, heir: FramePool.Heir(stock, made.source))
        targets = made.targets
        path = made.path
        passes = try Self.passes(display, kind, source, layout)
    }

    /// Fills one slot of the pool from the bound source textures; returns bytes copied by the CPU's side of it: 0
    /// unless the picture had to be read back.
    func draw(_ slot: Int) throws(CamdError) -> Int {
        let target = targets[slot]
        glBindFramebuffer(GLenum(GL_FRAMEBUFFER), target.framebuffer)
        for pass in passes { pass.program.draw(x: pass.x, y: pass.y, width: pass.width, height: pass.height) }
        return target.needsReadBack ? try target.readBack(into: pool.buffers[slot][0]) : 0
    }

    /// Rows begin at multiples of 64 bytes, which is what GPUs that draw into linear memory ask for.
    static func layout(_ kind: Kind, width: Int, height: Int, color: Colorimetry) -> FrameLayout {
        let stride = (width + 63) / 64 * 64
        let chromaRows = (height + 1) / 2
        let base = stride * height
        let luma = PlaneLayout(buffer: 0, offset: 0, stride: stride, rowBytes: width, rows: height)
        let size = stride * (height + chromaRows)
        switch kind {
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
        _ display: GPUDisplay, _ kind: Kind, _ source: FrameLayout, _ layout: FrameLayout
    ) throws(CamdError) -> [Pass] {
        let transform = ColorTransform(from: source.color, to: layout.color)
        let planes = source.planes.map(PackedPlane.init)
        func program(_ output: ShaderSource.Output) throws(CamdError) -> GPUProgram {
            try GPUProgram(display, source.format, output, transform, planes: planes)
        }
        func texels(_ plane: PlaneLayout) -> Int { (plane.rowBytes + 3) / 4 }
        let luma = layout.planes[0]
        var passes = [Pass(program: try program(.luma), x: 0, y: 0, width: texels(luma), height: luma.rows)]
        let chroma = layout.planes[1]
        switch kind {
        case .nv12:
            passes.append(
                Pass(program: try program(.chromaPairs), x: 0, y: luma.rows, width: texels(chroma), height: chroma.rows)
            )
        case .i420:
            passes.append(
                Pass(program: try program(.chromaU), x: 0, y: luma.rows, width: texels(chroma), height: chroma.rows))
            passes.append(
                Pass(
                    program: try program(.chromaV), x: luma.stride / 8, y: luma.rows, width: texels(chroma),
                    height: chroma.rows))
        }
        return passes
    }
}
