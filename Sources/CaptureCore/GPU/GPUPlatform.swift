import CEGL
import LinuxSystem
import Synchronization

/// Where EGL found a GPU: the display, initialized, and what keeps it. No window system is asked.
final class GPUPlatform {
    let display: EGLDisplay
    /// `surfaceless` or `gbm`.
    let name: String
    /// The node that was opened for it; nil on the surfaceless platform.
    let gbm: GBMDevice?
    private let use: EGLUse

    /// What was tried before, and why it was not taken.
    typealias Refused = [(path: String, error: CamdError)]

    /// `node`: the one to be taken, through GBM. Without one: the surfaceless platform, on which the driver chooses, then each
    /// render node in order.
    static func open(
        node: String?, _ calls: cegl_calls, _ client: Set<Substring>, _ refused: inout Refused,
        check: (GPUPlatform) throws(CamdError) -> Void
    ) throws(CamdError) -> GPUPlatform {
        func opened(_ make: () throws(CamdError) -> GPUPlatform) throws(CamdError) -> GPUPlatform {
            let platform = try make()
            try check(platform)
            return platform
        }
        if let node { return try opened { () throws(CamdError) in try GPUPlatform(node: node, calls, client) } }
        do throws(CamdError) {
            return try opened { () throws(CamdError) in try GPUPlatform(surfaceless: calls, client) }
        } catch {
            refused.append(("surfaceless", error))
        }
        for node in GBMDevice.renderNodes() {
            do throws(CamdError) {
                return try opened { () throws(CamdError) in try GPUPlatform(node: node, calls, client) }
            } catch {
                refused.append(("gbm:\(node)", error))
            }
        }
        if refused.count == 1 { throw refused[0].error }
        throw CamdError(
            .unavailable, subject: GPUDisplay.subject,
            reason: "no way to a GPU works: "
                + refused.map { "\($0.path): \($0.error.withoutRemedy)" }.joined(separator: "; "),
            remedy: refused.last?.error.remedy)
    }

    private init(surfaceless calls: cegl_calls, _ client: Set<Substring>) throws(CamdError) {
        try GPUNeeds.check(client, "EGL_MESA_platform_surfaceless", "eglGetPlatformDisplayEXT")
        var calls = calls
        (display, use) = try Self.initialize(cegl_surfaceless_display(&calls), nil, "the surfaceless platform")
        name = "surfaceless"
        gbm = nil
    }

    private init(node: String, _ calls: cegl_calls, _ client: Set<Substring>) throws(CamdError) {
        // The node first: what is wrong with it is for the user to mend, whatever EGL can do.
        let device = try GBMDevice(path: node)
        guard !client.isDisjoint(with: ["EGL_KHR_platform_gbm", "EGL_MESA_platform_gbm"]) else {
            throw GPUNeeds.missing("EGL_KHR_platform_gbm", "eglGetPlatformDisplayEXT")
        }
        var calls = calls
        (display, use) = try Self.initialize(cegl_gbm_display(&calls, device.device), device, "GBM on \(node)")
        name = "gbm"
        gbm = device
    }

    private static func initialize(
        _ display: EGLDisplay?, _ device: GBMDevice?, _ what: String
    ) throws(CamdError) -> (EGLDisplay, EGLUse) {
        guard let display, cegl_is_no_display(display) == 0, let use = EGLUse(display, of: device) else {
            throw GPUDisplay.error("eglInitialize", "EGL does not start on \(what)")
        }
        return (display, use)
    }

    /// The render node behind a display, where EGL tells it (EGL_EXT_device_query, EGL_EXT_device_drm_render_node): a driver
    /// in software has none.
    static func renderNode(_ display: EGLDisplay, _ calls: cegl_calls, _ client: Set<Substring>) -> String? {
        guard !client.isDisjoint(with: ["EGL_EXT_device_query", "EGL_EXT_device_base"]) else { return nil }
        var calls = calls
        guard let text = cegl_device_string(&calls, display, EGL_EXTENSIONS),
            GPUNeeds.tokens(String(cString: text)).contains("EGL_EXT_device_drm_render_node"),
            let node = cegl_device_string(&calls, display, EGL_DRM_RENDER_NODE_FILE_EXT)
        else { return nil }
        return String(cString: node)
    }
}

/// A use of an EGLDisplay: of a platform there is one in a process (on GBM, one for each device), whoever asks, and eglTerminate
/// ends it for all. So the last one who uses it does that.
private final class EGLUse {
    private static let counts = Mutex<[UInt: Int]>([:])
    private let display: EGLDisplay
    // Kept so that it outlives the display, whoever lets go of it first.
    private let device: GBMDevice?

    /// eglInitialize; nil if it fails.
    init?(_ display: EGLDisplay, of device: GBMDevice?) {
        self.display = display
        self.device = device
        let key = UInt(bitPattern: display)
        let isInitialized = Self.counts.withLock { counts in
            guard eglInitialize(display, nil, nil) == EGL_TRUE else { return false }
            counts[key, default: 0] += 1
            return true
        }
        guard isInitialized else { return nil }
    }

    deinit {
        let key = UInt(bitPattern: display)
        Self.counts.withLock { counts in
            counts[key, default: 1] -= 1
            guard counts[key] == 0 else { return }
            counts[key] = nil
            eglTerminate(display)
        }
    }
}

/// What camd cannot do without, of the extensions: each is named when it is missing, with what would help.
enum GPUNeeds {
    static let installMesa =
        "Install a driver with EGL and GLES 2.0 (Debian: libegl1 libgles2 libegl-mesa0 libgl1-mesa-dri), and see that "
        + "/dev/dri/renderD* may be opened (group render)."

    /// Whole words: an extension's name may be the beginning of another's.
    static func tokens(_ text: String) -> Set<Substring> { Set(text.split(separator: " ")) }

    static func check(_ extensions: Set<Substring>, _ name: String, _ call: String? = nil) throws(CamdError) {
        guard extensions.contains(Substring(name)) else { throw missing(name, call) }
    }

    static func missing(_ name: String, _ call: String? = nil) -> CamdError {
        CamdError(
            .unavailable, subject: GPUDisplay.subject, call: call, reason: "EGL has no \(name)", remedy: installMesa)
    }
}
