/// The text of camd's shaders (GLSL ES 1.00, the language of GLES 2.0).
///
/// A shader is made of two halves. The *source* half reads a camera's format and answers two questions: `quad(k, y)`,
/// the three components of pixels 4k to 4k+3 of row y; and `pairs(k, y)`, the components of the two chroma samples
/// whose pixels are 4k to 4k+3 of rows 2y and 2y+1, averaged. The *output* half packs what it gets into 32-bit texels
/// of a plane. Every source works with every output.
enum ShaderSource {
    static let vertex = """
        attribute vec2 corner;
        void main() { gl_Position = vec4(corner, 0.0, 1.0); }
        """

    enum Output: String, CaseIterable {
        /// Four luma samples.
        case luma
        /// Two chroma samples, U before V.
        case chromaPairs
        /// Four U samples.
        case chromaU
        /// Four V samples.
        case chromaV
    }

    /// The whole fragment shader; nil for a format that camd does not read.
    static func fragment(_ format: PixelFormat, _ output: Output, isIdentity: Bool) -> String? {
        guard let source = source(format) else { return nil }
        let rule = isIdentity ? "#define IDENTITY 1\n" : ""
        return rule + prelude + source + self.output(output)
    }

    private static let prelude = """
        #ifdef GL_FRAGMENT_PRECISION_HIGH
        precision highp float;
        #else
        precision mediump float;
        #endif
        uniform sampler2D plane0;
        uniform sampler2D plane1;
        uniform sampler2D plane2;
        uniform vec2 inverse0;
        uniform vec2 inverse1;
        uniform vec2 inverse2;
        uniform vec2 size0;
        uniform vec2 origin;
        uniform mat3 matrix;
        uniform vec3 offset;
        vec4 at0(float x, float y) { return texture2D(plane0, (vec2(x, y) + 0.5) * inverse0); }
        vec4 at1(float x, float y) { return texture2D(plane1, (vec2(x, y) + 0.5) * inverse1); }
        vec4 at2(float x, float y) { return texture2D(plane2, (vec2(x, y) + 0.5) * inverse2); }

        """

    private static func source(_ format: PixelFormat) -> String? {
        switch format {
        case .yuyv: yuyv
        case .nv12, .nv12M: nv12
        case .nv16, .nv16M: nv16
        case .yuv420, .yuv420M: yuv420
        case .srggb8: bayer(redColumn: 0, redRow: 0)
        case .sgrbg8: bayer(redColumn: 1, redRow: 0)
        case .sgbrg8: bayer(redColumn: 0, redRow: 1)
        case .sbggr8: bayer(redColumn: 1, redRow: 1)
        default: nil
        }
    }

    // A texel is Y0 U Y1 V.
    private static let yuyv = """
        void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
          vec4 s = at0(2.0 * k, y);
          vec4 t = at0(2.0 * k + 1.0, y);
          a = vec4(s.rb, t.rb);
          b = vec4(s.gg, t.gg);
          c = vec4(s.aa, t.aa);
        }
        void pairs(float k, float y, out vec2 a, out vec2 b, out vec2 c) {
          vec4 s = 0.5 * (at0(2.0 * k, 2.0 * y) + at0(2.0 * k, 2.0 * y + 1.0));
          vec4 t = 0.5 * (at0(2.0 * k + 1.0, 2.0 * y) + at0(2.0 * k + 1.0, 2.0 * y + 1.0));
          a = 0.5 * vec2(s.r + s.b, t.r + t.b);
          b = vec2(s.g, t.g);
          c = vec2(s.a, t.a);
        }

        """

    // plane0 holds four Y, plane1 U V U V.
    private static let nv12 = """
        void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
          vec4 s = at1(k, floor(0.5 * y));
          a = at0(k, y);
          b = s.rrbb;
          c = s.ggaa;
        }
        void pairs(float k, float y, out vec2 a, out vec2 b, out vec2 c) {
          vec4 s = at1(k, y);
          vec4 t = 0.5 * (at0(k, 2.0 * y) + at0(k, 2.0 * y + 1.0));
          a = 0.5 * vec2(t.r + t.g, t.b + t.a);
          b = s.rb;
          c = s.ga;
        }

        """

    // As NV12, with chroma in every row.
    private static let nv16 = """
        void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
          vec4 s = at1(k, y);
          a = at0(k, y);
          b = s.rrbb;
          c = s.ggaa;
        }
        void pairs(float k, float y, out vec2 a, out vec2 b, out vec2 c) {
          vec4 s = 0.5 * (at1(k, 2.0 * y) + at1(k, 2.0 * y + 1.0));
          vec4 t = 0.5 * (at0(k, 2.0 * y) + at0(k, 2.0 * y + 1.0));
          a = 0.5 * vec2(t.r + t.g, t.b + t.a);
          b = s.rb;
          c = s.ga;
        }

        """

    // plane0 holds four Y, plane1 four U, plane2 four V: the two samples that belong to four pixels are half a texel.
    private static let yuv420 = """
        vec2 half_of(vec4 s, float k) { return mod(k, 2.0) > 0.5 ? s.ba : s.rg; }
        void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
          float row = floor(0.5 * y);
          float column = floor(0.5 * k);
          a = at0(k, y);
          b = half_of(at1(column, row), k).xxyy;
          c = half_of(at2(column, row), k).xxyy;
        }
        void pairs(float k, float y, out vec2 a, out vec2 b, out vec2 c) {
          float column = floor(0.5 * k);
          vec4 t = 0.5 * (at0(k, 2.0 * y) + at0(k, 2.0 * y + 1.0));
          a = 0.5 * vec2(t.r + t.g, t.b + t.a);
          b = half_of(at1(column, y), k);
          c = half_of(at2(column, y), k);
        }

        """

    // A texel is four sensor cells of a row. Luma: bilinear, from 3 by 3 texels for four pixels. Chroma: a sample is one
    // 2 by 2 cell. At the borders the neighbour two cells on the other side has the same colour.
    private static func bayer(redColumn: Int, redRow: Int) -> String {
        """
        const float redRow = \(redRow).0;
        const vec4 redColumns = vec4(\(redColumn == 0 ? "1.0, 0.0, 1.0, 0.0" : "0.0, 1.0, 0.0, 1.0"));
        void row(float k, float y, out vec4 left, out vec4 here, out vec4 right) {
          here = at0(k, y);
          float before = k > 0.5 ? at0(k - 1.0, y).a : here.g;
          float after = k < size0.x - 1.5 ? at0(k + 1.0, y).r : here.b;
          left = vec4(before, here.rgb);
          right = vec4(here.gba, after);
        }
        void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
          float last = size0.y - 1.0;
          vec4 ul, u, ur, l, h, r, dl, d, dr;
          row(k, abs(y - 1.0), ul, u, ur);
          row(k, y, l, h, r);
          row(k, last - abs(last - y - 1.0), dl, d, dr);
          vec4 across = 0.5 * (l + r);
          vec4 along = 0.5 * (u + d);
          vec4 corners = 0.25 * (ul + ur + dl + dr);
          float inRedRow = 1.0 - abs(mod(y, 2.0) - redRow);
          // 1 where this row's own colour (red or blue) is sampled, 0 at green.
          vec4 own = mix(1.0 - redColumns, redColumns, inRedRow);
          vec4 rowColour = mix(across, h, own);
          vec4 otherColour = mix(along, corners, own);
          a = mix(otherColour, rowColour, inRedRow);
          b = mix(h, 0.5 * (across + along), own);
          c = mix(rowColour, otherColour, inRedRow);
        }
        void pairs(float k, float y, out vec2 a, out vec2 b, out vec2 c) {
          vec4 s = at0(k, 2.0 * y + \(redRow).0);
          vec4 t = at0(k, 2.0 * y + \(1 - redRow).0);
          a = s.\(redColumn == 0 ? "rb" : "ga");
          b = 0.5 * (s.\(redColumn == 0 ? "ga" : "rb") + t.\(redColumn == 0 ? "rb" : "ga"));
          c = t.\(redColumn == 0 ? "ga" : "rb");
        }

        """
    }

    private static func output(_ output: Output) -> String {
        switch output {
        case .luma:
            """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              vec4 a, b, c;
              quad(p.x, p.y, a, b, c);
            #ifdef IDENTITY
              gl_FragColor = a;
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
              vec2 u = b;
              vec2 v = c;
            #else
              vec2 u = matrix[0].y * a + matrix[1].y * b + matrix[2].y * c + offset.y;
              vec2 v = matrix[0].z * a + matrix[1].z * b + matrix[2].z * c + offset.z;
            #endif
              gl_FragColor = vec4(u.x, v.x, u.y, v.y);
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
            #else
              gl_FragColor = matrix[0].\(row(output)) * vec4(a, d) + matrix[1].\(row(output)) * vec4(b, e)
                + matrix[2].\(row(output)) * vec4(c, f) + offset.\(row(output));
            #endif
            }
            """
        }
    }

    private static func row(_ output: Output) -> String { output == .chromaU ? "y" : "z" }
}
