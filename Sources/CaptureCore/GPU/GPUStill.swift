import CEGL
import LinuxSystem

/// The debayer for stills: a chain's steps from a sensor's cells to a picture. What each pass does is told in `StillText`.
extension GPUChain {
    struct Still {
        var steps: [Step]
        /// The picture as outputs of its own size read it.
        var input: GPUInput
        /// The same as others read it, where they do.
        var smooth: GPUInput?
    }

    /// nil where that is not wanted or where there are no cells. `source`: bytes or words of cells. `isSmooth`: the picture is
    /// read between its pixels, too.
    static func still(_ display: GPUDisplay, _ source: GPUInput, isSmooth: Bool) throws(CamdError) -> Still? {
        guard case .frame(.bayer(let order, let depth), let bytePlanes) = source.source, let look = source.look,
            look.quality == .still
        else { return nil }
        try checkPrecision(display)
        let (width, height) = (source.width, source.height)
        let cells = (width: (width + 1) / 2, height: height)

        // Two canvases in turns: large pictures take much memory.
        let canvases = (
            try GPUCanvas(display, width: cells.width, height: cells.height, isSmooth: false),
            try GPUCanvas(display, width: cells.width, height: cells.height, isSmooth: false)
        )
        func step(
            _ output: ShaderText.Output, _ reads: GPUInput, _ features: ShaderText.Features, into canvas: GPUCanvas
        ) throws(CamdError) -> Step {
            let pass = try GPUPass(
                display, reads, output, area: GPURectangle(width: cells.width, height: cells.height), transform: same,
                features: features)
            return Step(reads: reads, pass: pass, canvas: canvas)
        }
        func differences(_ canvas: GPUCanvas) -> GPUInput {
            GPUInput(
                display, .differences(order), width: width, height: height, color: source.color, look: nil,
                planes: [plane(canvas)], textures: [canvas.texture])
        }

        var balance = ShaderText.Features(isIdentity: true)
        balance.balances = source.features.balances
        let plain = ShaderText.Features(isIdentity: true)
        var steps = [
            try step(.stillDifferences, source, balance, into: canvases.0),
            try step(.stillChoice, differences(canvases.0), plain, into: canvases.1),
            try step(.stillRefined, differences(canvases.1), plain, into: canvases.0),
        ]

        var features = source.features
        features.treatsDetail = false
        let saturated = same.saturated(look.saturation)
        let treatsDetail = source.features.treatsDetail
        let whole = GPURectangle(width: width, height: height)
        let cellsAndDifferences = GPUInput(
            display, .frame(.bayer(order, depth), bytePlanes: bytePlanes + [false]), width: width, height: height,
            color: source.color, look: look, planes: source.planes + [plane(canvases.0)],
            textures: [0, canvases.0.texture])
        let pixels = Step(
            reads: cellsAndDifferences,
            pass: try GPUPass(
                display, cellsAndDifferences, .stillPixels, area: whole, transform: treatsDetail ? same : saturated,
                features: features),
            canvas: try GPUCanvas(display, width: width, height: height, isSmooth: isSmooth && !treatsDetail),
            follows: source)
        steps.append(pixels)
        if treatsDetail {
            let reads = pictureInput(display, pixels.canvas, source.color, isSmooth: false, isRGB: true)
            let pass = try GPUPass(
                display, reads, .stillDetail, area: whole, transform: saturated, features: source.features
            ) { $0.set("detail", look.sharpening, look.noise) }
            let canvas = try GPUCanvas(display, width: width, height: height, isSmooth: isSmooth)
            steps.append(Step(reads: reads, pass: pass, canvas: canvas))
        }
        let canvas = steps[steps.count - 1].canvas
        return Still(
            steps: steps, input: pictureInput(display, canvas, source.color, isSmooth: false, isRGB: true),
            smooth: isSmooth ? pictureInput(display, canvas, source.color, isSmooth: true, isRGB: true) : nil)
    }

    private static func plane(_ canvas: GPUCanvas) -> PackedPlane {
        PackedPlane(width: canvas.width, height: canvas.height, offset: 0, stride: canvas.width * 4)
    }

    /// The differences are numbers of 16 bits: a GPU that has but ten in fragment shaders, as some old ones do, garbles them.
    static func checkPrecision(_ display: GPUDisplay) throws(CamdError) {
        var range: (GLint, GLint) = (0, 0)
        var bits: GLint = 0
        withUnsafeMutableBytes(of: &range) {
            glGetShaderPrecisionFormat(
                GLenum(GL_FRAGMENT_SHADER), GLenum(GL_HIGH_FLOAT), $0.baseAddress?.assumingMemoryBound(to: GLint.self),
                &bits)
        }
        guard bits < 16 else { return }
        throw CamdError(
            .unavailable, subject: "GPU \(display.renderer)", call: "glGetShaderPrecisionFormat",
            reason: "its fragment shaders have no highp, which the debayer for stills needs",
            remedy: "Choose the quality video.")
    }
}
