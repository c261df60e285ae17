import Glibc
import LinuxSystem
import Testing

@testable import CaptureCore

/// GPUs that are named by their nodes, and found through GBM. The lab's two are displays without a GPU: Mesa draws in software
/// there (kms_swrast), and gives buffers of the display's.
@Suite(.serialized) struct GPUNodeTests {
    private static let camera = "/dev/camera/vivid0"

    @Test func `without a name the GPU is found on the surfaceless platform, and that is told`() throws {
        let result = try camd("doctor", "--camera", Self.camera, "--json")
        let doctor = try decode(DoctorAnswer.self, result)
        #expect(doctor.gpu?.platform == "surfaceless")
        #expect(doctor.gpu?.renderer.contains("llvmpipe") == true)
        #expect(doctor.gpu?.node == nil)
    }

    @Test func `without the surfaceless platform the first render node is taken, and the refusal is told`() throws {
        var setup = GPUSetup()
        setup.faults.hidden = ["EGL_MESA_platform_surfaceless"]
        let ability = try GPUStage.probe(setup)
        #expect(ability.platform == "gbm")
        #expect(ability.node == "/dev/dri/renderD128")
        #expect(ability.refusals.map(\.path) == ["surfaceless"])
        #expect(ability.refusals.first?.reason.contains("EGL_MESA_platform_surfaceless") == true)
    }

    @Test func `with neither platform both refusals are told`() throws {
        var setup = GPUSetup()
        setup.faults.hidden = ["EGL_MESA_platform_surfaceless", "EGL_KHR_platform_gbm", "EGL_MESA_platform_gbm"]
        let error = #expect(throws: CamdError.self) { _ = try GPUStage.probe(setup) }
        #expect(error?.reason.contains("surfaceless: ") == true, "\(String(describing: error))")
        #expect(error?.reason.contains("gbm:/dev/dri/renderD128: ") == true, "\(String(describing: error))")
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var node: String
        var output: String
        var testDescription: String { node }
    }

    @Test(arguments: [
        Case(node: "/dev/dri/card0", output: "gbm"), Case(node: "/dev/dri/card1", output: "gbm"),
        // A render node gives no display's buffers: what is drawn has to be read back.
        Case(node: "/dev/dri/renderD128", output: "readback"),
    ])
    func `a video and a photo through GBM have true colours, and what is copied is told`(_ this: Case) throws {
        let daemon = try Daemon(
            ["--size", "640x360", "--fps", "30", "--pixel-format", "NV12", "--gpu", this.node],
            camera: Self.camera)
        let (video, photo) = (daemon.folder + "/video.mkv", daemon.folder + "/photo.jpg")
        #expect(try daemon.call("start", "-o", video).status == 0)
        #expect(try daemon.call("snapshot", "-o", photo, "--quality", "95", "--gpu", this.node).status == 0)
        sleep(2)
        #expect(try daemon.call("stop").status == 0)
        let status = try daemon.status()
        #expect(status.gpu?.platform == "gbm")
        #expect(status.gpu?.node == this.node)
        #expect(status.gpu?.renderer.contains("llvmpipe") == true)
        #expect(status.path.output == this.output, "\(status.refused)")
        // Mesa's own fault in software on GBM: see docs/paths.md.
        #expect(status.path.gpu == "upload")
        #expect(status.refused.contains { $0.path == "eglimage" && $0.reason.contains("kms_swrast") })
        let oneWay = 640.0 * 360 * 1.5
        #expect(status.bytesCopiedPerFrame > 0)
        if this.output == "gbm" {
            #expect(status.bytesCopiedPerFrame <= oneWay, "frames go in by a copy, pictures come out without")
            #expect(status.refused.contains { $0.stage == "output" && $0.path == "heap:system" })
        }
        let elsewhere = try daemon.call("snapshot", "-o", photo, "--gpu", "/dev/dri/nothing")
        #expect(elsewhere.status == 69)
        #expect(elsewhere.errors.contains("it draws with \(this.node)"), "\(elsewhere.errors)")
        #expect(try daemon.stop().status == 0)
        #expect(Pictures.worst(try Pictures.barsOfVideo(video, frame: 20)) <= 3)
        #expect(Pictures.worst(try Pictures.barsOfPhoto(photo).bars) <= 3)
    }

    @Test func `a node that cannot be used is an error that says what to do`() throws {
        func record(_ node: String, by command: [String] = []) throws -> Program.Result {
            let file = try Scratch.folder() + "/video.mkv"
            return try run(
                command + [
                    Program.camd, "record", "--camera", "test", "-o", file, "--duration", "1", "--gpu", node,
                    "--socket",
                    "/tmp/no-socket",
                ])
        }
        let missing = try record("/dev/dri/renderD200")
        #expect(missing.status == 66)
        #expect(missing.errors.contains("/dev/dri/renderD200: open: ENOENT"), "\(missing.errors)")
        #expect(missing.errors.contains("/dev/dri/renderD128"), "\(missing.errors)")
        let other = try record("/dev/null")
        #expect(other.status == 66)
        #expect(other.errors.contains("it is no DRM device"), "\(other.errors)")
        let forbidden = try record(
            "/dev/dri/renderD128", by: ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
        #expect(forbidden.status == 77, "\(forbidden.errors)")
        #expect(forbidden.errors.contains("SupplementaryGroups=render"), "\(forbidden.errors)")
        // EPERM to root is what DevicePolicy= gives; a seccomp rule that strace injects looks the same to the program.
        let closed = try record(
            "/dev/dri/renderD128",
            by: [
                "strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-P", "/dev/dri/renderD128", "-e",
                "trace=openat,open", "-e", "inject=openat,open:error=EPERM",
            ])
        #expect(closed.status == 77, "\(closed.errors)")
        #expect(closed.errors.contains("DeviceAllow=char-drm"), "\(closed.errors)")
        let relative = try record("renderD128")
        #expect(relative.status == 64)
    }
}
