import CaptureCore
import Glibc
import LinuxSystem
import Recording

extension Inventory {
    /// Tries all that the main job needs, one after the other, and says what to do about what fails. With a camera, or
    /// on a machine that has one, the paths are tried too, which starts its stream for a moment.
    static func doctor(camera: String?, gpu: String? = nil) -> DoctorReport {
        var report = DoctorReport(checks: [], path: nil, refused: [], ok: false)
        checkCameras(camera, &report)
        checkBuffers(&report)
        checkGPU(gpu, &report)
        checkEncoder(&report)
        if let camera = camera ?? CameraEnumerator.list().first?.node { checkPath(camera, gpu, &report) }
        report.ok = report.checks.allSatisfy { $0.ok || !$0.needed }
        return report
    }

    private static func checkCameras(_ wanted: String?, _ report: inout DoctorReport) {
        guard wanted != PatternStream.id else { return }
        let problems = CameraEnumerator.unusable()
        let cameras = CameraEnumerator.list()
        if cameras.isEmpty {
            report.checks.append(
                .init(
                    name: "camera", ok: false, needed: wanted == nil,
                    detail: problems.first?.withoutRemedy ?? "no video node that captures is there",
                    remedy: problems.isEmpty
                        ? "Plug a camera in; see the kernel's log (dmesg) whether its driver was loaded."
                        : problems[0].remedy))
        } else {
            report.checks.append(
                .init(
                    name: "camera", ok: true, needed: true,
                    detail: cameras.map { "\($0.id) (\($0.name), \($0.driver), \($0.node))" }.joined(separator: "; "),
                    remedy: nil))
        }
        for problem in problems where problem.kind == .noPermission {
            report.checks.append(
                .init(
                    name: "permission", ok: false, needed: false, detail: problem.withoutRemedy, remedy: problem.remedy)
            )
        }
    }

    private static func checkBuffers(_ report: inout DoctorReport) {
        let choice: HeapChoice
        do throws(CamdError) {
            choice = try HeapChoice.forMachine(heaps: [], need: .anything, bytes: 1 << 20)
        } catch {
            report.checks.append(
                .init(name: "buffers", ok: false, needed: false, detail: error.withoutRemedy, remedy: error.remedy))
            return
        }
        let sources = BufferSource.everything
        for source in sources { report.checks.append(check(source, choice)) }
        report.chosen = choice.sources.first?.plainName
        report.reason = choice.reason
        let hasHeaps = sources.contains { $0 != .udmabuf }
        if !hasHeaps {
            report.checks.append(
                .init(
                    name: "heaps", ok: false, needed: false,
                    detail: "no dma-buf heap is there"
                        + (choice.sources.isEmpty ? "" : ": udmabuf takes their place, which is never in one piece"),
                    remedy: Heap.kernelRemedy))
        }
        guard let first = choice.sources.first else {
            report.checks.append(
                .init(
                    name: "buffers", ok: false, needed: false,
                    detail: "neither a heap nor udmabuf gives buffers: frames stay in the driver's memory, pictures "
                        + "are copied",
                    remedy: hasHeaps
                        ? "See above what each of them needs."
                        : "Turn on CONFIG_DMABUF_HEAPS with CONFIG_DMABUF_HEAPS_SYSTEM, or CONFIG_UDMABUF."))
            return
        }
        report.checks.append(
            .init(
                name: "buffers", ok: true, needed: false,
                detail: "for a camera that takes any memory camd chooses \(first.plainName): \(choice.reason)",
                remedy: nil))
    }

    /// Whether a source gives buffers now, how fast the CPU reads them, and why it is not taken, if so.
    private static func check(_ source: BufferSource, _ choice: HeapChoice) -> DoctorReport.Check {
        guard !isProtected(source) else {
            return .init(
                name: source.name, ok: true, needed: false,
                detail: "its memory is protected: it is never used, for no CPU can read it", remedy: nil)
        }
        do throws(CamdError) {
            _ = try source.allocate(1 << 20)
            let measured = try HeapMemory.standard.measurement(of: source)
            var detail = "gives buffers; " + words(measured)
            if let refusal = choice.refusals.first(where: { $0.source == source }) {
                detail += "; not taken: \(refusal.reason)"
            }
            return .init(name: source.name, ok: true, needed: false, detail: detail, remedy: nil)
        } catch {
            return .init(name: source.name, ok: false, needed: false, detail: error.withoutRemedy, remedy: error.remedy)
        }
    }

    private static func words(_ measured: HeapMeasurement) -> String {
        let verdict =
            switch measured.caching {
            case .cached: "measured as cached"
            case .unsure: "whether it is cached is unsure"
            case .uncached: "measured as uncached"
            }
        return verdict + " (the CPU reads it in \(Console.fixed(measured.millisecondsPerMegabyte, 2)) ms/MB, "
            + "ordinary memory in \(Console.fixed(measured.ordinaryMillisecondsPerMegabyte, 2)))"
    }

    private static func checkGPU(_ node: String?, _ report: inout DoctorReport) {
        do throws(CamdError) {
            let gpu = try GPUStage.probe(GPUSetup(node: node))
            report.gpu = .init(platform: gpu.platform, node: gpu.node, renderer: gpu.renderer, resets: 0)
            report.refused += gpu.refusals.map {
                .init(stage: $0.stage.rawValue, path: $0.path, reason: $0.reason)
            }
            report.checks.append(
                .init(
                    name: "gpu", ok: true, needed: true,
                    detail: "\(gpu.renderer)\(gpu.isSoftware ? ", in software" : ""), "
                        + "\(gpu.importsDMABufs ? "imports" : "does not import") dma-bufs, "
                        + "\(gpu.fences) fences, found by \(gpu.platform)\(gpu.node.map { " on \($0)" } ?? "")",
                    remedy: gpu.importsDMABufs ? nil : "Mesa 24.2 or later imports dma-bufs in software."))
        } catch {
            report.checks.append(
                .init(name: "gpu", ok: false, needed: true, detail: error.withoutRemedy, remedy: error.remedy))
        }
    }

    private static func checkEncoder(_ report: inout DoctorReport) {
        let name = RecordingRequest.defaultEncoder
        let isThere = EncoderList.hasVideo(name)
        let devices = CameraEnumerator.encoders().map { device in
            "\(device.node) (\(device.name)) makes \(device.codecs.map(\.description).joined(separator: " "))"
        }
        report.checks.append(
            .init(
                name: "encoder", ok: isThere, needed: true,
                detail: "\(name) is \(isThere ? "there" : "not in libavcodec"); "
                    + (devices.isEmpty ? "no V4L2 encoder" : "V4L2: " + devices.joined(separator: ", ")),
                remedy: isThere ? nil : "Install FFmpeg's libavcodec with x264, or choose another --encoder."))
    }

    private static func checkPath(_ camera: String, _ gpu: String?, _ report: inout DoctorReport) {
        do throws(CamdError) {
            let session = try CameraSession(SessionRequest(camera: camera, gpu: gpu))
            defer { session.close() }
            let deadline = Deadline(afterMilliseconds: 3000)
            while session.status().frames < 3, session.failure == nil, !deadline.hasPassed { usleep(20_000) }
            if let failure = session.failure { throw failure }
            let status = session.status()
            report.path = status.path
            report.refused = status.refused
            let isStreaming = status.frames >= 3
            report.checks.append(
                .init(
                    name: "stream", ok: isStreaming, needed: true,
                    detail: "\(status.camera): \(status.format) \(status.width)x\(status.height), "
                        + "\(status.frames) frames within 3 s",
                    remedy: isStreaming ? nil : "See the kernel's log (dmesg)."))
        } catch {
            report.checks.append(
                .init(name: "stream", ok: false, needed: true, detail: error.withoutRemedy, remedy: error.remedy))
        }
    }
}
