import Glibc
import Testing

@testable import CaptureCore

@Suite struct ShaderCacheTests {
    private func folder(_ environment: [String: String], writable: Set<String> = []) -> String? {
        ShaderCache.folder(environment, isWritable: writable.contains)
    }

    @Test func `a service without a home keeps compiled programs in its cache folder`() {
        #expect(folder(["CACHE_DIRECTORY": "/var/cache/camd", "HOME": "/"]) == "/var/cache/camd")
        #expect(folder(["CACHE_DIRECTORY": "/var/cache/camd"]) == "/var/cache/camd")
        #expect(folder(["CACHE_DIRECTORY": "/var/cache/camd:/var/cache/other"]) == "/var/cache/camd")
        // The driver looks at one variable only.
        #expect(
            folder(
                ["CACHE_DIRECTORY": "/var/cache/camd", "XDG_CACHE_HOME": "/nowhere", "HOME": "/root"],
                writable: ["/root/.cache"]) == "/var/cache/camd")
    }

    @Test func `what the driver finds by itself, and what the user says, stays`() {
        let home = ["CACHE_DIRECTORY": "/var/cache/camd", "HOME": "/root"]
        #expect(folder(home, writable: ["/root/.cache"]) == nil)
        #expect(folder(home.merging(["MESA_SHADER_CACHE_DIR": "/tmp/x"]) { $1 }) == nil)
        #expect(folder(["HOME": "/"]) == nil)
        #expect(folder(["CACHE_DIRECTORY": "cache", "HOME": "/"]) == nil, "a folder is named by its whole path")
    }

    @Test func `a folder can be written to when it is there and ours, or can be made`() throws {
        var template = Array("/tmp/camd-test-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            rmdir(folder + "/.cache")
            rmdir(folder)
        }
        #expect(ShaderCache.isWritable(folder))
        #expect(ShaderCache.isWritable(folder + "/.cache"))
        #expect(!ShaderCache.isWritable(folder + "/not-there/.cache"))
        #expect(!ShaderCache.isWritable("/proc/.cache"))
        #expect(!ShaderCache.isWritable("/proc/version/.cache"))
        #expect(!ShaderCache.isWritable("tmp"))
    }
}
