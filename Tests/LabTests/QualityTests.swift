import CaptureCore
import FoundationEssentials
import Glibc
import GoldenSupport
import LinuxSystem
import Testing

/// What comes out of `camd develop`, held against photographs and a colour checker (Tests/Golden).
@Suite(.serialized) struct QualityTests {
    private struct Photos: Decodable {
        struct Photo: Decodable {
            var name: String
            var width: Int
            var height: Int
        }
        var photos: [Photo]
    }

    private func python(_ arguments: String...) throws -> Program.Result {
        // Debian's own, which has numpy and Pillow; the tree is not to be written to.
        try run(["/usr/bin/python3", "-B"] + arguments, limitSeconds: 120)
    }

    @Test func `photographs are debayered as well as Malvar's filters do for video, and Menon's for stills`() throws {
        let folder = try Scratch.folder()
        let made = try python("Tests/Golden/make-photos.py", folder)
        try #require(made.status == 0, "\(made.errors)")
        let photos = try JSONDecoder().decode(Photos.self, from: Data(Program.read(folder + "/photos.json"))).photos
        #expect(photos.count >= 8)
        for (quality, reference, margin) in [("video", "malvar", "0.1"), ("still", "menon", "0.3")] {
            for photo in photos {
                let stem = folder + "/" + photo.name
                let developed = try camd(
                    "develop", stem + ".raw", "-o", "\(stem).\(quality).ppm", "--size",
                    "\(photo.width)x\(photo.height)", "--pixel-format", "RGGB", "--neutral", "--quality", quality)
                try #require(developed.status == 0, "\(developed.errors)")
            }
            let judged = try python(
                "Tests/Golden/psnr.py", folder, quality, "--against", reference, "--margin", margin)
            #expect(judged.status == 0, "\(judged.text)")
        }
    }

    /// The folder that make-charts.py fills.
    private func charts() throws -> String {
        let folder = try Scratch.folder()
        let made = try python("Tests/Golden/make-charts.py", folder)
        try #require(made.status == 0, "\(made.errors)")
        return folder
    }

    /// Looks for the chart's colours in a picture. A mean CIEDE2000 of one is sharper than the two that are asked for: a wrong
    /// matrix of Y'CbCr costs 2.3.
    private func judge(_ folder: String, _ picture: String) throws {
        let judged = try python("Tests/Golden/deltae.py", folder + "/chart.json", picture, "--limit", "1")
        #expect(judged.status == 0, "\(judged.text)\(judged.errors)")
    }

    @Test(arguments: ["ppm", "jpg"])
    func `a colour checker comes out with its colours`(_ ending: String) throws {
        let folder = try charts()
        try #require(rename(folder + "/chart.yuyv", folder + "/chart.raw") == 0)
        let developed = try camd(
            "develop", folder + "/chart.raw", "-o", folder + "/out." + ending, "--size", "592x400", "--pixel-format",
            "YUYV")
        try #require(developed.status == 0, "\(developed.errors)")
        try judge(folder, folder + "/out." + ending)
    }

    /// `.dng`: a camera's own primaries, black level and white balance are to be undone. `.raw`: bare light.
    @Test(arguments: ["dng", "raw"], ["video", "still"])
    func `a sensor's colour checker comes out with its colours`(_ file: String, _ quality: String) throws {
        let folder = try charts()
        for format in ["BA81", "RG10", "BA12"] {
            let input = folder + "/\(format.lowercased()).\(file)"
            for ending in ["ppm", "jpg"] {
                let output = folder + "/\(format).\(ending)"
                let what = file == "raw" ? ["--size", "592x400", "--pixel-format", format] : []
                let developed = try run(
                    [Program.camd, "develop", input, "-o", output, "--quality", quality] + what)
                try #require(developed.status == 0, "\(developed.errors)")
                try judge(folder, output)
            }
        }
    }

    @Test func `a colour checker in each matrix and range comes out with its colours`() throws {
        let folder = try charts()
        let matrices: [(String, Colorimetry.Matrix)] = [("bt601", .bt601), ("bt709", .bt709), ("bt2020", .bt2020)]
        let ranges: [(String, Colorimetry.Range)] = [("limited", .limited), ("full", .full)]
        let developer = try Developer(memory: .heap(Heap(name: "system")))
        for (matrixName, matrix) in matrices {
            for (rangeName, range) in ranges {
                let color = Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: matrix, range: range)
                let layout = try #require(FrameLayout(.nv12, width: 592, height: 400, color: color))
                let bytes = try Program.read(folder + "/\(matrixName)-\(rangeName).nv12")
                let picture = try developer.develop(layout, [bytes], look: .neutral, kind: .rgba)
                let pixels = try picture.lease.tight()
                var ppm = Array("P6\n592 400\n255\n".utf8)
                for (index, byte) in pixels.enumerated() where index % 4 != 3 { ppm.append(byte) }
                let output = folder + "/\(matrixName)-\(rangeName).ppm"
                let file = try FileDescriptor.open(output, O_CREAT | O_WRONLY)
                #expect(write(file.rawValue, ppm, ppm.count) == ppm.count)
                try judge(folder, output)
            }
        }
    }
}
