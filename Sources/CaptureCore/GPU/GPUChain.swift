import CEGL
import LinuxSystem

/// What all outputs of a frame have in common: the cells conditioned, where they need it; the whole picture made once, where
/// something is to be done with it that the fast passes cannot do. Lives and ends on the GL thread.
final class GPUChain {
    /// What outputs at full size read.
    let input: GPUInput
    /// What statistics are made of: the same, but before a sensor's cells became colours.
    let measured: GPUInput
    /// What outputs read that cut, turn or scale, from the full size down in halves; empty where there are none.
    let pictures: [GPUInput]
    private let steps: [Step]

    /// A pass into a canvas.
    struct Step {
        var reads: GPUInput
        var pass: GPUPass
        var canvas: GPUCanvas
        /// What gives `reads` its first texture, which differs from frame to frame.
        var follows: GPUInput?

        func draw() {
            if let follows { reads.textures[0] = follows.textures[0] }
            canvas.bindAsTarget()
            reads.bind()
            pass.draw()
        }
    }

    /// `needsPicture`: some output cuts, turns or scales. `smallest`: the smallest part of the full size that one has.
    init(_ display: GPUDisplay, _ source: GPUInput, needsPicture: Bool, smallest: Double) throws(CamdError) {
        var steps: [Step] = []
        var input = source
        if let conditioned = try Self.conditioner(display, source) {
            steps.append(conditioned.step)
            input = conditioned.input
        }
        measured = input
        var pictures: [GPUInput] = []
        let still = try Self.still(display, input, isSmooth: needsPicture)
        if let still {
            steps += still.steps
            input = still.input
        }
        if needsPicture {
            if let smooth = still?.smooth {
                pictures.append(smooth)
            } else {
                let whole = try Self.picture(display, input)
                steps.append(whole.step)
                pictures.append(whole.input)
            }
            // Four samples make a good picture of half the size; a smaller one is made of that.
            var scale = 0.5
            while scale >= smallest * 0.999, let last = pictures.last, min(last.width, last.height) >= 4 {
                let half = try Self.half(display, last)
                steps.append(half.step)
                pictures.append(half.input)
                scale /= 2
            }
        }
        self.input = input
        self.pictures = pictures
        self.steps = steps
    }

    /// Makes what the frame that the source is bound to needs.
    func draw() {
        for step in steps { step.draw() }
    }

    static let same = ColorTransform(from: .sRGB, to: .sRGB)

    /// Cells with the defective ones replaced, and with MIPI's packing undone, which the debayer would otherwise do many
    /// times over.
    private static func conditioner(
        _ display: GPUDisplay, _ source: GPUInput
    ) throws(CamdError) -> (input: GPUInput, step: Step)? {
        guard case .frame(.bayer(let order, let depth), _) = source.source, let look = source.look else { return nil }
        let isPacked = [.mipi10, .mipi12, .mipi14].contains(depth)
        guard isPacked || look.defectThreshold != nil else { return nil }
        let isBytes = depth == .bytes
        let texels = isBytes ? (source.width + 3) / 4 : (source.width + 1) / 2
        let canvas = try GPUCanvas(display, width: texels, height: source.height, isSmooth: false)
        var features = ShaderText.Features(isIdentity: true)
        features.replacesDefects = look.defectThreshold != nil
        let pass = try GPUPass(
            display, source, isBytes ? .cellBytes : .cellWords,
            area: GPURectangle(width: texels, height: source.height),
            transform: same, features: features
        ) { $0.set("defect", look.defectThreshold ?? 1) }
        let input = GPUInput(
            display, .frame(.bayer(order, isBytes ? .bytes : .words(bits: 16)), bytePlanes: [false]),
            width: source.width, height: source.height, color: source.color, look: look,
            planes: [PackedPlane(width: texels, height: source.height, offset: 0, stride: texels * 4)],
            textures: [canvas.texture])
        return (input, Step(reads: source, pass: pass, canvas: canvas))
    }

    /// All pixels in a texture, the components as the source has them.
    private static func picture(
        _ display: GPUDisplay, _ source: GPUInput
    ) throws(CamdError) -> (input: GPUInput, step: Step) {
        let canvas = try GPUCanvas(display, width: source.width, height: source.height, isSmooth: true)
        let pass = try GPUPass(
            display, source, .pixels, area: GPURectangle(width: source.width, height: source.height),
            transform: same.saturated(source.look?.saturation ?? 1))
        return (
            pictureInput(display, canvas, source.color, isSmooth: true, isRGB: source.source.isRGB),
            Step(reads: source, pass: pass, canvas: canvas)
        )
    }

    private static func half(
        _ display: GPUDisplay, _ source: GPUInput
    ) throws(CamdError) -> (input: GPUInput, step: Step) {
        let (width, height) = ((source.width + 1) / 2, (source.height + 1) / 2)
        let canvas = try GPUCanvas(display, width: width, height: height, isSmooth: true)
        let view = PictureView(width: width, height: height)
        let pass = try GPUPass(
            display, source, .pixels, area: GPURectangle(width: width, height: height), transform: same
        ) { view.setUniforms($0, of: source) }
        return (
            pictureInput(display, canvas, source.color, isSmooth: true, isRGB: source.source.isRGB),
            Step(reads: source, pass: pass, canvas: canvas)
        )
    }

    static func pictureInput(
        _ display: GPUDisplay, _ canvas: GPUCanvas, _ color: Colorimetry, isSmooth: Bool, isRGB: Bool
    ) -> GPUInput {
        GPUInput(
            display, .picture(smooth: isSmooth, isRGB: isRGB), width: canvas.width, height: canvas.height, color: color,
            look: nil,
            planes: [PackedPlane(width: canvas.width, height: canvas.height, offset: 0, stride: canvas.width * 4)],
            textures: [canvas.texture])
    }
}
