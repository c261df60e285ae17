import CEGL
import LinuxSystem

/// One output's drawing from one input: the fast text where it holds, the one that looks at edges beside it. Lives and ends on
/// the GL thread.
final class GPUPass {
    private struct Draw {
        var program: GPUProgram
        var rectangle: GPURectangle
    }

    private let draws: [Draw]
    private let x: Int
    private let y: Int

    /// `area`: where in the framebuffer the output's plane lies, in texels. `features`: what is compiled in besides the
    /// change of colours by `transform`. `more` sets inputs of this output's own.
    init(
        _ display: GPUDisplay, _ input: GPUInput, _ output: ShaderText.Output, area: GPURectangle,
        transform: ColorTransform, features: ShaderText.Features? = nil, more: (GPUProgram) -> Void = { _ in }
    ) throws(CamdError) {
        var features = features ?? input.features
        features.isIdentity = transform.isIdentity
        (x, y) = (area.x, area.y)
        let inner = Self.inner(input, output, area.width)
        var draws: [Draw] = []
        for (place, columns) in [
            (ShaderText.Place.edge, 0..<inner.lowerBound), (.inside, inner), (.edge, inner.upperBound..<area.width),
        ] where !columns.isEmpty {
            let text = ShaderText.fragment(input.source, output, place, features)
            let program: GPUProgram
            if place == .edge, let same = draws.first(where: { $0.rectangle.x == area.x }), inner.lowerBound > 0 {
                program = same.program
            } else {
                program = try GPUProgram(display, text, what: "\(input.source) to \(output.rawValue)")
                input.setUniforms(program)
                program.set("matrix", columns: transform.rows)
                program.set("offset", transform.offset)
                more(program)
            }
            draws.append(
                Draw(
                    program: program,
                    rectangle: GPURectangle(
                        x: area.x + columns.lowerBound, y: area.y, width: columns.count, height: area.height)))
        }
        self.draws = draws
    }

    /// Draws into the bound framebuffer from the bound textures.
    func draw() { for draw in draws { draw.program.draw(draw.rectangle, from: (x, y)) } }

    /// The texels of a row that the fast text may draw.
    private static func inner(_ input: GPUInput, _ output: ShaderText.Output, _ texels: Int) -> Range<Int> {
        let quads = input.innerQuads
        let range: Range<Int>
        switch output {
        case .luma, .chromaPairs, .cellBytes: range = quads
        case .cellWords: range = 2 * quads.lowerBound..<2 * quads.upperBound
        case .pixels: range = 4 * quads.lowerBound..<4 * quads.upperBound
        // A texel is of two quads.
        case .chromaU, .chromaV:
            let low = (quads.lowerBound + 1) / 2
            range = low..<max(low, quads.upperBound / 2)
        // It keeps to the inside by itself.
        case .statistics: return 0..<texels
        }
        let low = min(range.lowerBound, texels)
        return low..<max(low, min(range.upperBound, texels))
    }
}
