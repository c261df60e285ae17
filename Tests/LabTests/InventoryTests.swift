import Testing

/// `list`, `heaps` and `doctor` on the lab's machine.
@Suite(.serialized) struct InventoryTests {
    @Test func `list shows the cameras and no output or codec`() throws {
        let answer = try decode(ListAnswer.self, camd("list", "--json"))
        #expect(answer.cameras.filter { $0.driver == "vivid" }.count == 4)
        #expect(answer.cameras.filter { $0.driver == "vimc" }.count == 3)
        #expect(!answer.cameras.contains { $0.driver == "vicodec" || $0.driver == "vim2m" })
        let vivid = try #require(answer.cameras.first { $0.driver == "vivid" })
        let yuyv = try #require(vivid.formats.first { $0.fourcc == "YUYV" })
        #expect(yuyv.sizes.contains("1280x720"))
        #expect(Set(answer.cameras.map(\.id)).count == answer.cameras.count, "ids are unique")
        #expect(try camd("list").text.contains(vivid.node))
    }

    @Test func `an id from the list opens the camera`() throws {
        let answer = try decode(ListAnswer.self, camd("list", "--json"))
        let vivid = try #require(answer.cameras.first { $0.driver == "vivid" })
        let photo = try Scratch.folder() + "/photo.jpg"
        let result = try camd("snapshot", "--camera", vivid.id, "-o", photo)
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test func `heaps names the system heap and what is chosen`() throws {
        let answer = try decode(HeapsAnswer.self, camd("heaps", "--json"))
        #expect(answer.heaps.contains { $0.name == "system" && $0.path == "/dev/dma_heap/system" })
        #expect(answer.chosen == "system")
        #expect(try camd("heaps").text.contains("system"))
    }

    @Test func `heaps measures on request, in words and as JSON`() throws {
        let answer = try decode(HeapsAnswer.self, camd("heaps", "--probe", "--json"))
        let system = try #require(answer.heaps.first { $0.name == "system" })
        let read = try #require(system.readMillisecondsPerMegabyte)
        let ordinary = try #require(system.ordinaryMillisecondsPerMegabyte)
        #expect(read > 0 && ordinary > 0)
        let ratio = read / ordinary
        #expect(system.caching == (ratio <= 2 ? "cached" : ratio > 4 ? "uncached" : "unsure"))
        #expect(system.cached == (ratio <= 2 ? true : ratio > 4 ? false : nil))
        #expect(system.contiguous == false)
        #expect(system.conforms)
    }

    @Test func `a device that a cgroup refuses is told as such`() throws {
        // EPERM to root is what DevicePolicy= gives; a seccomp rule that strace injects looks the same to the program.
        let result = try run([
            "strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-P", "/dev/dma_heap/system", "-e", "trace=openat,open",
            "-e",
            "inject=openat,open:error=EPERM", Program.camd, "doctor", "--camera", "test",
        ])
        #expect(result.text.contains("DeviceAllow=char-dma_heap"), "\(result.text) \(result.errors)")
    }

    @Test func `a heap that only root may open is told with the udev rule`() throws {
        let result = try run([
            "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", Program.camd, "doctor", "--camera",
            "test",
        ])
        #expect(result.text.contains("SUBSYSTEM==\"dma_heap\""), "\(result.text) \(result.errors)")
    }

    @Test func `doctor finds the lab's machine well, and shows the paths`() throws {
        let answer = try decode(DoctorAnswer.self, camd("doctor", "--camera", "/dev/camera/vivid0", "--json"))
        #expect(answer.ok)
        #expect(answer.path?.capture == "import:heap:system")
        for name in ["camera", "heap:system", "udmabuf", "gpu", "encoder", "stream"] {
            #expect(answer.checks.contains { $0.name == name && $0.ok }, "\(name)")
        }
    }

    @Test func `doctor says what is missing and how to mend it, and fails`() throws {
        let result = try camd(
            "doctor", "--camera", "/dev/camera/vivid0", environment: ["__EGL_VENDOR_LIBRARY_DIRS=/nowhere"])
        #expect(result.status != 0)
        #expect((result.text + result.errors).contains("libegl-mesa0"))
    }
}
