/// The shaders' half that reads a sensor's cells.
///
/// The debayer is Malvar, He and Cutler's of 2004 ("High-quality linear interpolation for demosaicing of Bayer-patterned color
/// images"): linear filters of five by five, so that black level and white balance may come before it and the lens's gains
/// after. Four pixels are made at once, each filter is a sum of shifted rows. Beyond the frame's edges its cells are mirrored,
/// which keeps the pattern.
enum BayerText {
    static func source(_ order: PixelReading.BayerOrder) -> String {
        // What a red column has, and what the other one has.
        let pick = order.redColumn == 0 ? "vec4(a.r, b.g, a.b, b.a)" : "vec4(b.r, a.g, b.b, a.a)"
        return """
            \(pattern(order))
            vec4 pick(vec4 a, vec4 b) { return \(pick); }
            \(rows)
            \(filters)
            \(treatment)
            \(quad)
            #ifdef EDGE
            \(edgeMeans)
            #else
            \(means(order))
            #endif
            \(pairs)
            """
    }

    /// Where which cell is, and which stands for one beyond the edges.
    static func pattern(_ order: PixelReading.BayerOrder) -> String {
        """
        const float red_row = \(order.redRow).0;
        const float red_column = \(order.redColumn).0;
        float mirrored(float y) {
          y = abs(y);
          return y > last.y ? 2.0 * last.y - y : y;
        }
        float is_red(float y) { return mod(y + red_row, 2.0) < 0.5 ? 1.0 : 0.0; }

        """
    }

    /// `cells` beyond the edges, and black level and white balance on them.
    private static let rows = """
        uniform vec4 gain_red;
        uniform vec4 gain_blue;
        uniform vec4 lift_red;
        uniform vec4 lift_blue;
        #ifdef EDGE
        void shifted(float k, float y, out vec4 l, out vec4 c, out vec4 r) {
          float m = mirrored(y);
          l = cells(k - 1.0, m);
          c = cells(k, m);
          r = cells(k + 1.0, m);
          // The frame's last cell is the n-th of this quad; those up to two beyond it are those before it, mirrored.
          float n = last.x - 4.0 * k;
          if (k < 0.5) l = vec4(0.0, 0.0, c.b, c.g);
          if (n < 0.5) {
            c = vec4(c.r, l.a, l.b, 0.0);
          } else if (n < 1.5) {
            c = vec4(c.rg, c.r, l.a);
          } else if (n < 2.5) {
            r = vec4(c.r, 0.0, 0.0, 0.0);
            c = vec4(c.rgb, c.g);
          } else if (n < 3.5) {
            r = vec4(c.b, c.g, 0.0, 0.0);
          } else if (n < 4.5) {
            r = vec4(r.r, c.a, 0.0, 0.0);
          }
        }
        vec4 plain(float k, float y) { return cells(k, mirrored(y)); }
        #else
        void shifted(float k, float y, out vec4 l, out vec4 c, out vec4 r) {
          l = cells(k - 1.0, y);
          c = cells(k, y);
          r = cells(k + 1.0, y);
        }
        vec4 plain(float k, float y) { return cells(k, y); }
        #endif
        void row_of_three(float k, float y, float red, out vec4 l, out vec4 c, out vec4 r) {
          shifted(k, y, l, c, r);
        #ifdef BALANCE
          vec4 gain = mix(gain_blue, gain_red, red);
          vec4 lift = mix(lift_blue, lift_red, red);
          l = l * gain + lift;
          c = c * gain + lift;
          r = r * gain + lift;
        #endif
        }
        vec4 row_of_one(float k, float y, float red) {
          vec4 c = plain(k, y);
        #ifdef BALANCE
          c = c * mix(gain_blue, gain_red, red) + mix(lift_blue, lift_red, red);
        #endif
          return c;
        }

        """

    /// `debayer`: four pixels of a row from it and its neighbours; `low` is what a blur of three by three makes of their
    /// brightness, which in a Bayer pattern is R/4 + G/2 + B/4 everywhere.
    private static let filters = """
        void debayer(vec4 nn, vec4 nl, vec4 n, vec4 nr, vec4 l, vec4 c, vec4 r, vec4 sl, vec4 s, vec4 sr, vec4 ss, float red,
          out vec4 R, out vec4 G, out vec4 B, out vec4 low) {
          vec4 ns = n + s;
          vec4 nsl = nl + sl;
          vec4 nsr = nr + sr;
          vec4 we = vec4(l.a, c.rgb) + vec4(c.gba, r.r);
          vec4 far_we = vec4(l.ba, c.rg) + vec4(c.ba, r.rg);
          vec4 far_ns = nn + ss;
          vec4 d = vec4(nsl.a, ns.rgb) + vec4(ns.gba, nsr.r);
          vec4 g = 0.5 * c + 0.25 * (ns + we) - 0.125 * (far_ns + far_we);
          vec4 t = 0.625 * c - 0.125 * d;
          vec4 h = t + 0.5 * we - 0.125 * far_we + 0.0625 * far_ns;
          vec4 v = t + 0.5 * ns - 0.125 * far_ns + 0.0625 * far_we;
          vec4 x = 0.75 * c + 0.25 * d - 0.1875 * (far_we + far_ns);
          if (red > 0.5) {
            R = pick(c, h);
            G = pick(g, c);
            B = pick(x, v);
          } else {
            R = pick(v, x);
            G = pick(c, g);
            B = pick(h, c);
          }
          low = 0.25 * c + 0.125 * (ns + we) + 0.0625 * d;
        }

        """

    /// What comes after the debayer: the lens's gains, the matrix, the curve.
    private static let treatment = """
        #ifdef SHADING
        uniform sampler2D shading;
        uniform vec2 shading_size;
        uniform vec2 shading_scale;
        float gain_at(float x, float y, float channel) {
          vec4 s = texture2D(shading, vec2((x + channel * shading_size.x + 0.5) / (3.0 * shading_size.x),
            (y + 0.5) / shading_size.y));
          return (s.r + 256.0 * s.g) * (255.0 / 4096.0);
        }
        vec3 gains_at(float x, float y) {
          vec2 p = vec2(x, y) * shading_scale;
          vec2 i = min(floor(p), shading_size - 2.0);
          vec2 f = p - i;
          vec3 gains;
          for (int n = 0; n < 3; n++) {
            float c = float(n);
            gains[n] = mix(mix(gain_at(i.x, i.y, c), gain_at(i.x + 1.0, i.y, c), f.x),
              mix(gain_at(i.x, i.y + 1.0, c), gain_at(i.x + 1.0, i.y + 1.0, c), f.x), f.y);
          }
          return gains;
        }
        #endif
        uniform mat3 camera;
        uniform float curve[\(Look.curveTerms)];
        uniform vec2 detail;
        uniform float toe;
        vec4 curved(vec4 x) {
          vec4 s = sqrt(x);
          vec4 bright = curve[0] + s * (curve[1] + s * (curve[2] + s * (curve[3] + s * (curve[4] + s * (curve[5]
            + s * curve[6])))));
          return mix(x * toe, bright, step(\(Look.curveToe), x));
        }
        void treat4(inout vec4 R, inout vec4 G, inout vec4 B) {
        #ifdef MATRIX
          vec4 r = camera[0].x * R + camera[1].x * G + camera[2].x * B;
          vec4 g = camera[0].y * R + camera[1].y * G + camera[2].y * B;
          B = clamp(camera[0].z * R + camera[1].z * G + camera[2].z * B, 0.0, 1.0);
          R = clamp(r, 0.0, 1.0);
          G = clamp(g, 0.0, 1.0);
        #endif
        #ifdef CURVE
          R = curved(R);
          G = curved(G);
          B = curved(B);
        #endif
        }

        """

    /// Four pixels of a row.
    private static let quad = """
        void quad(float k, float y, out vec4 a, out vec4 b, out vec4 c) {
          float red = is_red(y);
          vec4 nl, n, nr, l, m, r, sl, s, sr, low;
          vec4 nn = row_of_one(k, y - 2.0, red);
          row_of_three(k, y - 1.0, 1.0 - red, nl, n, nr);
          row_of_three(k, y, red, l, m, r);
          row_of_three(k, y + 1.0, 1.0 - red, sl, s, sr);
          vec4 ss = row_of_one(k, y + 2.0, red);
          debayer(nn, nl, n, nr, l, m, r, sl, s, sr, ss, red, a, b, c, low);
          a = clamp(a, 0.0, 1.0);
          b = clamp(b, 0.0, 1.0);
          c = clamp(c, 0.0, 1.0);
        #ifdef DETAIL
          // What stands out from the blur: small differences are noise, and go; larger ones grow.
          vec4 high = 0.25 * (a + c) + 0.5 * b - low;
          vec4 small = clamp(high, -detail.y, detail.y);
          high = detail.x * (high - small) - small;
          a = clamp(a + high, 0.0, 1.0);
          b = clamp(b + high, 0.0, 1.0);
          c = clamp(c + high, 0.0, 1.0);
        #endif
        #ifdef SHADING
          vec3 gains = gains_at(4.0 * k + 1.5, y);
          a = min(a * gains.r, 1.0);
          b = min(b * gains.g, 1.0);
          c = min(c * gains.b, 1.0);
        #endif
          treat4(a, b, c);
        }

        """

    /// `mean_light`: the means of two by two pixels, for two of these. Here pixel by pixel: beyond the frame's last ones these
    /// are repeated.
    private static let edgeMeans = """
        void mean_light(float k, float top, out vec2 R, out vec2 G, out vec2 B) {
          float red = is_red(top);
          vec4 nl, n, nr, l, m, r, sl, s, sr, tl, t, tr, low, d, e, f, g, h, i;
          vec4 nn = row_of_one(k, top - 2.0, red);
          row_of_three(k, top - 1.0, 1.0 - red, nl, n, nr);
          row_of_three(k, top, red, l, m, r);
          row_of_three(k, top + 1.0, 1.0 - red, sl, s, sr);
          row_of_three(k, top + 2.0, red, tl, t, tr);
          vec4 tt = row_of_one(k, top + 3.0, 1.0 - red);
          debayer(nn, nl, n, nr, l, m, r, sl, s, sr, t, red, d, e, f, low);
          debayer(n, l, m, r, sl, s, sr, tl, t, tr, tt, 1.0 - red, g, h, i, low);
          if (top + 1.0 > last.y) {
            g = d;
            h = e;
            i = f;
          }
          d += g;
          e += h;
          f += i;
          float over = last.x - 4.0 * k;
          if (over < 0.5) { d.g = d.r; e.g = e.r; f.g = f.r; }
          if (over < 2.5) { d.a = d.b; e.a = e.b; f.a = f.b; }
          R = 0.25 * (d.rb + d.ga);
          G = 0.25 * (e.rb + e.ga);
          B = 0.25 * (f.rb + f.ga);
        }
        """

    /// The same inside of the frame, where the filters' means are filters themselves.
    private static func means(_ order: PixelReading.BayerOrder) -> String {
        let rows = [
            ("n", "nn", "n"), ("nl", "n", "nr"), ("l", "m", "r"), ("sl", "s", "sr"), ("tl", "t", "tr"),
            ("t", "tt", "t"),
        ].map { (l: $0.0, c: $0.1, r: $0.2) }
        let red = order.redRow == 0 ? "1.0" : "0.0"
        let other = order.redRow == 0 ? "0.0" : "1.0"
        return """
            void mean_light(float k, float top, out vec2 R, out vec2 G, out vec2 B) {
              vec4 nl, n, nr, l, m, r, sl, s, sr, tl, t, tr;
              vec4 nn = row_of_one(k, top - 2.0, \(red));
              row_of_three(k, top - 1.0, \(other), nl, n, nr);
              row_of_three(k, top, \(red), l, m, r);
              row_of_three(k, top + 1.0, \(other), sl, s, sr);
              row_of_three(k, top + 2.0, \(red), tl, t, tr);
              vec4 tt = row_of_one(k, top + 3.0, \(other));
              R = \(MeanFilters.sum(0, order, rows: rows));
              G = \(MeanFilters.sum(1, order, rows: rows));
              B = \(MeanFilters.sum(2, order, rows: rows));
            }
            """
    }

    /// The curve is put on the mean of the light, not the mean on the curve.
    private static let pairs = """
        void pairs(float k, float y, out vec2 a, out vec2 b, out vec2 c) {
          mean_light(k, 2.0 * y, a, b, c);
          vec4 p = vec4(clamp(a, 0.0, 1.0), 0.0, 0.0);
          vec4 q = vec4(clamp(b, 0.0, 1.0), 0.0, 0.0);
          vec4 o = vec4(clamp(c, 0.0, 1.0), 0.0, 0.0);
        #ifdef SHADING
          vec3 gains = gains_at(4.0 * k + 1.5, 2.0 * y + 0.5);
          p = min(p * gains.r, 1.0);
          q = min(q * gains.g, 1.0);
          o = min(o * gains.b, 1.0);
        #endif
          treat4(p, q, o);
          a = p.xy;
          b = q.xy;
          c = o.xy;
        }

        """

    /// A cell that stands out from its eight neighbours of the same colour is replaced by the nearest of them.
    private static let conditioning = """
        uniform float defect;
        vec4 conditioned(float k, float y) {
          vec4 c = plain(k, y);
        #ifdef DEFECTS
          vec4 l, r, nl, n, nr, sl, s, sr, m;
          shifted(k, y, l, m, r);
          shifted(k, y - 2.0, nl, n, nr);
          shifted(k, y + 2.0, sl, s, sr);
          vec4 w = vec4(l.ba, m.rg);
          vec4 e = vec4(m.ba, r.rg);
          vec4 nw = vec4(nl.ba, n.rg);
          vec4 ne = vec4(n.ba, nr.rg);
          vec4 sw = vec4(sl.ba, s.rg);
          vec4 se = vec4(s.ba, sr.rg);
          vec4 high = max(max(max(w, e), max(n, s)), max(max(nw, ne), max(sw, se)));
          vec4 low = min(min(min(w, e), min(n, s)), min(min(nw, ne), min(sw, se)));
          c = mix(c, high, step(high + defect, c));
          c = mix(c, low, step(c, low - defect));
        #endif
          return c;
        }

        """

    static let conditionedBytes =
        conditioning + """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              gl_FragColor = conditioned(p.x, p.y);
            }
            """

    static let conditionedWords =
        conditioning + """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              float k = floor(0.5 * p.x + 0.01);
              vec4 c = conditioned(k, p.y);
              vec2 v = floor(65535.0 * (p.x - 2.0 * k > 0.5 ? c.ba : c.rg) + 0.5);
              vec2 high = floor(v / 256.0);
              gl_FragColor = vec4(v.x - 256.0 * high.x, high.x, v.y - 256.0 * high.y, high.y) / 255.0;
            }
            """

    /// A tile: means over eight by eight places of it.
    static let statistics = """
        uniform vec2 tile;
        uniform vec4 inner;
        void main() {
          vec2 p = floor(gl_FragCoord.xy) - origin;
          vec3 sum = vec3(0.0);
          float focus = 0.0;
          for (int j = 0; j < 8; j++) {
            for (int i = 0; i < 8; i++) {
              vec2 at = (p + (vec2(float(i), float(j)) + 0.5) / 8.0) * tile;
              vec4 a, b, c;
              quad(clamp(floor(0.25 * at.x), inner.x, inner.y), clamp(floor(at.y), inner.z, inner.w), a, b, c);
              sum += vec3(dot(a, vec4(0.25)), dot(b, vec4(0.25)), dot(c, vec4(0.25)));
              vec4 sharp = FOCUS;
              vec3 steps = abs(sharp.gba - sharp.rgb);
              focus += steps.r + steps.g + steps.b;
            }
          }
        #ifdef IDENTITY
          gl_FragColor = vec4(sum / 64.0, focus / 24.0);
        #else
          gl_FragColor = vec4(matrix * sum / 64.0 + offset, focus / 24.0);
        #endif
        }
        """
}
