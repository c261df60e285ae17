import CEGL

/// What a pass reads: textures, how a shader makes pixels of them, and what the pixels mean. Lives and ends on the GL thread.
final class GPUInput {
    let source: ShaderText.Source
    /// Pixels.
    let width: Int
    let height: Int
    let color: Colorimetry
    /// What is to be done to a sensor's numbers; nil where that has been done, or there is nothing to do.
    let look: Look?
    /// The planes, in texels as the shader fetches them.
    let planes: [PackedPlane]
    /// The texture of each plane; set anew for each frame where buffers change.
    var textures: [GLuint]
    private let shading: GPUShading?

    init(
        _ display: GPUDisplay, _ source: ShaderText.Source, width: Int, height: Int, color: Colorimetry, look: Look?,
        planes: [PackedPlane], textures: [GLuint] = []
    ) {
        self.source = source
        self.width = width
        self.height = height
        self.color = look?.changing(color) ?? color
        self.look = look
        self.planes = planes
        self.textures = textures
        shading = look?.shading.map { GPUShading(display, $0) }
    }

    /// The texture unit of the lens's gains, behind those of the planes.
    static let shadingUnit = 3

    /// Binds the textures to the units that the shaders read.
    func bind() {
        for (unit, texture) in textures.enumerated() { Self.bind(texture, unit) }
        if let shading { Self.bind(shading.texture, Self.shadingUnit) }
        glActiveTexture(GLenum(GL_TEXTURE0))
    }

    private static func bind(_ texture: GLuint, _ unit: Int) {
        glActiveTexture(GLenum(GL_TEXTURE0 + Int32(unit)))
        glBindTexture(GLenum(GL_TEXTURE_2D), texture)
    }

    /// The quads (four pixels of a row) that the fast text may draw: with all that it reads inside of the frame.
    var innerQuads: Range<Int> {
        switch source {
        case .picture, .differences: return 0..<(width + 3) / 4
        case .frame(let reading, _):
            guard reading.isBayer else { return 0..<width / 4 }
            // Two cells beyond each side of the quad.
            let end = (width - 6) / 4 + 1
            return width >= 10 && end > 1 ? 1..<end : 0..<0
        }
    }

    /// The same of rows.
    var innerRows: Range<Int> {
        guard case .frame(let reading, _) = source, reading.isBayer else { return 0..<height }
        return height > 4 ? 2..<height - 2 : 0..<0
    }

    var features: ShaderText.Features {
        guard let look else { return ShaderText.Features(isIdentity: false) }
        return ShaderText.Features(look, isIdentity: false)
    }

    /// The inputs that never change, of a program that reads this.
    func setUniforms(_ program: GPUProgram) {
        for (index, plane) in planes.enumerated() {
            program.set("plane\(index)", unit: index)
            program.set("inverse\(index)", 1 / Double(plane.width), 1 / Double(plane.height))
        }
        program.set("last", Double(width - 1), Double(height - 1))
        guard let look else { return }
        let range = max(1e-6, look.white - look.black)
        let gains = look.balance / range
        let lifts = gains * -look.black
        // The gains of a row with red cells, and of one with blue ones, by column; the pattern has a period of two.
        if case .frame(.bayer(let order, _), _) = source {
            func row(_ values: SIMD3<Double>, _ colour: Int, isRed: Bool) -> [Double] {
                let own = values[colour]
                let green = values[1]
                let isFirst = (order.redColumn == 0) == isRed
                return isFirst ? [own, green, own, green] : [green, own, green, own]
            }
            program.set("gain_red", row(gains, 0, isRed: true))
            program.set("gain_blue", row(gains, 2, isRed: false))
            program.set("lift_red", row(lifts, 0, isRed: true))
            program.set("lift_blue", row(lifts, 2, isRed: false))
        }
        program.set("camera", columns: look.matrix)
        let curve = look.curveCoefficients()
        program.set("curve", array: curve.terms)
        program.set("toe", curve.slope)
        program.set("detail", look.sharpening, look.noise)
        guard let grid = look.shading else { return }
        program.set("shading", unit: Self.shadingUnit)
        program.set("shading_size", Double(grid.columns), Double(grid.rows))
        program.set(
            "shading_scale", Double(grid.columns - 1) / Double(max(1, width - 1)),
            Double(grid.rows - 1) / Double(max(1, height - 1)))
    }
}

/// The lens's gains as a texture: red, green and blue side by side, each number in two bytes, in steps of 1/4096.
private final class GPUShading {
    let texture: GLuint
    // Kept so that the context outlives what was made in it.
    private let display: GPUDisplay

    init(_ display: GPUDisplay, _ shading: Look.Shading) {
        self.display = display
        var bytes: [UInt8] = []
        for row in 0..<shading.rows {
            for channel in 0..<3 {
                for column in 0..<shading.columns {
                    let gain = shading.gains[row * shading.columns + column][channel]
                    let number = UInt16(min(65535, max(0, (gain * 4096).rounded())))
                    bytes += [UInt8(number & 0xff), UInt8(number >> 8), 0, 255]
                }
            }
        }
        var name: GLuint = 0
        glGenTextures(1, &name)
        glBindTexture(GLenum(GL_TEXTURE_2D), name)
        glTexImage2D(
            GLenum(GL_TEXTURE_2D), 0, GL_RGBA, GLsizei(shading.columns * 3), GLsizei(shading.rows), 0, GLenum(GL_RGBA),
            GLenum(GL_UNSIGNED_BYTE), bytes)
        GPUTexture.setSampling()
        texture = name
    }

    deinit {
        var name = texture
        glDeleteTextures(1, &name)
    }
}
