import CaptureCore
import CTIFF
import LinuxSystem

/// The tags of the directory that an open TIFF file is at.
struct DNGDirectory {
    /// Borrowed from a `TIFFHandle` that outlives this value.
    let file: OpaquePointer
    let path: String

    func bad(_ reason: String, remedy: String? = nil) -> CamdError {
        CamdError(.badData, subject: path, reason: reason, remedy: remedy)
    }

    /// libtiff's names of the tags that a picture depends on.
    static let namesThatCount = [
        "SubfileType", "ImageWidth", "ImageLength", "BitsPerSample", "Compression", "PhotometricInterpretation",
        "Orientation", "SamplesPerPixel", "RowsPerStrip", "SampleFormat", "SubIFD", "CFARepeatPatternDim", "CFAPattern",
        "CFAPlaneColor", "CFALayout", "DNGVersion", "DNGBackwardVersion", "LinearizationTable", "BlackLevelRepeatDim",
        "BlackLevel", "BlackLevelDeltaH", "BlackLevelDeltaV", "WhiteLevel", "DefaultCropOrigin", "DefaultCropSize",
        "ActiveArea", "ColorMatrix1", "ColorMatrix2", "CameraCalibration1", "CameraCalibration2", "AnalogBalance",
        "AsShotNeutral", "AsShotWhiteXY", "BaselineExposure", "CalibrationIlluminant1", "CalibrationIlluminant2",
    ]

    // MARK: Values

    /// Numbers of a tag (TIFFGetField), the first `most` of them; nil where there is no such tag.
    func numbers(_ tag: CInt, most: Int = 64) -> [Double]? {
        var count = 0
        let numbers = [Double](unsafeUninitializedCapacity: most) { buffer, filled in
            count = ctiff_numbers(file, UInt32(tag), buffer.baseAddress, most)
            filled = min(max(0, count), most)
        }
        return count > 0 ? numbers : nil
    }

    /// Exactly so many finite numbers; nil where there is no such tag.
    func numbers(_ tag: CInt, _ name: String, count: Int) throws(CamdError) -> [Double]? {
        guard let numbers = numbers(tag, most: count + 1) else { return nil }
        guard numbers.count == count, numbers.allSatisfy(\.isFinite) else {
            throw bad("\(name) is not \(count) number\(count == 1 ? "" : "s")")
        }
        return numbers
    }

    /// A whole number from 0 on; `absent` where there is no such tag.
    func number(_ tag: CInt, absent: Int) -> Int {
        guard let number = numbers(tag, most: 1)?.first, number >= 0, number < 0x1p53 else { return absent }
        return Int(number)
    }

    /// At most 200 characters, without what is no text; nil where nothing is left.
    func text(_ tag: CInt) -> String? {
        guard let bytes = ctiff_text(file, UInt32(tag)) else { return nil }
        let scalars = String(cString: bytes).unicodeScalars.filter {
            $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value)
        }
        let text = String(String.UnicodeScalarView(scalars.prefix(200)))
        let words = text.split(separator: " ")
        return words.isEmpty ? nil : words.joined(separator: " ")
    }

    // MARK: What the file is

    func checkVersion() throws(CamdError) {
        guard let version = try numbers(TIFFTAG_DNGVERSION, "DNGVersion", count: 4) else {
            throw bad(
                "it is a TIFF file but no DNG: DNGVersion is missing",
                remedy: "Convert other raw photos to DNG first.")
        }
        // What a reader has to be able to do at least; without it, the file's own version with its last part left open.
        let least = try numbers(TIFFTAG_DNGBACKWARDVERSION, "DNGBackwardVersion", count: 4) ?? version
        guard least[0] <= 1 else {
            throw bad("it wants a reader of DNG \(Int(least[0])).\(Int(least[1])), which camd is not: it knows DNG 1")
        }
    }

    /// Whether there is a mosaic here that is not a smaller version of another one.
    var isRaw: Bool {
        number(TIFFTAG_PHOTOMETRIC, absent: -1) == Int(PHOTOMETRIC_CFA) && number(TIFFTAG_SUBFILETYPE, absent: 0) == 0
    }

    /// What the directory holds, in words.
    var kind: String {
        let size = "\(number(TIFFTAG_IMAGEWIDTH, absent: 0))x\(number(TIFFTAG_IMAGELENGTH, absent: 0))"
        let words =
            switch number(TIFFTAG_PHOTOMETRIC, absent: -1) {
            case Int(PHOTOMETRIC_CFA): "a smaller mosaic"
            case 34_892: "a linear image (debayered already)"
            case Int(PHOTOMETRIC_RGB), Int(PHOTOMETRIC_YCBCR): "a picture"
            case Int(PHOTOMETRIC_MINISBLACK), Int(PHOTOMETRIC_MINISWHITE): "a grey picture"
            case -1: "an image of a kind that is not said"
            case let other: "an image of kind \(other)"
            }
        return "\(words) of \(size)"
    }

    func orientation() -> RawFrame.Orientation {
        RawFrame.Orientation(rawValue: number(TIFFTAG_ORIENTATION, absent: 1)) ?? .upright
    }

    // MARK: Colours

    func color() throws(CamdError) -> RawColor {
        var color = RawColor()
        if let neutral = try numbers(TIFFTAG_ASSHOTNEUTRAL, "AsShotNeutral", count: 3) {
            guard neutral.allSatisfy({ $0 > 0 }) else { throw bad("AsShotNeutral has a 0 in it: \(neutral)") }
            color.neutral = neutral
        }
        if let white = try numbers(TIFFTAG_ASSHOTWHITEXY, "AsShotWhiteXY", count: 2) {
            guard white[0] > 0.01, white[1] > 0.01, white[0] + white[1] < 0.99 else {
                throw bad("AsShotWhiteXY is no colour: \(white)")
            }
            color.white = Chromaticity(x: white[0], y: white[1])
        }
        if let balance = try numbers(TIFFTAG_ANALOGBALANCE, "AnalogBalance", count: 3) {
            guard balance.allSatisfy({ $0 > 0 }) else { throw bad("AnalogBalance has a 0 in it: \(balance)") }
            color.analogBalance = balance
        }
        color.baselineExposure = try numbers(TIFFTAG_BASELINEEXPOSURE, "BaselineExposure", count: 1)?[0] ?? 0
        let forwardMatrix1: CInt = 50_964
        let forwardMatrix2: CInt = 50_965
        for (number, tags) in [
            (1, (TIFFTAG_CALIBRATIONILLUMINANT1, TIFFTAG_COLORMATRIX1, TIFFTAG_CAMERACALIBRATION1, forwardMatrix1)),
            (2, (TIFFTAG_CALIBRATIONILLUMINANT2, TIFFTAG_COLORMATRIX2, TIFFTAG_CAMERACALIBRATION2, forwardMatrix2)),
        ] {
            guard let matrix = try matrix(tags.1, "ColorMatrix\(number)") else { break }
            guard matrix.inverse != nil else { throw bad("ColorMatrix\(number) has no inverse: \(matrix.numbers)") }
            color.calibrations.append(
                RawColor.Calibration(
                    illuminant: self.number(tags.0, absent: 0), colorMatrix: matrix,
                    forwardMatrix: try self.matrix(tags.3, "ForwardMatrix\(number)"),
                    cameraCalibration: try self.matrix(tags.2, "CameraCalibration\(number)") ?? .identity))
        }
        return color
    }

    private func matrix(_ tag: CInt, _ name: String) throws(CamdError) -> Matrix3? {
        guard let numbers = try numbers(tag, name, count: 9) else { return nil }
        guard numbers.allSatisfy({ abs($0) < 1e4 }) else { throw bad("\(name) makes no sense: \(numbers)") }
        return Matrix3(numbers: numbers)
    }
}
