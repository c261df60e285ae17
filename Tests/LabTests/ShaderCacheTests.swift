import Glibc
import Testing

/// The driver's cache of compiled programs.
@Suite(.serialized) struct ShaderCacheTests {
    /// As in a service: no home to write to, and a cache folder.
    private func service(_ cache: String) -> [String] {
        ["env", "-u", "XDG_CACHE_HOME", "HOME=/proc", "CACHE_DIRECTORY=\(cache)", "MESA_SHADER_CACHE_SHOW_STATS=1"]
    }

    private func bytes(_ folder: String) throws -> Int {
        let result = try run(["du", "-sb", folder])
        return try #require(Int(result.text.split(separator: "\t").first ?? ""))
    }

    @Test func `a service's second start finds all programs compiled`() throws {
        let cache = try Scratch.folder()
        func misses() throws -> Int {
            let result = try run(
                service(cache) + [
                    Program.camd, "snapshot", "--camera", "/dev/camera/vivid0", "-o", cache + "/photo.jpg", "--size",
                    "320x180",
                ])
            #expect(result.status == 0, "\(result.errors)")
            let line = (result.text + result.errors).split(separator: "\n").first { $0.contains("disk shader cache") }
            let text = try #require(line, "the driver tells of its cache: \(result.text) \(result.errors)")
            return try #require(Int(text.split(separator: " ").last ?? ""))
        }
        #expect(try misses() > 5)
        #expect(try misses() == 0)
    }

    @Test func `all programs are compiled at the start, none with the first frames`() throws {
        let cache = try Scratch.folder()
        let daemon = try Daemon(
            ["--size", "320x180", "--fps", "30"], camera: "/dev/camera/vivid0", through: service(cache))
        // The driver writes its cache in the background.
        var before = 0
        #expect(
            try eventually {
                let last = before
                usleep(500_000)
                before = try bytes(cache + "/mesa_shader_cache_db")
                return before == last
            })
        #expect(before > 100_000)
        #expect(try daemon.call("start", "-o", daemon.folder + "/video.mkv").status == 0)
        #expect(try daemon.call("snapshot", "-o", daemon.folder + "/photo.jpg").status == 0)
        sleep(2)
        #expect(try daemon.call("stop").status == 0)
        #expect(try bytes(cache + "/mesa_shader_cache_db") == before)
        #expect(try daemon.stop().status == 0)
    }
}
