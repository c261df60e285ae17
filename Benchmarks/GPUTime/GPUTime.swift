import CEGL
import CaptureCore
import Glibc
import LinuxSystem

/// The time that the GPU takes for a frame, by format, beside a plain debayer: Malvar, He and Cutler's filters in one pass over
/// single bytes, one pixel at a time, written as RGBA. Medians of the same number of frames, in turns, in one run. Every format
/// that camd reads is measured in several rounds, of which the quietest counts.
///
///     Tests/Lab/run -- .build/release/gpu-time [WxH]            the lab's software GPU, frames in a heap
///     .build/release/gpu-time [WxH] memory                      frames in textures of the GPU's own, on any machine
@main
struct GPUTime {
    static let runs = 15

    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        let size = (arguments.first ?? "1920x1080").split(separator: "x").compactMap { Int($0) }
        guard size.count == 2 else { throw CamdError(.usage, subject: "size", reason: "it is WIDTHxHEIGHT") }
        let memory: BufferSource = arguments.contains("memory") ? .plainMemory : .heap(Heap(name: "system"))
        let version = arguments.contains("es3") ? 3 : 2
        let developer = try Developer(version: version, memory: memory)
        let (width, height) = (size[0], size[1])
        print(
            "# \(developer.renderer), \(width)x\(height), \(memory.name), ms; Bayer: median of \(runs); formats: least of \(rounds) medians of \(framesOfRound)"
        )
        let baseline = try PlainDebayer(width: width, height: height, memory: memory)
        let target = PictureKind.nv12(Colorimetry.sRGB.asVideo)
        var table = FormatTable()
        for _ in 0..<rounds {
            for format in VideoNode.preferredFormats {
                let layout = try FrameLayout.bare(format, width: width, height: height)
                let stage = try developer.prepare(layout, look: .neutral, kind: target)
                table.add(format, try median(framesOfRound) { try stage.draw() })
            }
        }
        var rows: [(String, Double)] = []
        for (name, look) in looks {
            guard let layout = FrameLayout(.srggb8, width: width, height: height, color: .sRGB) else { continue }
            let stage = try developer.prepare(layout, look: look, kind: target)
            var plain: [Double] = []
            var ours: [Double] = []
            var (plainCPU, ourCPU) = (0.0, 0.0)
            for _ in 0..<runs {
                let before = cpuMilliseconds()
                plain.append(try time { baseline.draw() })
                let between = cpuMilliseconds()
                ours.append(try time { try stage.draw() })
                plainCPU += between - before
                ourCPU += cpuMilliseconds() - between
            }
            let (a, b) = (plain.sorted()[runs / 2], ours.sorted()[runs / 2])
            rows.append(("RGGB, \(name)", b))
            print(
                "RGGB \(name): \(fixed(b)), plain debayer to RGBA: \(fixed(a)), ratio \(fixed(b / a)); of CPU time "
                    + "\(fixed(ourCPU / plainCPU))")
        }
        print("| Bayer to NV12 | ms |\n|---|---|")
        for (from, time) in rows { print("| \(from) | \(fixed(time)) |") }
        print("\n\(table.text(fixed))")
    }

    /// How often each format is measured, and by how many frames each time.
    static let rounds = 4
    static let framesOfRound = 7

    static let looks: [(String, Look)] = [
        ("video", .neutral), ("video, all on", allOn(.video)), ("still", Look(quality: .still)),
        ("still, all on", allOn(.still)),
    ]

    static func allOn(_ quality: Look.Quality) -> Look {
        Look(
            quality: quality, black: 0.06, balance: [1.9, 1, 1.6],
            matrix: [[1.6, -0.4, -0.2], [-0.3, 1.5, -0.2], [0, -0.5, 1.5]], curve: .sRGB, saturation: 1.1,
            sharpening: 0.5, noise: 0.01)
    }

    static func time(_ body: () throws -> Void) throws -> Double {
        let began = Clock.monotonicNanoseconds()
        try body()
        return Double(Clock.monotonicNanoseconds() - began) / 1e6
    }

    /// What all threads of this process have used.
    static func cpuMilliseconds() -> Double {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3
    }

    static func median(_ count: Int, _ body: () throws -> Void) throws -> Double {
        var times: [Double] = []
        for _ in 0..<count { times.append(try time(body)) }
        return times.sorted()[count / 2]
    }

    static func fixed(_ value: Double) -> String {
        let number = Int((value * 100).rounded())
        return "\(number / 100).\(number % 100 < 10 ? "0" : "")\(number % 100)"
    }
}

/// What one finds on the web: the filters of 2004 as a fragment shader of one pixel.
final class PlainDebayer {
    private let framebuffer: GLuint
    private let texture: GLuint
    private let program: GLuint
    private let width: Int
    private let height: Int

    init(width: Int, height: Int, memory: BufferSource) throws {
        self.width = width
        self.height = height
        func makeTexture(_ format: Int32) -> GLuint {
            var name: GLuint = 0
            glGenTextures(1, &name)
            glBindTexture(GLenum(GL_TEXTURE_2D), name)
            glTexImage2D(
                GLenum(GL_TEXTURE_2D), 0, format, GLsizei(width), GLsizei(height), 0, GLenum(format),
                GLenum(GL_UNSIGNED_BYTE), nil)
            for (key, value) in [
                (GL_TEXTURE_MIN_FILTER, GL_NEAREST), (GL_TEXTURE_MAG_FILTER, GL_NEAREST),
                (GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE), (GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE),
            ] { glTexParameteri(GLenum(GL_TEXTURE_2D), GLenum(key), value) }
            return name
        }
        texture = makeTexture(GL_LUMINANCE)
        let target = makeTexture(GL_RGBA)
        var name: GLuint = 0
        glGenFramebuffers(1, &name)
        framebuffer = name
        glBindFramebuffer(GLenum(GL_FRAMEBUFFER), name)
        glFramebufferTexture2D(
            GLenum(GL_FRAMEBUFFER), GLenum(GL_COLOR_ATTACHMENT0), GLenum(GL_TEXTURE_2D), target, 0)
        program = glCreateProgram()
        for (kind, text) in [(GL_VERTEX_SHADER, Self.vertex), (GL_FRAGMENT_SHADER, Self.fragment)] {
            let shader = glCreateShader(GLenum(kind))
            text.withCString { pointer in
                var pointer: UnsafePointer<CChar>? = pointer
                glShaderSource(shader, 1, &pointer, nil)
            }
            glCompileShader(shader)
            glAttachShader(program, shader)
        }
        glBindAttribLocation(program, 0, "corner")
        glLinkProgram(program)
        var linked: GLint = 0
        glGetProgramiv(program, GLenum(GL_LINK_STATUS), &linked)
        guard linked == GL_TRUE else {
            throw CamdError(.software, subject: "plain debayer", reason: "it does not link")
        }
        glUseProgram(program)
        glUniform2f(glGetUniformLocation(program, "size"), GLfloat(width), GLfloat(height))
    }

    func draw() {
        glUseProgram(program)
        glActiveTexture(GLenum(GL_TEXTURE0))
        glBindTexture(GLenum(GL_TEXTURE_2D), texture)
        glBindFramebuffer(GLenum(GL_FRAMEBUFFER), framebuffer)
        glViewport(0, 0, GLsizei(width), GLsizei(height))
        glDrawArrays(GLenum(GL_TRIANGLES), 0, 3)
        glFinish()
    }

    private static let vertex = """
        attribute vec2 corner;
        void main() { gl_Position = vec4(corner, 0.0, 1.0); }
        """

    private static let fragment = """
        precision highp float;
        uniform sampler2D frame;
        uniform vec2 size;
        float at(vec2 p, float x, float y) { return texture2D(frame, (p + vec2(x, y)) / size).r; }
        void main() {
          vec2 p = gl_FragCoord.xy;
          float c = at(p, 0.0, 0.0);
          float n = at(p, 0.0, -1.0), s = at(p, 0.0, 1.0), w = at(p, -1.0, 0.0), e = at(p, 1.0, 0.0);
          float nn = at(p, 0.0, -2.0), ss = at(p, 0.0, 2.0), ww = at(p, -2.0, 0.0), ee = at(p, 2.0, 0.0);
          float d = at(p, -1.0, -1.0) + at(p, 1.0, -1.0) + at(p, -1.0, 1.0) + at(p, 1.0, 1.0);
          float g = (4.0 * c + 2.0 * (n + s + w + e) - (nn + ss + ww + ee)) / 8.0;
          float h = (5.0 * c + 4.0 * (w + e) - d - (ww + ee) + 0.5 * (nn + ss)) / 8.0;
          float v = (5.0 * c + 4.0 * (n + s) - d - (nn + ss) + 0.5 * (ww + ee)) / 8.0;
          float x = (6.0 * c + 2.0 * d - 1.5 * (nn + ss + ww + ee)) / 8.0;
          vec2 q = mod(floor(p), 2.0);
          vec3 rgb = q.y < 0.5 ? (q.x < 0.5 ? vec3(c, g, x) : vec3(h, c, v)) : (q.x < 0.5 ? vec3(v, c, h) : vec3(x, g, c));
          gl_FragColor = vec4(clamp(rgb, 0.0, 1.0), 1.0);
        }
        """
}
