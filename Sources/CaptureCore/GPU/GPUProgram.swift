import CEGL
import LinuxSystem

/// A compiled and linked pair of shaders, with where its inputs are. Lives and ends on the GL thread.
final class GPUProgram {
    private let name: GLuint
    // Kept so that the context outlives what was made in it.
    private let display: GPUDisplay
    private let origin: GLint

    /// Compiles (glCompileShader, glLinkProgram) and sets the inputs that never change.
    /// `planes`: the source's planes in texels.
    init(
        _ display: GPUDisplay, _ format: PixelFormat, _ output: ShaderSource.Output, _ transform: ColorTransform,
        planes: [PackedPlane]
    ) throws(CamdError) {
        guard let text = ShaderSource.fragment(format, output, isIdentity: transform.isIdentity) else {
            throw CamdError(.unavailable, subject: "GPU", reason: "camd has no shader that reads \(format)")
        }
        let vertex = try Self.compile(GLenum(GL_VERTEX_SHADER), ShaderSource.vertex)
        defer { glDeleteShader(vertex) }
        let fragment = try Self.compile(GLenum(GL_FRAGMENT_SHADER), text)
        defer { glDeleteShader(fragment) }
        self.display = display
        name = glCreateProgram()
        glAttachShader(name, vertex)
        glAttachShader(name, fragment)
        glBindAttribLocation(name, 0, "corner")
        glLinkProgram(name)
        var linked: GLint = 0
        glGetProgramiv(name, GLenum(GL_LINK_STATUS), &linked)
        origin = glGetUniformLocation(name, "origin")
        guard linked == GL_TRUE else {
            throw CamdError(
                .unavailable, subject: "GPU", call: "glLinkProgram",
                reason: "the driver does not link the shader of \(format) to \(output.rawValue)")
        }
        glUseProgram(name)
        for (index, plane) in planes.enumerated() {
            glUniform1i(glGetUniformLocation(name, "plane\(index)"), GLint(index))
            glUniform2f(
                glGetUniformLocation(name, "inverse\(index)"), 1 / GLfloat(plane.width), 1 / GLfloat(plane.height))
        }
        glUniform2f(glGetUniformLocation(name, "size0"), GLfloat(planes[0].width), GLfloat(planes[0].height))
        glUniformMatrix3fv(glGetUniformLocation(name, "matrix"), 1, GLboolean(GL_FALSE), transform.columns)
        glUniform3fv(glGetUniformLocation(name, "offset"), 1, transform.offsets)
    }

    deinit { glDeleteProgram(name) }

    /// Draws the rectangle of the bound framebuffer, in texels; the source's textures are bound.
    func draw(x: Int, y: Int, width: Int, height: Int) {
        glUseProgram(name)
        glUniform2f(origin, GLfloat(x), GLfloat(y))
        glViewport(GLint(x), GLint(y), GLsizei(width), GLsizei(height))
        glDrawArrays(GLenum(GL_TRIANGLES), 0, 3)
    }

    private static func compile(_ type: GLenum, _ text: String) throws(CamdError) -> GLuint {
        let shader = glCreateShader(type)
        text.withCString { pointer in
            var pointer: UnsafePointer<CChar>? = pointer
            glShaderSource(shader, 1, &pointer, nil)
        }
        glCompileShader(shader)
        var compiled: GLint = 0
        glGetShaderiv(shader, GLenum(GL_COMPILE_STATUS), &compiled)
        if compiled == GL_TRUE { return shader }
        var log = [CChar](repeating: 0, count: 1024)
        glGetShaderInfoLog(shader, GLsizei(log.count), nil, &log)
        glDeleteShader(shader)
        let words = String(decoding: log.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        throw CamdError(.unavailable, subject: "GPU", call: "glCompileShader", reason: words)
    }
}
