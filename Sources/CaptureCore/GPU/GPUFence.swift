import CEGL
import LinuxSystem

/// The end of all GPU work that was submitted before it was made. Used on the GL thread.
struct GPUFence: ~Copyable {
    /// A sync_file that polls as readable when the work is over; nil where only EGL can wait.
    private let native: SyncFile?
    private let sync: EGLSyncKHR?
    private let display: GPUDisplay

    /// Submits what was drawn (glFlush) and marks its end (eglCreateSyncKHR).
    init(_ display: GPUDisplay) throws(CamdError) {
        if display.hasNativeFences {
            let sync = cegl_create_native_fence(&display.calls, display.display)
            guard let sync, cegl_is_no_sync(sync) == 0 else {
                throw GPUDisplay.error("eglCreateSyncKHR", "the GPU gives no fence")
            }
            // The descriptor exists only after the commands went out.
            glFlush()
            let fd = cegl_dup_native_fence(&display.calls, display.display, sync)
            cegl_destroy_sync(&display.calls, display.display, sync)
            guard fd >= 0 else { throw GPUDisplay.error("eglDupNativeFenceFDANDROID", "the GPU gives no fence") }
            native = SyncFile(owning: FileDescriptor(owning: fd))
            self.sync = nil
        } else {
            let sync = display.hasFences ? cegl_create_fence(&display.calls, display.display) : nil
            guard let sync, cegl_is_no_sync(sync) == 0 else {
                throw GPUDisplay.error("eglCreateSyncKHR", "the GPU gives no fence (EGL_KHR_fence_sync)")
            }
            glFlush()
            native = nil
            self.sync = sync
        }
        self.display = display
    }

    deinit { if let sync { cegl_destroy_sync(&display.calls, display.display, sync) } }

    /// What poll(2) waits on; nil where `isOver` has to be asked.
    var descriptor: Int32? {
        switch native {
        case .some(let native): native.fileDescriptor
        case .none: nil
        }
    }

    /// Whether the work is over, after waiting for at most so long.
    func isOver(withinMilliseconds limit: Int32) -> Bool {
        if let descriptor {
            // An error on the descriptor also ends the wait: the work will not go on.
            return ((try? wait(for: .input, on: descriptor, milliseconds: limit)) ?? nil) != nil
        }
        guard let sync else { return true }
        return cegl_wait_fence(&display.calls, display.display, sync, UInt64(max(0, limit)) * 1_000_000) != 0
    }
}
