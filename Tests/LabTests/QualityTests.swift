import FoundationEssentials
import Glibc
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

    @Test(arguments: ["ppm", "jpg"])
    func `a colour checker comes out with its colours`(_ ending: String) throws {
        let folder = try Scratch.folder()
        let made = try python("Tests/Golden/make-charts.py", folder)
        try #require(made.status == 0, "\(made.errors)")
        try #require(rename(folder + "/chart.yuyv", folder + "/chart.raw") == 0)
        let developed = try camd(
            "develop", folder + "/chart.raw", "-o", folder + "/out." + ending, "--size", "592x400", "--pixel-format",
            "YUYV")
        try #require(developed.status == 0, "\(developed.errors)")
        // One is sharper than the two that are asked for: a wrong matrix costs 2.3.
        let judged = try python(
            "Tests/Golden/deltae.py", folder + "/chart.json", folder + "/out." + ending, "--limit", "1")
        #expect(judged.status == 0, "\(judged.text)")
    }
}
