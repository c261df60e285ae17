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
        features.light = transform.light
        features.isES3 = display.isES3
        (x, y) = (area.x, area.y)
        let columns = Self.innerColumns(input, output, area.width)
        let rows = Self.innerRows(input, output, area.height)
        func program(_ place: ShaderText.Place) throws(CamdError) -> GPUProgram {
            let text = ShaderText.fragment(input.source, output, place, features)
            let program = try GPUProgram(display, text, what: "\(input.source) to \(output.rawValue)")
            input.setUniforms(program)
            program.set("matrix", columns: transform.rows)
            program.set("offset", transform.offset)
            if let light = transform.light {
                program.set("gamut", columns: ColorTransform.rows(light.gamut))
                program.set("coding", columns: ColorTransform.rows(light.coding))
                program.set("coding_offset", light.codingOffset)
            }
            more(program)
            return program
        }
        var draws: [Draw] = []
        if !columns.isEmpty, !rows.isEmpty {
            draws.append(Draw(program: try program(.inside), rectangle: Self.rectangle(area, columns, rows)))
        }
        let edges = [
            (0..<area.width, 0..<rows.lowerBound), (0..<area.width, rows.upperBound..<area.height),
            (0..<columns.lowerBound, rows), (columns.upperBound..<area.width, rows),
        ].filter { !$0.0.isEmpty && !$0.1.isEmpty }
        if !edges.isEmpty {
            let program = try program(.edge)
            for (columns, rows) in edges {
                draws.append(Draw(program: program, rectangle: Self.rectangle(area, columns, rows)))
            }
        }
        self.draws = draws
    }

    private static func rectangle(_ area: GPURectangle, _ columns: Range<Int>, _ rows: Range<Int>) -> GPURectangle {
        GPURectangle(
            x: area.x + columns.lowerBound, y: area.y + rows.lowerBound, width: columns.count, height: rows.count)
    }

    /// Draws into the bound framebuffer from the bound textures.
    func draw() { for draw in draws { draw.program.draw(draw.rectangle, from: (x, y)) } }

    /// The rows of the output that the fast text may draw.
    private static func innerRows(_ input: GPUInput, _ output: ShaderText.Output, _ texels: Int) -> Range<Int> {
        let rows = input.innerRows
        let range: Range<Int>
        switch output {
        case .luma, .pixels, .cellBytes, .cellWords: range = rows
        // Two rows of the frame are one of chroma.
        case .chromaPairs, .chromaU, .chromaV:
            if case .picture = input.source { return 0..<texels }
            let low = (rows.lowerBound + 1) / 2
            range = low..<max(low, rows.upperBound / 2)
        // They keep to the inside by themselves.
        case .statistics, .stillDifferences, .stillChoice, .stillRefined, .stillPixels, .stillDetail: return 0..<texels
        }
        let low = min(range.lowerBound, texels)
        return low..<max(low, min(range.upperBound, texels))
    }

    /// The texels of a row that the fast text may draw.
    private static func innerColumns(_ input: GPUInput, _ output: ShaderText.Output, _ texels: Int) -> Range<Int> {
        let quads = input.innerQuads
        let range: Range<Int>
        switch output {
        case .luma, .chromaPairs, .cellBytes: range = quads
        case .cellWords, .stillDifferences: range = 2 * quads.lowerBound..<2 * quads.upperBound
        case .pixels: range = 4 * quads.lowerBound..<4 * quads.upperBound
        // A texel is of two quads.
        case .chromaU, .chromaV:
            let low = (quads.lowerBound + 1) / 2
            range = low..<max(low, quads.upperBound / 2)
        // They keep to the inside by themselves.
        case .statistics, .stillChoice, .stillRefined, .stillPixels, .stillDetail: return 0..<texels
        }
        let low = min(range.lowerBound, texels)
        return low..<max(low, min(range.upperBound, texels))
    }
}
