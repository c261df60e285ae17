import CEGL
import Glibc
import LinuxSystem

/// The end of all GPU work that was submitted before it was made. Used on the GL thread.
struct GPUFence: ~Copyable {
    /// What tells that end.
    enum Kind: String, Sendable, CaseIterable {
        /// A sync_file from the driver (EGL_ANDROID_native_fence_sync).
        case native
        /// An object of EGL's, which only EGL can wait for (EGL_KHR_fence_sync).
        case egl
        /// What the driver leaves on each buffer that it was given (DMA_BUF_IOCTL_EXPORT_SYNC_FILE). Only the kernel's drivers do
        /// that, and a buffer without a fence looks like one whose work is over: so it is the last choice.
        case implicit

        /// The best one that a display has, by its extensions.
        static func best(_ extensions: Set<Substring>) -> Kind {
            guard extensions.contains("EGL_KHR_fence_sync") else { return .implicit }
            return extensions.contains("EGL_ANDROID_native_fence_sync") ? .native : .egl
        }

        /// A program on the CPU leaves nothing on buffers.
        func check(isSoftware: Bool, renderer: String) throws(CamdError) {
            guard self == .implicit, isSoftware else { return }
            throw CamdError(
                .unavailable, subject: "GPU \(renderer)",
                reason:
                    "it has no fences (EGL_KHR_fence_sync), and in software it leaves none on buffers either: nothing "
                    + "would tell when a picture is finished", remedy: GPUNeeds.installMesa)
        }
    }

    /// What has become of the work.
    enum Outcome: Sendable, Hashable {
        case pending
        case over
        /// It will not be finished: what it was to draw is worth nothing. `isEnded`: the GPU surely does no more about it;
        /// else that is sure only when its context is destroyed.
        case failed(reason: String, isEnded: Bool)
    }

    /// A sync_file that polls as readable when the work is over; nil where only EGL can wait.
    private let native: SyncFile?
    private let sync: EGLSyncKHR?
    private let display: GPUDisplay

    /// Submits what was drawn (glFlush) and marks its end (eglCreateSyncKHR). The buffers count where neither the driver nor EGL
    /// has fences: those that the GPU reads, and those that it draws into.
    init(_ display: GPUDisplay, reads: [DMABuf], writes: [DMABuf]) throws(CamdError) {
        self.display = display
        switch display.fenceKind {
        case .native:
            let sync = cegl_create_native_fence(&display.calls, display.display)
            guard let sync, cegl_is_no_sync(sync) == 0 else {
                throw display.error("eglCreateSyncKHR", "the GPU gives no fence")
            }
            // The descriptor exists only after the commands went out.
            glFlush()
            let fd = cegl_dup_native_fence(&display.calls, display.display, sync)
            let error = fd >= 0 ? nil : display.error("eglDupNativeFenceFDANDROID", "the GPU gives no fence")
            cegl_destroy_sync(&display.calls, display.display, sync)
            if let error { throw error }
            native = SyncFile(owning: FileDescriptor(owning: fd))
            self.sync = nil
        case .egl:
            let sync = cegl_create_fence(&display.calls, display.display)
            guard let sync, cegl_is_no_sync(sync) == 0 else {
                throw display.error("eglCreateSyncKHR", "the GPU gives no fence (EGL_KHR_fence_sync)")
            }
            glFlush()
            native = nil
            self.sync = sync
        case .implicit:
            glFlush()
            native = try Self.ofBuffers(reads: reads, writes: writes)
            sync = nil
        }
    }

    /// The fences that devices left on buffers, as one: of those who write what was drawn into, and of all who use what the GPU reads.
    /// Nil where no buffer is a dma-buf: what was copied in and out has been waited for.
    static func ofBuffers(reads: [DMABuf], writes: [DMABuf]) throws(CamdError) -> SyncFile? {
        var all: SyncFile?
        for buffer in writes where !buffer.isPlainMemory {
            all = try both(all.take(), SyncFile(of: buffer, for: .read))
        }
        for buffer in reads where !buffer.isPlainMemory {
            all = try both(all.take(), SyncFile(of: buffer, for: .write))
        }
        return all
    }

    private static func both(
        _ first: consuming SyncFile?, _ second: consuming SyncFile
    ) throws(CamdError) -> SyncFile {
        switch consume first {
        case .some(let first): try first.merged(with: second)
        case .none: second
        }
    }

    deinit { if let sync { cegl_destroy_sync(&display.calls, display.display, sync) } }

    /// What poll(2) waits on; nil where `outcome` has to be asked.
    var descriptor: Int32? {
        switch native {
        case .some(let native): native.fileDescriptor
        case .none: nil
        }
    }

    /// How the work stands, after waiting for at most so long.
    func outcome(withinMilliseconds limit: Int32) -> Outcome {
        if let fault = display.setup.faults.fence?() { return fault }
        switch native {
        case .some(let native): return Self.outcome(of: native, limit)
        case .none: break
        }
        guard let sync else { return .over }
        switch cegl_wait_fence(&display.calls, display.display, sync, UInt64(max(0, limit)) * 1_000_000) {
        case 1: return .over
        case 0: return .pending
        default:
            let error = display.error("eglClientWaitSyncKHR", "the GPU's fence failed")
            return .failed(reason: error.withoutRemedy, isEnded: false)
        }
    }

    static func outcome(of fence: borrowing SyncFile, _ limit: Int32) -> Outcome {
        do throws(CamdError) {
            guard let readiness = try wait(for: .input, on: fence.fileDescriptor, milliseconds: limit) else {
                return .pending
            }
            guard readiness.contains(.input) else {
                return .failed(reason: "poll: the GPU's fence has an error", isEnded: false)
            }
            return switch try fence.status() {
            case .active: .pending
            case .signalled: .over
            case .failed(let error):
                .failed(reason: "the GPU gave a frame up (its fence says \(error))", isEnded: true)
            }
        } catch {
            return .failed(reason: error.withoutRemedy, isEnded: false)
        }
    }
}
