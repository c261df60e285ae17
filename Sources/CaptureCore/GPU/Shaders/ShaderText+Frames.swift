/// How the texels of each pixel format become the components of four pixels.
extension ShaderText {
    /// `quad(k, y)` and `pairs(k, y)` of a frame as it came.
    static func source(_ reading: PixelReading) -> String {
        switch reading {
        case .packed422(let y0, let y1, let u, let v):
            let (y0, y1, u, v) = (letter(y0), letter(y1), letter(u), letter(v))
            return quads(
                """
                  vec4 s = at0(2.0 * k, y);
                  vec4 t = at0(2.0 * k + 1.0, y);
                  a = vec4(s.\(y0)\(y1), t.\(y0)\(y1));
                  b = vec4(s.\(u)\(u), t.\(u)\(u));
                  c = vec4(s.\(v)\(v), t.\(v)\(v));
                """)
        case .semiPlanar(let across, let down, let isSwapped):
            let row = down == 2 ? "floor(0.5 * y)" : "y"
            let (first, second) = isSwapped ? ("c", "b") : ("b", "c")
            guard across == 2 else {
                return quads(
                    """
                      vec4 s = at1(2.0 * k, \(row));
                      vec4 t = at1(2.0 * k + 1.0, \(row));
                      a = at0(k, y);
                      \(first) = vec4(s.rb, t.rb);
                      \(second) = vec4(s.ga, t.ga);
                    """)
            }
            return quads(
                """
                  vec4 s = at1(k, \(row));
                  a = at0(k, y);
                  \(first) = s.rrbb;
                  \(second) = s.ggaa;
                """)
        case .planar(let across, let down, let isSwapped):
            let row = down == 2 ? "floor(0.5 * y)" : "y"
            let (first, second) = isSwapped ? ("c", "b") : ("b", "c")
            guard across == 2 else {
                return quads("  a = at0(k, y);\n  \(first) = at1(k, \(row));\n  \(second) = at2(k, \(row));")
            }
            // The two samples that belong to four pixels are half a texel.
            return "vec4 half_of(vec4 s, float k) { return mod(k, 2.0) > 0.5 ? s.bbaa : s.rrgg; }\n"
                + quads(
                    """
                      float row = \(row);
                      float column = floor(0.5 * k);
                      a = at0(k, y);
                      \(first) = half_of(at1(column, row), k);
                      \(second) = half_of(at2(column, row), k);
                    """)
        case .grey(let depth):
            return cells(depth)
                + quads("  a = cells(k, y);\n  b = vec4(128.0 / 255.0);\n  c = b;\n")
        case .rgb(let bytes, let r, let g, let b):
            return quads(bytes == 4 ? pixels4(r, g, b) : pixels3(isInOrder: r == 0))
        case .yuv(let bytes, let y, let u, let v):
            return quads(bytes == 4 ? pixels4(y, u, v) : pixels3(isInOrder: y == 0))
        case .word(let word): return quads(words(word))
        case .bayer(let order, let depth): return cells(depth) + BayerText.source(order)
        }
    }

    private static func letter(_ index: Int) -> String { ["r", "g", "b", "a"][index] }

    private static func pixels4(_ first: Int, _ second: Int, _ third: Int) -> String {
        fourTexels + "\n"
            + zip("abc", [first, second, third]).map { name, index in
                let byte = letter(index)
                return "  \(name) = vec4(s.\(byte), t.\(byte), u.\(byte), v.\(byte));"
            }.joined(separator: "\n")
    }

    private static let fourTexels = """
          vec4 s = at0(4.0 * k, y);
          vec4 t = at0(4.0 * k + 1.0, y);
          vec4 u = at0(4.0 * k + 2.0, y);
          vec4 v = at0(4.0 * k + 3.0, y);
        """

    private static func pixels3(isInOrder: Bool) -> String {
        """
          vec4 s = at0(3.0 * k, y);
          vec4 t = at0(3.0 * k + 1.0, y);
          vec4 u = at0(3.0 * k + 2.0, y);
          \(isInOrder ? "a" : "c") = vec4(s.r, s.a, t.b, u.g);
          b = vec4(s.g, t.r, t.a, u.b);
          \(isInOrder ? "c" : "a") = vec4(s.b, t.g, u.r, u.a);
        """
    }

    /// Four words as numbers, then the components' bits of each. A float holds 24 bits: of four bytes the last one, which
    /// has no component's bits, is left out.
    private static func words(_ word: PixelReading.Word) -> String {
        var shift = 0
        var text: String
        switch word.bytes {
        case 1: text = "  vec4 w = floor(255.0 * at0(k, y) + 0.5);\n"
        case 2:
            text = """
                  vec4 s = at0(2.0 * k, y);
                  vec4 t = at0(2.0 * k + 1.0, y);
                  vec4 even = floor(255.0 * vec4(s.rb, t.rb) + 0.5);
                  vec4 odd = floor(255.0 * vec4(s.ga, t.ga) + 0.5);
                  vec4 w = \(word.isBigEndian ? "256.0 * even + odd" : "even + 256.0 * odd");

                """
        default:
            shift = 8
            let bytes = (0..<3).map {
                let byte = letter(word.isBigEndian ? $0 : 3 - $0)
                return "\(65536 >> (8 * $0)).0 * floor(255.0 * vec4(s.\(byte), t.\(byte), u.\(byte), v.\(byte)) + 0.5)"
            }
            text = fourTexels + "\n  vec4 w = \(bytes.joined(separator: "\n    + "));\n"
        }
        for (name, field) in zip("abc", word.fields) {
            let scale = 1.0 / Double(1 << (field.shift - shift))
            // The middle of chroma has to stay the middle: its missing bits are zero. All else reaches from 0 to 1.
            let unit = word.isRGB || name == "a" ? 1 / Double(1 << field.bits - 1) : Double(256 >> field.bits) / 255
            text += "  \(name) = mod(floor(w * \(scale)), \(1 << field.bits).0) * \(unit);\n"
        }
        return text
    }

    /// `cells(k, y)`: samples 4k to 4k+3 of a row of a plane of single samples, from 0 to 1.
    static func cells(_ depth: PixelReading.Depth) -> String {
        switch depth {
        case .bytes: "vec4 cells(float k, float y) { return at0(k, y); }\n"
        case .words(let bits):
            """
            vec4 cells(float k, float y) {
              vec4 s = at0(2.0 * k, y);
              vec4 t = at0(2.0 * k + 1.0, y);
              return (vec4(s.rb, t.rb) + 256.0 * vec4(s.ga, t.ga)) * \(255.0 / Double((1 << bits) - 1));
            }

            """
        case .bigEndianWords:
            """
            vec4 cells(float k, float y) {
              vec4 s = at0(2.0 * k, y);
              vec4 t = at0(2.0 * k + 1.0, y);
              return (256.0 * vec4(s.rb, t.rb) + vec4(s.ga, t.ga)) / 257.0;
            }

            """
        case .mipi10:
            // Four samples are five bytes: the high eight bits of each, then the low two of all.
            """
            vec4 cells(float k, float y) {
              float texel = floor(1.25 * k + 0.01);
              float part = mod(k, 4.0);
              vec4 s = at0(texel, y);
              vec4 t = at0(texel + 1.0, y);
              vec4 high = part < 0.5 ? s : part < 1.5 ? vec4(s.gba, t.r) : part < 2.5 ? vec4(s.ba, t.rg) : vec4(s.a, t.rgb);
              float byte = floor(255.0 * (part < 0.5 ? t.r : part < 1.5 ? t.g : part < 2.5 ? t.b : t.a) + 0.5);
              vec4 low = mod(floor(vec4(byte, byte / 4.0, byte / 16.0, byte / 64.0)), 4.0);
              return (1020.0 * high + low) / 1023.0;
            }

            """
        case .mipi12:
            // Two samples are three bytes: the high eight bits of each, then the low four of both.
            """
            vec4 cells(float k, float y) {
              float texel = floor(1.5 * k + 0.01);
              vec4 s = at0(texel, y);
              vec4 t = at0(texel + 1.0, y);
              bool isLate = mod(k, 2.0) > 0.5;
              vec4 high = isLate ? vec4(s.ba, t.gb) : vec4(s.rg, s.a, t.r);
              vec2 bytes = floor(255.0 * (isLate ? t.ra : vec2(s.b, t.g)) + 0.5);
              vec4 low = mod(floor(vec4(bytes.x, bytes.x / 16.0, bytes.y, bytes.y / 16.0)), 16.0);
              return (4080.0 * high + low) / 4095.0;
            }

            """
        case .mipi14:
            // Four samples are seven bytes: the high eight bits of each, then the low six of all, the first one's lowest.
            """
            vec4 cells(float k, float y) {
              float texel = floor(1.75 * k + 0.01);
              float part = mod(k, 4.0);
              vec4 s = at0(texel, y);
              vec4 t = at0(texel + 1.0, y);
              vec4 u = at0(texel + 2.0, y);
              vec4 high = part < 0.5 ? s : part < 1.5 ? vec4(s.a, t.rgb) : part < 2.5 ? vec4(s.ba, t.rg) : vec4(s.gba, t.r);
              vec3 bytes = part < 0.5 ? t.rgb : part < 1.5 ? vec3(t.a, u.rg) : part < 2.5 ? vec3(t.ba, u.r) : t.gba;
              bytes = floor(255.0 * bytes + 0.5);
              vec3 over = floor(bytes / vec3(64.0, 16.0, 4.0));
              vec3 under = bytes - over * vec3(64.0, 16.0, 4.0);
              vec4 low = vec4(under.x, over.x + 4.0 * under.y, over.y + 16.0 * under.z, over.z);
              return (16320.0 * high + low) / 16383.0;
            }

            """
        }
    }
}
