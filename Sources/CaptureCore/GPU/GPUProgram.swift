import CEGL
import LinuxSystem

/// A compiled and linked pair of shaders, with where its inputs are. Lives and ends on the GL thread.
final class GPUProgram {
    private let name: GLuint
    // Kept so that the context outlives what was made in it.
    private let display: GPUDisplay
    private let origin: GLint

    /// Compiles and links (glCompileShader, glLinkProgram), and makes it the current program, so that inputs can be set.
    /// `what`: for messages.
    init(_ display: GPUDisplay, _ text: String, what: String) throws(CamdError) {
        let vertex = try Self.compile(GLenum(GL_VERTEX_SHADER), ShaderText.vertex(isES3: display.isES3), what)
        defer { glDeleteShader(vertex) }
        let fragment = try Self.compile(GLenum(GL_FRAGMENT_SHADER), text, what)
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
                .unavailable, subject: "GPU \(display.renderer)", call: "glLinkProgram",
                reason: "the driver does not link camd's shader of \(what)")
        }
        glUseProgram(name)
    }

    deinit { glDeleteProgram(name) }

    /// Draws the rectangle of the bound framebuffer, in texels; the text's coordinates begin at `from`. The textures are
    /// bound.
    func draw(_ rectangle: GPURectangle, from: (x: Int, y: Int)) {
        glUseProgram(name)
        glUniform2f(origin, GLfloat(from.x), GLfloat(from.y))
        glViewport(
            GLint(rectangle.x), GLint(rectangle.y), GLsizei(rectangle.width), GLsizei(rectangle.height))
        glDrawArrays(GLenum(GL_TRIANGLES), 0, 3)
    }

    // MARK: Inputs; those that the compiler left out are passed over.

    func set(_ input: String, unit: Int) { glUniform1i(glGetUniformLocation(name, input), GLint(unit)) }

    func set(_ input: String, _ value: Double) { glUniform1f(glGetUniformLocation(name, input), GLfloat(value)) }

    func set(_ input: String, _ x: Double, _ y: Double) {
        glUniform2f(glGetUniformLocation(name, input), GLfloat(x), GLfloat(y))
    }

    /// Two, three or four numbers.
    func set(_ input: String, _ values: [Double]) {
        let numbers = values.map { GLfloat($0) }
        let place = glGetUniformLocation(name, input)
        switch numbers.count {
        case 2: glUniform2fv(place, 1, numbers)
        case 3: glUniform3fv(place, 1, numbers)
        case 4: glUniform4fv(place, 1, numbers)
        default: preconditionFailure("a shader's vector has two to four numbers")
        }
    }

    func set(_ input: String, array values: [Double]) {
        glUniform1fv(glGetUniformLocation(name, input), GLsizei(values.count), values.map { GLfloat($0) })
    }

    /// A matrix of three rows.
    func set(_ input: String, columns rows: [SIMD3<Double>]) {
        let numbers = (0..<9).map { GLfloat(rows[$0 % 3][$0 / 3]) }
        glUniformMatrix3fv(glGetUniformLocation(name, input), 1, GLboolean(GL_FALSE), numbers)
    }

    private static func compile(_ type: GLenum, _ text: String, _ what: String) throws(CamdError) -> GLuint {
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
        throw CamdError(
            .unavailable, subject: "GPU", call: "glCompileShader",
            reason: "the driver does not compile camd's shader of \(what): \(words)")
    }
}

/// A rectangle of a framebuffer, in texels.
struct GPURectangle: Hashable, Sendable {
    var x = 0
    var y = 0
    var width: Int
    var height: Int
}
