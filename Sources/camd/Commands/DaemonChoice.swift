import CaptureCore
import LinuxSystem

/// Whether a command goes through the daemon, or opens the camera itself.
enum DaemonChoice {
    /// The daemon's camera, if a daemon listens and this camera is meant. Throws where it is meant, but does not stream
    /// what is wanted of it. `changesMode`: the daemon is going to be asked for another size, rate or format where that
    /// differs.
    static func camera(
        of daemon: inout DaemonConnection, for request: SessionRequest, changesMode: Bool = false
    ) throws(CamdError) -> CameraStatus? {
        let cameras: [CameraStatus]
        do throws(CamdError) {
            cameras = try daemon.status()
        } catch {
            // Which camera it owns is not for this user to know; another one may still be free.
            if error.kind == .noPermission, request.camera != nil { return nil }
            throw error
        }
        guard let status = cameras.first(where: { request.camera == nil || $0.isCamera(request.camera ?? "") }) else {
            return nil
        }
        try check(status, against: request, changesMode: changesMode)
        return status
    }

    /// The daemon's buffers were chosen when it started, and its mode by whoever recorded last: what is wanted besides has
    /// to be what there is.
    static func check(
        _ status: CameraStatus, against request: SessionRequest, changesMode: Bool = false
    ) throws(CamdError) {
        if !changesMode {
            if let width = request.width, let height = request.height, (width, height) != (status.width, status.height)
            {
                throw differs(
                    status, "its frames are \(status.width)x\(status.height), not \(width)x\(height)", "--size")
            }
            if let format = request.pixelFormat, format.description != status.format {
                throw differs(status, "its frames are \(status.format), not \(format)", "--pixel-format")
            }
        }
        try checkView(status, against: request, changesMode: changesMode)
        if !request.heaps.isEmpty, !request.heaps.contains(where: { $0 == status.heap }) {
            throw differs(status, "its buffers are of \(status.heap ?? "no heap")", "--heap")
        }
        if let gpu = request.gpu, gpu != status.gpu?.node {
            throw differs(status, "it draws with \(status.gpu?.node ?? status.gpu?.renderer ?? "another GPU")", "--gpu")
        }
        if request.requireZeroCopy, status.bytesCopiedPerFrame > 0 {
            throw differs(
                status, "it copies \(Console.fixed(status.bytesCopiedPerFrame, 0)) bytes for each frame",
                "--require-zero-copy")
        }
    }

    private static func checkView(
        _ status: CameraStatus, against request: SessionRequest, changesMode: Bool
    ) throws(CamdError) {
        guard !changesMode, request.view != ViewWish() else { return }
        let frame = FrameSize(status.width, status.height)
        let wanted = CameraStatus.View(try request.view.photo(of: frame), of: frame)
        let has = status.view
        guard (wanted.crop, wanted.rotate, wanted.mirror) != (has.crop, has.rotate, has.mirror) else { return }
        throw differs(
            status, "it shows \(has.crop), turned by \(has.rotate) degrees\(has.mirror ? " and mirrored" : "")",
            "--crop, --zoom, --rotate and --mirror")
    }

    private static func differs(_ status: CameraStatus, _ reason: String, _ option: String) -> CamdError {
        CamdError(
            .unavailable, subject: "camera \(status.camera)", reason: "the daemon streams it already, and \(reason)",
            remedy: "Leave \(option) out, or give it to 'camd serve'.")
    }
}
