/// The text of camd's shaders (GLSL ES 1.00, the language of GLES 2.0).
///
/// A fragment shader has three parts. The *planes* fetch 32-bit texels: four bytes of a row, whatever they are. The *source*
/// makes of these the three components of pixels 4k to 4k+3 of row y: `quad(k, y)`; and their means over two rows, by pairs:
/// `pairs(k, y)`. The *output* changes the colours and packs what it gets into 32-bit texels of a plane. Every source goes with
/// every output.
///
/// A row's last quad may have fewer than four pixels, and a debayer looks beyond a frame's edges: there a slower variant of the
/// same text is drawn (`TAIL`, `EDGE`), in one or two columns of texels, so that the rest need not ask.
enum ShaderText {
    /// A triangle over all of the viewport.
    static func vertex(isES3: Bool) -> String {
        """
        \(isES3 ? "#version 300 es\nin" : "attribute") vec2 corner;
        void main() { gl_Position = vec4(corner, 0.0, 1.0); }
        """
    }

    /// What a shader reads.
    enum Source: Hashable, Sendable {
        /// A frame as it came. `bytePlanes`: planes that are imported as single bytes, since their rows do not begin at
        /// multiples of four.
        case frame(PixelReading, bytePlanes: [Bool])
        /// What the debayer for stills makes on its way: a texel for each red or blue cell.
        case differences(PixelReading.BayerOrder)
        /// A picture of the GPU's own, one texel a pixel, sampled anywhere.
        case picture(smooth: Bool, isRGB: Bool)

        var isRGB: Bool {
            switch self {
            case .frame(let reading, _): reading.isRGB
            case .differences: true
            case .picture(_, let isRGB): isRGB
            }
        }
    }

    /// What a shader writes; a texel is four bytes.
    enum Output: String, Hashable, Sendable {
        /// Four luma samples.
        case luma
        /// Two chroma samples, U before V.
        case chromaPairs
        /// Four U samples.
        case chromaU
        /// Four V samples.
        case chromaV
        /// One pixel: R, G, B and full opacity.
        case pixels
        /// Four cells of a sensor, or two of them as 16-bit words: conditioned, but not yet colours.
        case cellBytes
        case cellWords
        /// One tile of the frame: means of R, G and B before any gain, and a measure of focus.
        case statistics
        /// The passes of the debayer for stills, in order; see `StillText`.
        case stillDifferences
        case stillChoice
        case stillRefined
        case stillPixels
        case stillDetail
    }

    /// Where in the frame it is drawn.
    enum Place: Hashable, Sendable {
        case inside
        /// In columns where a quad may reach over the frame's left or right edge.
        case edge
    }

    /// What is compiled in.
    struct Features: Sendable {
        /// In the language of GLES 3.0, where a texel can be fetched without arithmetic.
        var isES3 = false
        /// The colours need no change.
        var isIdentity = false
        /// Primaries or curves change.
        var light: ColorTransform.Light?
        var balances = false
        var hasShading = false
        var replacesDefects = false
        var hasMatrix = false
        var hasCurve = false
        var treatsDetail = false
        var reducesNoise = false

        init(isIdentity: Bool) { self.isIdentity = isIdentity }

        init(_ look: Look, isIdentity: Bool) {
            self.isIdentity = isIdentity
            balances = look.black != 0 || look.white != 1 || look.balance != [1, 1, 1]
            hasShading = look.shading != nil
            hasMatrix = look.matrix != Look.identity
            hasCurve = look.curve != .linear
            treatsDetail = look.sharpening != 0 || look.noise != 0
            reducesNoise = look.noise != 0
        }
    }

    static func fragment(
        _ source: Source, _ output: Output, _ place: Place, _ features: Features
    ) -> String {
        var text = features.isES3 ? es3 : ""
        func define(_ name: String, _ isSet: Bool) { if isSet { text += "#define \(name) 1\n" } }
        define("IDENTITY", features.isIdentity)
        define("LIGHT", features.light != nil)
        define("BALANCE", features.balances)
        define("SHADING", features.hasShading)
        define("DEFECTS", features.replacesDefects)
        define("MATRIX", features.hasMatrix)
        define("CURVE", features.hasCurve)
        define("DETAIL", features.treatsDetail)
        define("NOISE", features.reducesNoise)
        define("EDGE", place == .edge)
        if case .picture = source { define("PICTURE", true) }
        text += prelude
        if let light = features.light { text += LightText.text(from: light.from, to: light.to) }
        // What tells sharpness best: brightness, or the green that most cells have.
        text += "#define FOCUS \(source.isRGB ? "b" : "a")\n"
        switch source {
        case .frame(let reading, let bytePlanes):
            for (index, isBytes) in bytePlanes.enumerated() { text += plane(index, isBytes, features.isES3) }
            text += self.source(reading)
        case .differences(let order): text += plane(0, false, features.isES3) + StillText.source(order)
        case .picture(let smooth, _): text += picture(smooth)
        }
        return text + self.output(output, of: source)
    }

    /// The text is written in the language of GLES 2.0; these names make it the next one's.
    private static let es3 = """
        #version 300 es
        #define texture2D texture
        #define gl_FragColor written

        """

    /// A sampler is lowp unless it is told otherwise, and some drivers keep its numbers as halves then: too few bits for those
    /// that take two bytes.
    private static let prelude = """
        #ifdef GL_FRAGMENT_PRECISION_HIGH
        precision highp float;
        precision highp sampler2D;
        #else
        precision mediump float;
        precision mediump sampler2D;
        #endif
        #if __VERSION__ >= 300
        precision highp int;
        out vec4 written;
        #endif
        uniform vec2 origin;
        uniform vec2 last;
        uniform mat3 matrix;
        uniform vec3 offset;

        """

    /// A plane's texel: four bytes from byte 4x of row y on.
    private static func plane(_ index: Int, _ isBytes: Bool, _ isES3: Bool) -> String {
        let head = """
            uniform sampler2D plane\(index);
            uniform vec2 inverse\(index);

            """
        let fetch =
            isES3
            // Beyond the edges a fetch would be of nothing at all.
            ? "texelFetch(plane\(index), ivec2(x, y), 0)"
            : "texture2D(plane\(index), (vec2(x, y) + 0.5) * inverse\(index))"
        guard isBytes else { return head + "vec4 at\(index)(float x, float y) { return \(fetch); }\n" }
        return head + """
            float byte\(index)(float x, float y) { return \(fetch).r; }
            vec4 at\(index)(float x, float y) {
              float b = 4.0 * x;
              return vec4(byte\(index)(b, y), byte\(index)(b + 1.0, y), byte\(index)(b + 2.0, y), byte\(index)(b + 3.0, y));
            }

            """
    }

    /// `quad` with this body, and `pairs` on top of it. Beyond the last pixel and the last row these are repeated.
    static func quads(_ body: String) -> String {
        """
        void whole_quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
        \(body)
        }
        #ifdef EDGE
        vec4 repeated(vec4 s, float n) { return n > 2.5 ? s : n > 1.5 ? s.rgbb : n > 0.5 ? s.rggg : s.rrrr; }
        void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
          float n = last.x - 4.0 * k;
          whole_quad(k, y, a, b, c);
          a = repeated(a, n);
          b = repeated(b, n);
          c = repeated(c, n);
        }
        #else
        void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) { whole_quad(k, y, a, b, c); }
        #endif
        \(meansOfQuads)
        """
    }

    private static let meansOfQuads = """
        void pairs(float k, float y, out vec2 a, out vec2 b, out vec2 c) {
          vec4 d, e, f, g, h, i;
          quad(k, 2.0 * y, d, e, f);
        #if defined(EDGE) || defined(PICTURE)
          quad(k, min(2.0 * y + 1.0, last.y), g, h, i);
        #else
          quad(k, 2.0 * y + 1.0, g, h, i);
        #endif
          d += g;
          e += h;
          f += i;
          a = 0.25 * (d.rb + d.ga);
          b = 0.25 * (e.rb + e.ga);
          c = 0.25 * (f.rb + f.ga);
        }

        """

    /// The picture at any place: `across` and `down` map a pixel of the output, at its centre, to a place of the picture from
    /// 0 to 1; `footprint` is half a pixel of the output in these terms.
    private static func picture(_ smooth: Bool) -> String {
        let sample =
            smooth
            ? """
              vec2 u = 0.5 * footprint_x;
              vec2 v = 0.5 * footprint_y;
              return 0.25 * (texture2D(plane0, p - u - v) + texture2D(plane0, p + u - v) + texture2D(plane0, p - u + v)
                + texture2D(plane0, p + u + v)).rgb;
            """ : "  return texture2D(plane0, p).rgb;"
        return """
            uniform sampler2D plane0;
            uniform vec3 across;
            uniform vec3 down;
            uniform vec2 footprint_x;
            uniform vec2 footprint_y;
            vec3 sample_at(float x, float y) {
              vec3 q = vec3(x + 0.5, y + 0.5, 1.0);
              vec2 p = vec2(dot(across, q), dot(down, q));
            \(sample)
            }
            void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
              vec3 s = sample_at(4.0 * k, y);
              vec3 t = sample_at(min(4.0 * k + 1.0, last.x), y);
              vec3 u = sample_at(min(4.0 * k + 2.0, last.x), y);
              vec3 v = sample_at(min(4.0 * k + 3.0, last.x), y);
              a = vec4(s.r, t.r, u.r, v.r);
              b = vec4(s.g, t.g, u.g, v.g);
              c = vec4(s.b, t.b, u.b, v.b);
            }
            \(meansOfQuads)
            """
    }

    private static func output(_ output: Output, of source: Source) -> String {
        switch output {
        case .luma:
            """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              vec4 a, b, c;
              quad(p.x, p.y, a, b, c);
            #ifdef IDENTITY
              gl_FragColor = a;
            #elif defined(LIGHT)
              gl_FragColor = vec4(seen(vec3(a.r, b.r, c.r)).x, seen(vec3(a.g, b.g, c.g)).x,
                seen(vec3(a.b, b.b, c.b)).x, seen(vec3(a.a, b.a, c.a)).x);
            #else
              gl_FragColor = matrix[0].x * a + matrix[1].x * b + matrix[2].x * c + offset.x;
            #endif
            }
            """
        case .chromaPairs:
            """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              vec2 a, b, c;
              pairs(p.x, p.y, a, b, c);
            #ifdef IDENTITY
              gl_FragColor = vec4(b.x, c.x, b.y, c.y);
            #elif defined(LIGHT)
              gl_FragColor = vec4(seen(vec3(a.x, b.x, c.x)).yz, seen(vec3(a.y, b.y, c.y)).yz);
            #else
              vec2 u = matrix[0].y * a + matrix[1].y * b + matrix[2].y * c + offset.y;
              vec2 v = matrix[0].z * a + matrix[1].z * b + matrix[2].z * c + offset.z;
              gl_FragColor = vec4(u.x, v.x, u.y, v.y);
            #endif
            }
            """
        case .chromaU, .chromaV:
            """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              vec2 a, b, c, d, e, f;
              pairs(2.0 * p.x, p.y, a, b, c);
              pairs(2.0 * p.x + 1.0, p.y, d, e, f);
            #ifdef IDENTITY
              gl_FragColor = vec4(\(output == .chromaU ? "b, e" : "c, f"));
            #elif defined(LIGHT)
              gl_FragColor = vec4(seen(vec3(a.x, b.x, c.x)).\(row(output)), seen(vec3(a.y, b.y, c.y)).\(row(output)),
                seen(vec3(d.x, e.x, f.x)).\(row(output)), seen(vec3(d.y, e.y, f.y)).\(row(output)));
            #else
              gl_FragColor = matrix[0].\(row(output)) * vec4(a, d) + matrix[1].\(row(output)) * vec4(b, e)
                + matrix[2].\(row(output)) * vec4(c, f) + offset.\(row(output));
            #endif
            }
            """
        case .pixels:
            """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              float k = floor(0.25 * p.x + 0.01);
              float n = p.x - 4.0 * k;
              vec4 a, b, c;
              quad(k, p.y, a, b, c);
              vec4 one = n < 0.5 ? vec4(1.0, 0.0, 0.0, 0.0) : n < 1.5 ? vec4(0.0, 1.0, 0.0, 0.0)
                : n < 2.5 ? vec4(0.0, 0.0, 1.0, 0.0) : vec4(0.0, 0.0, 0.0, 1.0);
              vec3 s = vec3(dot(a, one), dot(b, one), dot(c, one));
            #ifdef IDENTITY
              gl_FragColor = vec4(s, 1.0);
            #elif defined(LIGHT)
              gl_FragColor = vec4(seen(s), 1.0);
            #else
              gl_FragColor = vec4(matrix * s + offset, 1.0);
            #endif
            }
            """
        case .cellBytes: BayerText.conditionedBytes
        case .cellWords: BayerText.conditionedWords
        case .statistics: BayerText.statistics
        case .stillDifferences: StillText.differences(depth(source))
        case .stillChoice: StillText.choice
        case .stillRefined: StillText.refined
        case .stillPixels: StillText.pixels(depth(source))
        case .stillDetail: StillText.detail
        }
    }

    private static func depth(_ source: Source) -> PixelReading.Depth {
        guard case .frame(.bayer(_, let depth), _) = source else {
            preconditionFailure("a debayer's pass reads a sensor's cells")
        }
        return depth
    }

    private static func row(_ output: Output) -> String { output == .chromaU ? "y" : "z" }
}
