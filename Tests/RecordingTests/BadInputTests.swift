import CaptureCore
import Glibc
import LinuxSystem
import Testing

@testable import Recording

@Suite("What cannot be recorded is told")
struct BadInputTests {
    private func error(
        _ path: String, _ studio: Studio, _ settings: EncoderSettings = EncoderSettings(), rate: Double = 30
    ) throws -> CamdError {
        try #require(throws: CamdError.self) {
            _ = try Recorder(
                path: path, layout: studio.layout, nominalFrameRate: rate, encoder: settings, slotCount: 4)
        }
    }

    @Test("an encoder that does not exist, with those that do")
    func unknownEncoder() throws {
        let folder = try TemporaryFolder()
        let error = try error(folder.path("a.mkv"), Studio(), EncoderSettings(name: "libx246"))
        #expect(error.kind == .unavailable)
        #expect(error.subject.contains("libx246"))
        #expect(error.remedy?.contains("libx264,") == true)
        #expect(folder.names == [])
    }

    @Test("an encoder that takes no such frames, with those that it takes", arguments: ["ffv1", "aac", "h264"])
    func wrongFormat(name: String) throws {
        let folder = try TemporaryFolder()
        let error = try error(folder.path("a.mkv"), Studio(), EncoderSettings(name: name))
        #expect(error.kind == .unavailable)
        #expect(error.remedy?.contains("libx264,") == true)
        if name == "ffv1" { #expect(error.reason.contains("NV12") && error.reason.contains("yuv420p")) }
        #expect(folder.names == [])
    }

    @Test(
        "an option that does not exist, has no such value, or is not the user's",
        arguments: [
            ("presett", "fast", "no such option"), ("crf", "good", "good"), ("crf", "1e99", "out of range"),
            ("preset", "fastest", "fastest"), ("time_base", "1/25", "follows from the frames"),
            ("skip_frame", "all", "no such option"),
        ])
    func badOption(name: String, value: String, reason: String) throws {
        let folder = try TemporaryFolder()
        let error = try error(folder.path("a.mkv"), Studio(), EncoderSettings(options: [name: value]))
        #expect(error.reason.contains(reason), "\(error)")
        #expect(error.subject.contains("libx264"))
        if name != "preset" { #expect(error.subject.contains("\(name)=\(value)")) }
        #expect(folder.names == [])
    }

    @Test("a size that the encoder does not take")
    func oddSize() throws {
        let folder = try TemporaryFolder()
        let error = try error(folder.path("a.mkv"), Studio(width: 161, height: 120))
        #expect(error.reason.contains("width not divisible by 2 (161x120)"))
        #expect(error.remedy?.contains("160x120") == true)
    }

    @Test("an encoder that knows fixed rates only")
    func fixedRate() throws {
        let folder = try TemporaryFolder()
        let error = try error(folder.path("a.mkv"), Studio(.yuv420), EncoderSettings(name: "mpeg2video"))
        #expect(error.reason.contains("MPEG-1/2 does not support"))
    }

    @Test("a frame rate that is none", arguments: [0, -1, .nan, .infinity, 1e9])
    func badRate(rate: Double) throws {
        let folder = try TemporaryFolder()
        #expect(try error(folder.path("a.mkv"), Studio(), rate: rate).kind == .usage)
    }

    @Test("planes that do not fit into their buffers")
    func badLayout() throws {
        let folder = try TemporaryFolder()
        let good = try Studio().layout
        var layouts: [FrameLayout] = []
        func change(_ body: (inout FrameLayout) -> Void) {
            var layout = good
            body(&layout)
            layouts.append(layout)
        }
        change { $0.planes[1].offset += 1 << 20 }
        change { $0.planes[1].buffer = 1 }
        change { $0.planes[0].stride = 159 }
        change { $0.planes[0].stride = .max }
        change { $0.planes[0].offset = -1 }
        change { $0.planes.removeLast() }
        change { $0.width = 0 }
        change { $0.height = .max }
        change { $0.bufferSizes = [] }
        for layout in layouts {
            let error = try #require(throws: CamdError.self) {
                _ = try Recorder(path: folder.path("a.mkv"), layout: layout, nominalFrameRate: 30, slotCount: 4)
            }
            #expect(error.kind == .badData)
        }
        #expect(folder.names == [])
    }

    @Test("a frame in a buffer that is smaller than its layout")
    func shortBuffer() throws {
        let folder = try TemporaryFolder()
        let layout = try Studio().layout
        let small = FramePool(layout: layout, buffers: [[try DMABuf(plainMemory: 4096, origin: "test")]])
        let recorder = try Recorder(path: folder.path("a.mkv"), layout: layout, nominalFrameRate: 30, slotCount: 4)
        recorder.offer(small.lease(small.takeReturned().trailingZeroBitCount, .none))
        let error = try #require(throws: CamdError.self) { try recorder.finish(limitMilliseconds: 5000) }
        #expect(error.reason.contains("4096 bytes"))
        #expect(recorder.status.lost == [.encoderFailed: 1])
        #expect(small.freeCount == 1)
    }

    @Test("a name that no container has", arguments: ["a", "a.avi", "a.", ".mkv/a", "a.mkv\0.txt", ""])
    func badName(name: String) throws {
        let folder = try TemporaryFolder()
        let error = try error(folder.path(name), Studio())
        #expect(error.kind == .usage)
        #expect(error.remedy?.contains(".mkv, .mp4, .ts") == true)
        #expect(folder.names == [])
    }

    @Test("a codec that the container cannot hold")
    func wrongContainer() throws {
        let folder = try TemporaryFolder()
        let error = try error(folder.path("a.mp4"), Studio(.yuv420), EncoderSettings(name: "ffv1"))
        #expect(error.kind == .usage)
        #expect(error.reason == "a .mp4 file cannot hold what encoder ffv1 makes")
        #expect(folder.names == [])
    }

    @Test("a folder that is not there, a file in its place, a folder in the file's, and a name too long")
    func badFolder() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let missing = try error(folder.path("none/a.mkv"), studio)
        #expect(missing.kind == .cannotCreate)
        #expect(missing.errno == .noEntry)
        #expect(missing.reason.contains(folder.path("none")))
        #expect(missing.remedy?.contains("mkdir") == true)

        close(open(folder.path("file"), O_CREAT | O_WRONLY, 0o600))
        #expect(try error(folder.path("file/a.mkv"), studio).errno == .notDirectory)

        mkdir(folder.path("folder.mkv"), 0o700)
        defer { rmdir(folder.path("folder.mkv")) }
        #expect(try error(folder.path("folder.mkv"), studio).errno == .isDirectory)

        let long = String(repeating: "x", count: 300) + ".mkv"
        #expect(try error(folder.path(long), studio).remedy?.contains("shorter") == true)
    }

    @Test("a folder that nobody may write to, and one that is read-only")
    func noPermission() throws {
        let studio = try Studio()
        // Not even root makes a file in sysfs.
        let denied = try error("/sys/kernel/a.mkv", studio)
        #expect(denied.kind == .cannotCreate)
        #expect(denied.errno == .accessDenied || denied.errno == .notPermitted || denied.errno == .readOnly)
        #expect(denied.remedy?.hasPrefix("Choose another folder") == true || denied.remedy?.contains("right") == true)
        let readOnly = FileErrors.creating("/mnt/a.mkv", call: "open", errno: .readOnly)
        #expect(
            readOnly.description
                == "/mnt/a.mkv: open: EROFS: the file system is mounted read-only. "
                + "Choose another folder, or mount it read-write.")
    }

    @Test("a device that is full before the first frame; what was there before is not removed")
    func fullDevice() throws {
        let folder = try TemporaryFolder()
        symlink("/dev/full", folder.path("a.mkv"))
        let error = try error(folder.path("a.mkv"), Studio())
        #expect(error.errno == .noSpace)
        #expect(error.subject == folder.path("a.mkv"))
        #expect(folder.names == ["a.mkv"])
    }

    @Test("a new file that cannot be begun is not left behind")
    func noLeftovers() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio()
        let error = try #require(throws: CamdError.self) {
            _ = try Recorder(
                path: folder.path("a.mkv"), layout: studio.layout, nominalFrameRate: 30, encoder: EncoderSettings(),
                slotCount: 4, failureBell: nil, limits: nil, calls: Disk(bytes: 100).calls)
        }
        #expect(error.errno == .noSpace)
        #expect(folder.names == [])
    }

    @Test("a pipe in the file's place is no endless wait")
    func pipe() throws {
        let folder = try TemporaryFolder()
        mkfifo(folder.path("a.mkv"), 0o600)
        #expect(try error(folder.path("a.mkv"), Studio()).reason.contains("a pipe or a device"))
        let reader = open(folder.path("a.mkv"), O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        #expect(try error(folder.path("a.mkv"), Studio()).reason.contains("a pipe or a device"))
    }

    @Test("a file that another recording writes to is let be; an old one is replaced")
    func existingFile() throws {
        let folder = try TemporaryFolder()
        let studio = try Studio(width: 64, height: 64)
        let path = folder.path("a.mkv")
        let fd = open(path, O_CREAT | O_WRONLY, 0o600)
        ftruncate(fd, 1_000_000)
        close(fd)
        // Not for a recording that never begins.
        _ = try error(path, studio, EncoderSettings(name: "nonsense"))
        #expect(try bytes(of: path).count == 1_000_000)

        let first = try Recorder(path: path, layout: studio.layout, nominalFrameRate: 30, slotCount: 4)
        for index in 0..<40 { first.offer(try studio.frame(index, nanoseconds: UInt64(index) * 33_366_700)) }
        let error = try error(path, studio)
        #expect(error.kind == .temporary)
        #expect(error.reason == "another recording writes to this file")
        #expect(try first.finish(limitMilliseconds: 5000).frames == 40)
        #expect(try Probe(path).seconds.count == 40)
        var status = stat()
        stat(path, &status)
        #expect(status.st_size < 100_000)
    }
}
