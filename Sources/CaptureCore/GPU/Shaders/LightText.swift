/// The shaders' text for a change of primaries or of the curve between light and numbers: `seen(s)` makes of a source's three
/// components those that are wanted.
enum LightText {
    static func text(from: Colorimetry.Transfer, to: Colorimetry.Transfer) -> String {
        """
        uniform mat3 gamut;
        uniform mat3 coding;
        uniform vec3 coding_offset;
        vec3 light_of(vec3 s) { return \(light(from)); }
        vec3 numbers_of(vec3 s) { return \(numbers(to)); }
        vec3 seen(vec3 s) {
          vec3 light = clamp(gamut * light_of(clamp(matrix * s + offset, 0.0, 1.0)), 0.0, 1.0);
          return coding * numbers_of(light) + coding_offset;
        }

        """
    }

    /// What is taken for white of SMPTE ST 2084's 10,000 cd/m2, as the kernel's test drivers have it: what is brighter is cut off.
    static let hdrWhite = 100.0 / 10_000

    /// Light from 0 to 1, of numbers `s` from 0 to 1.
    private static func light(_ transfer: Colorimetry.Transfer) -> String {
        switch transfer {
        case .linear: "s"
        case .bt709: choice("s / 4.5", "pow((s + 0.099) / 1.099, vec3(1.0 / 0.45))", "0.081")
        case .sRGB: choice("s / 12.92", "pow((s + 0.055) / 1.055, vec3(2.4))", "0.04045")
        case .smpte240m: choice("s / 4.0", "pow((s + 0.1115) / 1.1115, vec3(1.0 / 0.45))", "0.0913")
        case .opRGB: "pow(s, vec3(2.19921875))"
        case .dciP3: "pow(s, vec3(2.6))"
        case .smpte2084:
            """
            pow(max(pow(s, vec3(0.0126833)) - 0.8359375, 0.0) / (18.8515625 - 18.6875 * pow(s, vec3(0.0126833))), \
            vec3(6.2773946)) / \(hdrWhite)
            """
        }
    }

    /// The other way.
    private static func numbers(_ transfer: Colorimetry.Transfer) -> String {
        switch transfer {
        case .linear: "s"
        case .bt709: choice("s * 4.5", "1.099 * pow(s, vec3(0.45)) - 0.099", "0.018")
        case .sRGB: choice("s * 12.92", "1.055 * pow(s, vec3(1.0 / 2.4)) - 0.055", "0.0031308")
        case .smpte240m: choice("s * 4.0", "1.1115 * pow(s, vec3(0.45)) - 0.1115", "0.0228")
        case .opRGB: "pow(s, vec3(1.0 / 2.19921875))"
        case .dciP3: "pow(s, vec3(1.0 / 2.6))"
        case .smpte2084:
            """
            pow((0.8359375 + 18.8515625 * pow(s * \(hdrWhite), vec3(0.1593018))) \
            / (1.0 + 18.6875 * pow(s * \(hdrWhite), vec3(0.1593018))), vec3(78.84375))
            """
        }
    }

    /// The straight piece of a curve up to a number, the other one beyond it.
    private static func choice(_ low: String, _ high: String, _ end: String) -> String {
        "mix(\(low), \(high), step(\(end), s))"
    }
}
