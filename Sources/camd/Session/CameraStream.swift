import CaptureCore
import LinuxSystem
import Recording

/// An open camera in one mode: where its frames come from, and who gets them.
final class CameraStream: Sendable {
    let request: SessionRequest
    let source: any FrameSource
    /// Nil where nothing is asked of it: a recording whose encoder takes the camera's frames as they are.
    let gpu: GPUStage?
    let direct = DirectVideo()
    /// What videos show.
    let view: PictureView
    /// An encoder that takes the camera's frames reads them as they come.
    let isDirect: Bool
    /// What the GPU's pictures are like.
    let picture: EncoderList.Picture

    /// Opens the camera, negotiates the paths and starts the stream. Blocks for up to some seconds. `log` takes what is worth to
    /// be logged of the GPU.
    init(
        _ request: SessionRequest, stock: BufferStock, log: @escaping @Sendable (String) -> Void,
        ended: @escaping @Sendable (CamdError) -> Void
    ) throws(CamdError) {
        let source = try Self.open(request, stock)
        let layout = source.pool.layout
        let size = FrameSize(layout.width, layout.height)
        view = try request.view.video(of: size)
        isDirect = view.isAll(of: size) ? try Self.canBeDirect(source, encoder: request.encoder) : false
        // An encoder that is not there is told when something is recorded; photos need none.
        picture =
            (try? EncoderList.picture(for: request.encoder, width: view.width, height: view.height))
            ?? EncoderList.Picture()
        var gpu: GPUStage?
        if !(isDirect && request.isForRecordingOnly && request.gpu == nil) {
            var plan = Self.plan(layout.color, PixelReading(layout.format))
            plan.video = view
            plan.hasVideo = !isDirect
            plan.videoShape = picture.shape
            plan.videoColor = picture.color(plan.videoColor)
            plan.still = try request.view.photo(of: size)
            if request.hasQuickPhotos { plan.stillLook.quality = .video }
            let choice = try HeapChoice.forMachine(
                heaps: request.heaps, need: .anything, bytes: view.width * view.height * 3 / 2, stock: stock)
            let stage = try GPUStage(
                source: source.pool, writes: DriverWrites(source.writes, isIncoherent: request.isIncoherent),
                plan: plan, choice: choice, stock: stock, setup: GPUSetup(node: request.gpu, told: log), ended: ended)
            gpu = stage
        }
        if request.requireZeroCopy { try Self.refuseCopies(source, gpu) }
        do throws(CamdError) {
            try source.start(
                isWanted: { [direct, gpu] in direct.isWanted || gpu?.wantsFrames == true },
                sink: { [direct, gpu] frame in
                    direct.offer(frame)
                    gpu?.offer(frame)
                }, ended: ended)
        } catch {
            gpu?.stop()
            throw error
        }
        self.request = request
        self.source = source
        self.gpu = gpu
    }

    func stop() {
        source.stop()
        gpu?.stop()
    }

    /// What becomes of frames of these colours. Where a sensor gives light itself, the debayer's passes put the curve on.
    static func plan(_ color: Colorimetry, _ reading: PixelReading?) -> PicturePlan {
        var plan = PicturePlan(videoColor: color.asVideo)
        if reading?.isBayer == true, color.transfer == .linear {
            plan.look.curve = .bt709
            plan.stillLook.curve = .sRGB
        }
        return plan
    }

    private static func open(_ request: SessionRequest, _ stock: BufferStock) throws(CamdError) -> any FrameSource {
        var size: FrameSize?
        if let width = request.width, let height = request.height { size = FrameSize(width, height) }
        let wish = FormatWish(
            format: request.pixelFormat, size: size, framesPerSecond: request.framesPerSecond,
            avoidsConversion: request.requireZeroCopy)
        if request.camera == PatternStream.id {
            return try PatternStream(wish: wish, heaps: request.heaps, stock: stock)
        }
        let wanted: String
        if let camera = request.camera {
            wanted = camera
        } else if let first = CameraEnumerator.list().first {
            wanted = first.node
        } else {
            throw CamdError(
                .noInput, subject: "camera", reason: "this machine shows no camera",
                remedy: "Plug one in, see `camd doctor`, or use the built-in pattern: --camera test.")
        }
        let place = try CameraEnumerator.node(of: wanted)
        let camera = try CaptureStream(
            node: try VideoNode(path: place.node), id: place.id, wish: wish, heaps: request.heaps,
            buffers: { layout in
                request.buffers
                    ?? (mayBeDirect(layout.format) ? directBuffers(layout) : VideoNode.usualBuffers)
            }, stock: stock)
        guard camera.pool.layout.isOpaque else { return camera }
        return try ConvertedStream(camera, heaps: request.heaps, stock: stock)
    }

    // MARK: Frames that encoders take as they are

    /// What every player decodes once it is compressed. 4:2:2 would be encoded as it is, too, but phones and browsers do not
    /// play that.
    private static func mayBeDirect(_ format: PixelFormat) -> Bool {
        [.nv12, .nv12M, .nv21, .nv21M, .yuv420, .yuv420M, .yvu420, .yvu420M].contains(format)
    }

    /// The encoder's queue is made of capture buffers then, where there would be pictures of the GPU.
    private static func directBuffers(_ layout: FrameLayout) -> Int {
        min(12, max(VideoNode.usualBuffers, (16 << 20) / max(1, layout.bufferSizes.reduce(0, +))))
    }

    private static func canBeDirect(_ source: any FrameSource, encoder: String) throws(CamdError) -> Bool {
        let layout = source.pool.layout
        guard mayBeDirect(layout.format), layout.color.asVideo == layout.color,
            source.pool.slotCount > source.buffersOfItsOwn, EncoderList.hasVideo(encoder, taking: layout)
        else { return false }
        if EncoderList.isDevice(encoder) { return true }
        // The CPU reads each byte several times.
        for buffer in source.pool.buffers[0] where try !HeapProbe.isCached(buffer) { return false }
        return true
    }

    private static func refuseCopies(_ source: any FrameSource, _ gpu: GPUStage?) throws(CamdError) {
        var copies: [String] = []
        if let conversion = source.conversion { copies.append(conversion.work) }
        if gpu?.report.gpuPath == "upload" { copies.append("frames are uploaded to the GPU") }
        if gpu?.report.outputPath == "readback" { copies.append("pictures are read back from the GPU") }
        guard copies.isEmpty else {
            let reasons = (source.refusals + (gpu?.report.refusals ?? [])).map { "\($0.path): \($0.reason)" }
            gpu?.stop()
            throw CamdError(
                .unavailable, subject: "camera \(source.identity.node)",
                reason:
                    "without a copy is not to be had: \(copies.joined(separator: ", ")) (\(reasons.joined(separator: "; ")))",
                remedy: "Leave --require-zero-copy out to accept counted copies.")
        }
    }
}

extension CameraStream {
    /// Whether the stream is as wanted, so that nothing has to be changed for it.
    func has(_ mode: StreamMode) -> Bool {
        let layout = source.pool.layout
        return mode.pixelFormat ?? source.cameraFormat == source.cameraFormat
            && mode.width ?? layout.width == layout.width
            && mode.height ?? layout.height == layout.height && mode.view ?? request.view == request.view
            && isRate(source.framesPerSecond, mode.framesPerSecond)
    }

    /// Drivers round: two rates that differ by less than 2 % are one.
    private func isRate(_ rate: Double?, _ wanted: Double?) -> Bool {
        guard let wanted else { return true }
        return rate.map { abs($0 - wanted) <= wanted * 0.02 } ?? false
    }

    /// Whether it gives what an encoder can be given.
    func canRecord(with encoder: String) -> Bool {
        if isDirect { return EncoderList.hasVideo(encoder, taking: source.pool.layout) }
        guard let wanted = try? EncoderList.picture(for: encoder, width: view.width, height: view.height) else {
            return true
        }
        return wanted == picture
    }

    /// What it says of itself; of recordings it knows nothing.
    var status: CameraStatus {
        let counts = source.ledger.snapshot
        let identity = source.identity
        let layout = source.pool.layout
        let conversion = source.conversion
        let copied = (gpu?.counts.bytesCopied ?? 0) + (conversion?.bytesCopied ?? 0)
        return CameraStatus(
            camera: identity.id, name: identity.name, driver: identity.driver, node: identity.node,
            format: source.cameraFormat.description, width: layout.width, height: layout.height,
            fps: counts.framesPerSecond,
            numbered: counts.numbered, frames: counts.delivered, dropped: counts.dropped, corrupt: counts.corrupt,
            starved: counts.starved,
            late: counts.late,
            bytesCopiedPerFrame: counts.delivered == 0 ? 0 : Double(copied) / Double(counts.delivered),
            buffers: .init(asked: source.buffers.asked, granted: source.buffers.granted),
            path: .init(
                capture: source.capturePath, convert: conversion?.path, gpu: gpu?.report.gpuPath ?? "none",
                output: gpu?.report.outputPath ?? "none", video: isDirect ? "direct" : "gpu"),
            refused: (source.refusals + (gpu?.report.refusals ?? [])).map {
                .init(stage: $0.stage.rawValue, path: $0.path, reason: $0.reason)
            },
            heap: source.heapName, view: .init(view, of: FrameSize(layout.width, layout.height)), recording: nil,
            gpu: gpu.map {
                .init(
                    platform: $0.report.platform, node: $0.report.node, renderer: $0.report.renderer,
                    resets: $0.counts.resets)
            })
    }
}
