import Glibc
import LinuxSystem
import Testing

@testable import Stills

@Suite("A whole file")
struct WholeFileTests {
    private func write(_ path: String, _ content: [UInt8], mode: mode_t = 0o640) throws(CamdError) {
        try WholeFile.write(path, mode: mode, content.span.bytes)
    }

    @Test("has its content and mode, and nothing else is in the folder")
    func written() throws {
        let folder = try TemporaryFolder()
        let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        try write(folder.path("a"), content, mode: 0o604)
        #expect(try bytes(of: folder.path("a")) == content)
        var status = stat()
        stat(folder.path("a"), &status)
        #expect(status.st_mode & 0o777 == 0o604)
        #expect(folder.names == ["a"])
        // Empty ones too, and in place of an old one.
        try write(folder.path("a"), [])
        #expect(try bytes(of: folder.path("a")) == [])
        #expect(folder.names == ["a"])
    }

    @Test("is not there before it is whole, and the old one stays when it fails")
    func fails() throws {
        let folder = try TemporaryFolder()
        let content = [UInt8](repeating: 7, count: 10_000)
        try write(folder.path("old"), [1, 2, 3])
        for name in ["old", "new"] {
            var seen: [String] = []
            var calls = 0
            let error = try #require(throws: CamdError.self) {
                try WholeFile.write(folder.path(name), mode: 0o640, content.span.bytes) { fd, bytes, count in
                    calls += 1
                    if calls < 3 { return Glibc.write(fd, bytes, min(count, 4000)) }
                    seen = folder.names
                    errno = ENOSPC
                    return -1
                }
            }
            #expect(error.errno == .noSpace)
            #expect(error.subject == folder.path(name))
            #expect(error.remedy?.contains(folder.path) == true)
            // While it was written only a hidden file was there.
            #expect(seen.count == 2 && seen[0].hasPrefix(".camd-") && seen[1] == "old")
            #expect(folder.names == ["old"])
            #expect(try bytes(of: folder.path("old")) == [1, 2, 3])
        }
    }

    @Test("goes on after a signal and a short write")
    func interrupted() throws {
        let folder = try TemporaryFolder()
        let content = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        var calls = 0
        try WholeFile.write(folder.path("a"), mode: 0o640, content.span.bytes) { fd, bytes, count in
            calls += 1
            if calls % 2 == 1 {
                errno = EINTR
                return -1
            }
            return Glibc.write(fd, bytes, min(count, 300))
        }
        #expect(try bytes(of: folder.path("a")) == content)
    }

    @Test("in a folder that is not there, or in the place of a folder, is told")
    func badPaths() throws {
        let folder = try TemporaryFolder()
        func error(_ path: String) throws -> CamdError {
            try #require(throws: CamdError.self) { try write(path, [1]) }
        }
        let missing = try error(folder.path("none/a.jpg"))
        #expect(missing.kind == .cannotCreate)
        #expect(missing.errno == .noEntry)
        #expect(missing.subject == folder.path("none/a.jpg"))
        #expect(missing.remedy?.contains("mkdir") == true)
        #expect(try error(folder.path + "/").errno != nil)
        #expect(try error("").kind == .usage)
        #expect(try error(folder.path("a\0b")).kind == .usage)
        #expect(try error(folder.path(String(repeating: "x", count: 300))).remedy?.contains("shorter") == true)
        #expect(try error("/sys/kernel/a.jpg").kind == .cannotCreate)
        mkdir(folder.path("sub"), 0o700)
        defer { rmdir(folder.path("sub")) }
        #expect(try error(folder.path("sub")).errno == .isDirectory)
        #expect(folder.names == ["sub"])
    }
}
