import Glibc
import LinuxSystem
import Testing

/// Every arm of the path table: the path that is told, and the same picture through each.
@Suite(.serialized) struct PathTests {
    struct Arm: Sendable, CustomTestStringConvertible {
        var name: String
        var camera: String
        var format: String
        var path: String
        var heap: String?
        var arguments: [String] = []
        /// Runs the daemon where these are not to be seen.
        var hides: [String] = []
        /// A path that has to be told as refused, and a word of the reason.
        var refused: (path: String, word: String)?

        var testDescription: String { name }
    }

    static let arms: [Arm] = [
        Arm(name: "heap", camera: "vivid0", format: "YUYV", path: "import:heap:system", heap: "system"),
        Arm(
            name: "udmabuf by name", camera: "vivid0", format: "YUYV", path: "import:udmabuf",
            arguments: ["--heap", "udmabuf"]),
        Arm(name: "no heaps", camera: "vivid0", format: "YUYV", path: "import:udmabuf", hides: ["/dev/dma_heap"]),
        Arm(
            name: "cache hints, no dma-buf source", camera: "vivid3", format: "YUYV", path: "mmap-noncoherent",
            hides: ["/dev/dma_heap", "/dev/udmabuf"], refused: ("import:udmabuf", "ENOENT")),
        Arm(
            name: "contiguous only", camera: "vivid1", format: "YUYV", path: "mmap",
            refused: ("import:heap:system", "contiguous")),
        Arm(
            name: "nothing of ours", camera: "vivid0", format: "YUYV", path: "mmap",
            hides: ["/dev/dma_heap", "/dev/udmabuf"], refused: ("mmap-noncoherent", "cache hints")),
        Arm(
            name: "32 buffers", camera: "vivid0", format: "YUYV", path: "import:heap:system", heap: "system",
            arguments: ["--buffers", "32"]),
        Arm(name: "NV12", camera: "vivid0", format: "NV12", path: "import:heap:system", heap: "system"),
        Arm(
            name: "NV12 with a buffer for each plane", camera: "vivid2", format: "NM12", path: "import:heap:system",
            heap: "system"),
        Arm(
            name: "NV12 in one buffer of a multi-planar queue", camera: "vivid2", format: "NV12",
            path: "import:heap:system", heap: "system"),
        Arm(name: "YUV420", camera: "vivid0", format: "YU12", path: "import:heap:system", heap: "system"),
        Arm(
            name: "YUV420 with a buffer for each plane", camera: "vivid2", format: "YM12", path: "import:heap:system",
            heap: "system"),
        Arm(name: "NV16", camera: "vivid0", format: "NV16", path: "import:heap:system", heap: "system"),
        Arm(
            name: "NV16 with a data offset", camera: "vivid2", format: "NM16", path: "import:heap:system",
            heap: "system"),
        Arm(
            name: "multi-planar, nothing of ours", camera: "vivid2", format: "NM12", path: "mmap",
            hides: ["/dev/dma_heap", "/dev/udmabuf"]),
    ]

    /// The first arm of each group of formats that hold the same numbers is what the others are compared with.
    private static func reference(of format: String) -> String {
        ["NM12": "NV12", "YM12": "YU12", "NM16": "NV16"][format] ?? format
    }

    private func photo(_ arm: Arm) throws -> (status: Status, pixels: [UInt8]) {
        // The counter and clock that vivid writes into its picture differ from frame to frame.
        let quiet = try run(["v4l2-ctl", "-d", "/dev/camera/\(arm.camera)", "-c", "osd_text_mode=2"])
        try #require(quiet.status == 0, "\(quiet.errors)")
        let daemon = try Daemon(
            ["--size", "1280x720", "--fps", "30", "--pixel-format", arm.format] + arm.arguments,
            camera: "/dev/camera/\(arm.camera)",
            hides: arm.hides)
        let file = daemon.folder + "/photo.jpg"
        let taken = try daemon.call("snapshot", "-o", file, "--quality", "95")
        #expect(taken.status == 0, "\(taken.errors)")
        let status = try daemon.status()
        #expect(try daemon.stop().status == 0)
        return (status, try Program.read(file))
    }

    @Test(arguments: arms)
    func `an arm of the path table is taken, told, and gives the same picture`(_ arm: Arm) throws {
        let (status, pixels) = try photo(arm)
        #expect(status.path.capture == arm.path, "refused: \(status.refused)")
        #expect(status.heap == arm.heap)
        // With no memory of ours at all a picture can only be read back from the GPU, and that is counted.
        let isReadBack = arm.hides.contains("/dev/udmabuf")
        #expect((status.path.output == "readback") == isReadBack)
        #expect((status.bytesCopiedPerFrame > 0) == isReadBack)
        if let (path, word) = arm.refused {
            #expect(status.refused.contains { $0.path == path && $0.reason.contains(word) }, "\(status.refused)")
        }
        let first = try #require(Self.arms.first { $0.format == Self.reference(of: arm.format) })
        if first.name == arm.name {
            let file = try Scratch.folder() + "/photo.jpg"
            let out = try FileDescriptor.open(file, O_CREAT | O_WRONLY)
            #expect(write(out.rawValue, pixels, pixels.count) == pixels.count)
            let picture = try Pictures.barsOfPhoto(file)
            #expect(Pictures.worst(picture.bars) <= 3, "\(picture.bars)")
        } else {
            #expect(try photo(first).pixels == pixels, "the picture differs from that of \(first.name)")
        }
    }

    @Test func `a GPU that cannot import is told, and each copy is counted`() throws {
        let file = try Scratch.folder() + "/video.mkv"
        let arguments = [
            "record", "--camera", "/dev/camera/vivid0", "-o", file, "--size", "640x360", "--pixel-format", "YUYV",
            "--duration", "1", "--json",
        ]
        let blind = ["MESA_EXTENSION_OVERRIDE=-GL_OES_EGL_image"]
        let status = try decode(Status.self, run([Program.camd] + arguments, environment: blind))
        #expect(status.path.gpu == "upload")
        #expect(status.path.output == "readback")
        #expect(status.bytesCopiedPerFrame > 640 * 360)
        #expect(status.refused.contains { $0.stage == "gpu" && $0.reason.contains("GL_OES_EGL_image") })
        let refused = try run([Program.camd] + arguments + ["--require-zero-copy"], environment: blind)
        #expect(refused.status == 69)
        #expect(refused.errors.contains("--require-zero-copy"))
    }
}

/// The order of DMA_BUF_IOCTL_SYNC against the driver's ownership, seen from outside.
@Suite(.serialized) struct SyncOrderTests {
    private func record(_ more: [String] = [], environment: [String] = []) throws -> (Witness, Status) {
        let file = try Scratch.folder() + "/video.mkv"
        let (witness, result) = try Witness.run(
            [
                "record", "--camera", "/dev/camera/vivid0", "-o", file, "--size", "640x360", "--pixel-format", "YUYV",
                "--duration", "3", "--json",
            ] + more,
            environment: environment)
        return (witness, try decode(Status.self, result))
    }

    /// The descriptors of the capture buffers, by slot.
    private func captureBuffers(_ witness: Witness) -> [Int: Int] {
        var buffers: [Int: Int] = [:]
        for event in witness.events where event.name == "queue" { buffers[event.slot] = event.descriptor }
        return buffers
    }

    @Test func `nothing is synced on an imported capture buffer that only the GPU reads`() throws {
        let (witness, status) = try record()
        #expect(status.path.capture == "import:heap:system")
        let capture = Set(captureBuffers(witness).values)
        #expect(capture.count == 8)
        let syncs = witness.events.filter { $0.name == "sync" && $0.thread != "camd" && $0.thread != "camd-gl" }
        #expect(!syncs.isEmpty, "the encoder's reads are bracketed")
        // From the first buffer that is queued on: before, heaps may be measured in buffers of the same numbers.
        let first = try #require(witness.events.firstIndex { $0.name == "queue" })
        #expect(!witness.events[first...].contains { $0.name == "sync" && capture.contains($0.descriptor) })
    }

    @Test func `each CPU read stands between START and END, and never while the driver owns the buffer`() throws {
        // A GPU that cannot import makes the CPU read every imported capture buffer.
        let (witness, status) = try record(environment: ["MESA_EXTENSION_OVERRIDE=-GL_OES_EGL_image"])
        #expect(status.path.capture == "import:heap:system")
        #expect(status.path.gpu == "upload")
        let slots = captureBuffers(witness)
        let slotOf = Dictionary(uniqueKeysWithValues: slots.map { ($1, $0) })
        var isDrivers: [Int: Bool] = [:]
        var isOpen: [Int: Bool] = [:]
        var reads = 0
        for event in witness.events {
            switch event.name {
            case "queue":
                #expect(isOpen[event.slot] != true, "slot \(event.slot) is queued inside a bracket")
                isDrivers[event.slot] = true
            case "dequeue": isDrivers[event.slot] = false
            case "sync":
                guard let slot = slotOf[event.descriptor] else { continue }
                // Buffers were zeroed and tried before the stream; from the first frame on the order counts.
                guard isDrivers[slot] != nil, reads > 0 || isDrivers[slot] == false else { continue }
                #expect(isDrivers[slot] == false, "slot \(slot) is synced while the driver owns it")
                let isEnd = event.value & Witness.end != 0
                #expect(isOpen[slot, default: false] == isEnd, "START and END take turns")
                isOpen[slot] = !isEnd
                if !isEnd { reads += 1 }
            default: break
            }
        }
        #expect(reads >= 60)
        #expect(!isOpen.values.contains(true))
    }

    @Test func `every picture that the encoder reads is opened and closed once`() throws {
        let (witness, status) = try record()
        let frames = try #require(status.recording?.frames)
        let ofEncoder = witness.events.filter { $0.name == "sync" && $0.thread == "camd-encode" }
        #expect(ofEncoder.filter { $0.value & Witness.end == 0 }.count == frames)
        #expect(ofEncoder.filter { $0.value & Witness.end != 0 }.count == frames)
    }

    @Test func `a driver's own writes are published for a GPU that does not look into caches`() throws {
        let (witness, status) = try record(environment: ["CAMD_COHERENT=no"])
        let capture = Set(captureBuffers(witness).values)
        let published = witness.events.filter {
            $0.name == "sync" && capture.contains($0.descriptor) && $0.thread == "camd-gl"
        }
        #expect(published.filter { $0.value == 2 | Witness.end }.count >= (status.recording?.frames ?? .max))
        #expect(published.allSatisfy { $0.value & 1 == 0 }, "nothing is invalidated")
        // In each buffer's life: dequeued, published, queued.
        let slotOf = Dictionary(uniqueKeysWithValues: captureBuffers(witness).map { ($1, $0) })
        var isDrivers: [Int: Bool] = [:]
        for event in witness.events {
            switch event.name {
            // Buffers were tried before the stream: from its first frame on the order counts.
            case "queue" where isDrivers[event.slot] != nil: isDrivers[event.slot] = true
            case "dequeue": isDrivers[event.slot] = false
            case "sync" where event.thread == "camd-gl" && event.value == 2 | Witness.end:
                guard let slot = slotOf[event.descriptor] else { continue }
                #expect(isDrivers[slot] != true, "slot \(slot) is published while the driver owns it")
            default: break
            }
        }
    }

    @Test func `what the driver wrote into memory of its own is copied in for such a GPU, and that is told`() throws {
        let daemon = try Daemon(
            ["--size", "320x180", "--fps", "30"], camera: "/dev/camera/vivid0",
            hides: ["/dev/dma_heap", "/dev/udmabuf"], through: ["env", "CAMD_COHERENT=no"])
        let status = try daemon.status()
        #expect(status.path.capture == "mmap")
        #expect(status.path.gpu == "upload")
        #expect(status.refused.contains { $0.path == "eglimage" && $0.reason.contains("caches") }, "\(status.refused)")
        #expect(try daemon.stop().status == 0)
    }

    @Test func `the capture thread allocates nothing for a frame`() throws {
        let (witness, status) = try record()
        #expect(status.frames >= 60)
        let frames = witness.events.indices.filter { witness.events[$0].name == "dequeue" }
        let steady = witness.events[frames[5]...frames[frames.count - 2]]
        let allocations = steady.filter { $0.name == "allocate" }
        #expect(allocations.isEmpty, "\(allocations.count) allocations in \(frames.count) frames")
        // The witness does see allocations: where the stream is set up, and in the GPU's thread.
        #expect(witness.events.contains { $0.name == "elsewhere" && $0.value > 100 })
    }

    @Test func `a frame costs the capture thread at most four system calls`() throws {
        let folder = try Scratch.folder()
        // clock_gettime is no system call but on a kernel without a vDSO, as the lab's is. Under strace all but the driver is
        // slow; with more buffers it never runs short of them, for which the thread would be woken once more.
        let result = try run(
            [
                "strace", "-f", "--seccomp-bpf", "-e", "trace=!clock_gettime", "-o", folder + "/trace", Program.camd,
                "record", "--camera", "/dev/camera/vivid0", "-o", folder + "/video.mkv", "--size", "640x360", "--fps",
                "15",
                "--buffers", "16", "--duration", "10", "--json",
            ], limitSeconds: 150)
        _ = try decode(Status.self, result)
        let lines = String(decoding: try Program.read(folder + "/trace"), as: UTF8.self).split(separator: "\n")
        let dequeue = try #require(lines.last { $0.contains("VIDIOC_DQBUF") })
        let thread = try #require(dequeue.split(separator: " ").first)
        // A call that another thread's interrupts is written twice, "unfinished" and "resumed": it counts once.
        let own = lines.filter { $0.split(separator: " ").first == thread && !$0.contains("resumed>") }
        let frames = own.indices.filter { own[$0].contains("VIDIOC_DQBUF") }
        try #require(frames.count > 60)
        let steady = frames[20]..<frames[frames.count - 5]
        let perFrame = Double(steady.count) / Double(frames.count - 25)
        #expect(perFrame <= 4.0, "\(perFrame) system calls a frame")
    }
}
