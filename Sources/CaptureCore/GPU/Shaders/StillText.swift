/// The shaders of the debayer for stills.
///
/// It is Menon, Andriani and Calvagno's of 2007 ("Demosaicing with directional filtering and a posteriori decision"): green is
/// made twice at each red and blue cell, along its row and along its column; that one is kept whose differences of colour
/// change less around the cell; red and blue follow along the same direction, and all is refined by the differences' means.
///
/// All of that is linear in the differences of a red or blue cell to its green, so that nothing but these needs to be kept
/// between the passes: a texel for each red or blue cell, of two numbers of 16 bits. Green at the cell, red and blue at its
/// green neighbours and the other colour at the cell then are the cells themselves plus means of differences:
///
/// 1. *differences*: with green taken across, with green taken down;
/// 2. *choice*: the better of the two, and which that is;
/// 3. *refined*: `u`, its mean of 1, 4, 1 along the direction, which is what the refining step does to green; and `q`, what
///    the two steps that make the other colour of the cell have in common: a third of the chosen difference and two of `u`;
/// 4. *pixels*: the colours, and what comes after the debayer;
/// 5. *detail*, where it is wanted: less noise and more sharpness, on the picture.
enum StillText {
    /// A difference between cells of 0 to 1 as a number of 16 bits: -2 to 2, in steps that are whole for cells of 8 bits, of
    /// which differences have quarters. Cells thus compare as equal where they are.
    private static let words = """
        const float unit = 16320.0;
        const float zero = 32768.0;
        vec2 in_bytes(float v) {
          v = clamp(floor(v + 0.5), 0.0, 65535.0);
          float high = floor(v / 256.0);
          return vec2(v - 256.0 * high, high) / 255.0;
        }
        float number(vec2 s) { return 255.0 * s.x + 65280.0 * s.y; }

        """

    /// Reads differences: the texel of the cell at (x, y), which stands for its mirror image if it is beyond the edges.
    /// `place`: the column of a row's first red or blue cell.
    private static func lattice(_ plane: Int) -> String {
        """
        float place(float y) { return mod(y + red_row + red_column, 2.0); }
        float column(float x) {
          x = abs(x);
          return floor(0.5 * (x > last.x ? 2.0 * last.x - x : x) + 0.01);
        }
        vec4 differences(float column, float y) { return at\(plane)(column, y); }

        """
    }

    /// What the choice and the refining pass read.
    static func source(_ order: PixelReading.BayerOrder) -> String { BayerText.pattern(order) + lattice(0) + words }

    /// `pair(i, y)`: cells 2i and 2i+1 of a row, from 0 to 1.
    private static func pair(_ depth: PixelReading.Depth) -> String {
        let inside =
            switch depth {
            case .words(let bits):
                """
                  vec4 s = at0(i, y);
                  return (s.rb + 256.0 * s.ga) * \(255.0 / Double((1 << bits) - 1));
                """
            default:
                """
                  float k = floor(0.5 * i + 0.01);
                  vec4 s = cells(k, y);
                  return i - 2.0 * k > 0.5 ? s.ba : s.rg;
                """
            }
        return """
            #ifdef EDGE
            vec2 whole_pair(float i, float y) {
            #else
            vec2 pair(float i, float y) {
            #endif
            \(inside)
            }
            #ifdef EDGE
            vec2 pair(float i, float y) {
              return vec2(whole_pair(column(2.0 * i), y).x, whole_pair(column(2.0 * i + 1.0), y).y);
            }
            #endif
            // What is brighter than white has lost its colour, and would bleed into its surroundings.
            vec2 balanced_pair(float i, float y, float red) {
              vec2 s = pair(i, y);
            #ifdef BALANCE
              s = clamp(s * mix(gain_blue, gain_red, red).rg + mix(lift_blue, lift_red, red).rg, -0.5, 1.0);
            #endif
              return s;
            }

            """
    }

    static func differences(_ depth: PixelReading.Depth) -> String {
        lattice(0) + pair(depth) + words + """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              float red = is_red(p.y);
              vec2 nn = balanced_pair(p.x, mirrored(p.y - 2.0), red);
              vec2 n = balanced_pair(p.x, mirrored(p.y - 1.0), 1.0 - red);
              vec2 w = balanced_pair(p.x - 1.0, p.y, red);
              vec2 c = balanced_pair(p.x, p.y, red);
              vec2 e = balanced_pair(p.x + 1.0, p.y, red);
              vec2 s = balanced_pair(p.x, mirrored(p.y + 1.0), 1.0 - red);
              vec2 ss = balanced_pair(p.x, mirrored(p.y + 2.0), red);
              vec2 ns = n + s;
              vec2 far_ns = nn + ss;
              bool is_late = place(p.y) > 0.5;
              float own = is_late ? c.y : c.x;
              vec2 green = is_late ? vec2(c.x + e.x, ns.y) : vec2(w.y + c.y, ns.x);
              vec2 outer = is_late ? vec2(w.y + e.y, far_ns.y) : vec2(w.x + e.x, far_ns.x);
              vec2 v = (0.5 * own - 0.5 * green + 0.25 * outer) * unit + zero;
              gl_FragColor = vec4(in_bytes(v.x), in_bytes(v.y));
            }
            """
    }

    /// The paper's classifier: how much the differences change from a cell to the next one of its colour along the
    /// direction, summed over five by five cells, those of its own row (column) three times.
    static let choice = """
        vec2 both(float column, float y) {
          vec4 s = differences(column, y);
          return vec2(number(s.rg), number(s.ba));
        }
        void main() {
          vec2 p = floor(gl_FragCoord.xy) - origin;
          float o = place(p.y);
          float x = 2.0 * p.x + o;
          float w = column(x - 2.0);
          float e = column(x + 2.0);
          float nn = mirrored(p.y - 2.0);
          float n = mirrored(p.y - 1.0);
          float s = mirrored(p.y + 1.0);
          float ss = mirrored(p.y + 2.0);
          vec4 centre = differences(p.x, p.y);
          vec2 c = vec2(number(centre.rg), number(centre.ba));
          vec2 c_w = both(w, p.y);
          vec2 c_e = both(e, p.y);
          vec2 c_nw = both(w, nn);
          vec2 c_n = both(p.x, nn);
          vec2 c_ne = both(e, nn);
          vec2 c_sw = both(w, ss);
          vec2 c_s = both(p.x, ss);
          vec2 c_se = both(e, ss);
          float near_w = column(x - 1.0);
          float near_e = column(x + 1.0);
          vec2 nw = both(near_w, n);
          vec2 ne = both(near_e, n);
          vec2 sw = both(near_w, s);
          vec2 se = both(near_e, s);
          float across = 3.0 * (abs(c_w.x - c.x) + abs(c.x - c_e.x)) + abs(c_nw.x - c_n.x) + abs(c_n.x - c_ne.x)
            + abs(c_sw.x - c_s.x) + abs(c_s.x - c_se.x) + abs(nw.x - ne.x) + abs(sw.x - se.x);
          float down = 3.0 * (abs(c_n.y - c.y) + abs(c.y - c_s.y)) + abs(c_nw.y - c_w.y) + abs(c_w.y - c_sw.y)
            + abs(c_ne.y - c_e.y) + abs(c_e.y - c_se.y) + abs(nw.y - sw.y) + abs(ne.y - se.y);
          // Sums of whole numbers, some of which the fetches left a little off.
          float is_across = down > across - 0.5 ? 1.0 : 0.0;
          gl_FragColor = vec4(is_across > 0.5 ? centre.rg : centre.ba, is_across, 1.0);
        }
        """

    static let refined = """
        void main() {
          vec2 p = floor(gl_FragCoord.xy) - origin;
          vec4 s = differences(p.x, p.y);
          float x = 2.0 * p.x + place(p.y);
          bool is_across = s.b > 0.5;
          vec2 low = is_across ? vec2(column(x - 2.0), p.y) : vec2(p.x, mirrored(p.y - 2.0));
          vec2 high = is_across ? vec2(column(x + 2.0), p.y) : vec2(p.x, mirrored(p.y + 2.0));
          float c = number(s.rg);
          float u = (4.0 * c + number(differences(low.x, low.y).rg) + number(differences(high.x, high.y).rg)) / 6.0;
          // The direction takes the lowest bit: too little to matter to those who read the number and do not ask for it.
          float q = 2.0 * min(floor((c + 2.0 * u) / 6.0 + 0.5), 32767.0) + (is_across ? 1.0 : 0.0);
          gl_FragColor = vec4(in_bytes(u), in_bytes(q));
        }
        """

    static func pixels(_ depth: PixelReading.Depth) -> String {
        lattice(1) + pair(depth) + words + """
            void main() {
              vec2 p = floor(gl_FragCoord.xy) - origin;
              float red = is_red(p.y);
              float i = floor(0.5 * p.x + 0.01);
              vec2 cells = balanced_pair(i, p.y, red);
              float s = p.x - 2.0 * i > 0.5 ? cells.y : cells.x;
              float w = column(p.x - 1.0);
              float e = column(p.x + 1.0);
              float n = mirrored(p.y - 1.0);
              float below = mirrored(p.y + 1.0);
              bool is_green = mod(p.x + place(p.y), 2.0) > 0.5;
              // The four nearest red and blue cells: beside a green one, at the corners of another.
              vec4 one = differences(w, is_green ? p.y : n);
              vec4 two = differences(e, is_green ? p.y : n);
              vec4 three = differences(is_green ? i : w, is_green ? n : below);
              vec4 four = differences(is_green ? i : e, below);
              vec3 rgb;
              if (is_green) {
                vec2 means = vec2(number(one.rg) + number(two.rg), number(three.rg) + number(four.rg));
                means = (0.5 * means - zero) / unit + s;
                rgb = red > 0.5 ? vec3(means.x, s, means.y) : vec3(means.y, s, means.x);
              } else {
                vec4 c = differences(i, p.y);
                bool is_across = mod(floor(255.0 * c.b + 0.5), 2.0) > 0.5;
                vec2 low = is_across ? vec2(column(p.x - 2.0), p.y) : vec2(i, mirrored(p.y - 2.0));
                vec2 high = is_across ? vec2(column(p.x + 2.0), p.y) : vec2(i, mirrored(p.y + 2.0));
                float along = 2.0 * number(c.ba) + number(differences(low.x, low.y).ba)
                  + number(differences(high.x, high.y).ba);
                float around = number(one.ba) + number(two.ba) + number(three.ba) + number(four.ba);
                float green = s - (number(c.rg) - zero) / unit;
                float other = s + 0.25 * (around - along) / unit;
                rgb = red > 0.5 ? vec3(s, green, other) : vec3(other, green, s);
              }
              rgb = clamp(rgb, 0.0, 1.0);
            #ifdef SHADING
              rgb = min(rgb * gains_at(p.x, p.y), 1.0);
            #endif
              vec4 R = vec4(rgb.r);
              vec4 G = vec4(rgb.g);
              vec4 B = vec4(rgb.b);
              treat4(R, G, B);
              rgb = vec3(R.r, G.r, B.r);
            #ifdef IDENTITY
              gl_FragColor = vec4(rgb, 1.0);
            #else
              gl_FragColor = vec4(matrix * rgb + offset, 1.0);
            #endif
            }
            """
    }

    /// On the picture's own numbers, after the curve, where noise is about as strong in the dark as in the light. Brightness
    /// is blurred among what differs little, and what stands out of three by three pixels by more than noise is raised, but
    /// not far beyond what is there already: no halos. Colours are blurred farther, since the eye does not see them as sharp.
    static let detail = """
        uniform vec2 inverse0;
        uniform vec2 detail;
        const vec3 weights = vec3(0.2126, 0.7152, 0.0722);
        // Brightness, R - G, B - G.
        vec3 parts_at(vec2 at) {
          vec3 s = texture2D(plane0, (at + 0.5) * inverse0).rgb;
          return vec3(dot(s, weights), s.r - s.g, s.b - s.g);
        }
        // Of a pixel and its surroundings: the extremes, and the mean of differences.
        float low;
        float high;
        float blur;
        #ifdef NOISE
        // The mean of the small differences; sums of weighted differences of colours, and of the weights.
        float calm;
        vec3 colours;
        // 1 for no difference, less for larger ones, 0 from `limit` on.
        float likeness(float square, float limit) { return max(0.0, 1.0 - square / (limit * limit)); }
        void gather(vec3 d, float weight) {
          float w = weight * likeness(d.x * d.x, 6.0 * detail.y) * likeness(dot(d.yz, d.yz), 6.0 * detail.y);
          colours += w * vec3(d.yz, 1.0);
        }
        #endif
        void see(vec2 p, vec3 c, float x, float y, float weight) {
          vec3 s = parts_at(p + vec2(x, y));
          vec3 d = s - c;
          low = min(low, s.x);
          high = max(high, s.x);
          blur += weight * d.x;
        #ifdef NOISE
          calm += weight * d.x * likeness(d.x * d.x, 3.0 * detail.y);
          // Colours of neighbours come from the same cells; those farther off say more, and stand for more pixels.
          gather(d, 0.5);
          gather(parts_at(p + 3.0 * vec2(x, y)) - c, 1.0);
        #endif
        }
        void main() {
          vec2 p = floor(gl_FragCoord.xy) - origin;
          vec3 c = parts_at(p);
          low = c.x;
          high = c.x;
          blur = 0.0;
        #ifdef NOISE
          calm = 0.0;
          colours = vec3(0.0, 0.0, 1.0);
        #endif
          see(p, c, -1.0, -1.0, 0.0625);
          see(p, c, 0.0, -1.0, 0.125);
          see(p, c, 1.0, -1.0, 0.0625);
          see(p, c, -1.0, 0.0, 0.125);
          see(p, c, 1.0, 0.0, 0.125);
          see(p, c, -1.0, 1.0, 0.0625);
          see(p, c, 0.0, 1.0, 0.125);
          see(p, c, 1.0, 1.0, 0.0625);
          float raised = c.x + detail.x * (clamp(blur, -detail.y, detail.y) - blur);
        #ifdef NOISE
          raised += calm;
          c.yz += colours.xy / colours.z;
        #endif
          float room = 0.125 * (high - low);
          float green = clamp(raised, low - room, high + room) - weights.r * c.y - weights.b * c.z;
          vec3 rgb = clamp(vec3(green + c.y, green, green + c.z), 0.0, 1.0);
        #ifdef IDENTITY
          gl_FragColor = vec4(rgb, 1.0);
        #else
          gl_FragColor = vec4(matrix * rgb + offset, 1.0);
        #endif
        }
        """
}
