import CEGL
import LinuxSystem

/// The connection to the GPU (EGLDisplay and EGLContext), without a window. Made and ended on one thread; its calls may be
/// made on that thread only, where its context is current.
final class GPUDisplay {
    let display: EGLDisplay
    let context: EGLContext
    let platform: GPUPlatform
    var calls: cegl_calls
    /// Platforms that were tried before.
    let refusals: [PathRefusal]
    /// The driver's name of the GPU (GL_RENDERER).
    let renderer: String
    /// The GPU is a program on the CPU (llvmpipe, softpipe).
    let isSoftware: Bool
    /// Its render node; nil where it has none, or EGL does not tell.
    let node: String?
    /// Why dma-bufs cannot become textures; nil where they can (EGL_EXT_image_dma_buf_import with GL_OES_EGL_image).
    let importRefusal: CamdError?
    var importsDMABufs: Bool { importRefusal == nil }
    /// Buffers of its own can become textures, exported as dma-bufs.
    let importsOwnBuffers: Bool
    /// Images can name their modifier (EGL_EXT_image_dma_buf_import_modifiers).
    let hasModifiers: Bool
    /// What tells the end of its work.
    let fenceKind: GPUFence.Kind
    /// The context tells when the GPU was reset (GL_EXT_robustness, GL_KHR_robustness).
    let tellsResets: Bool
    /// The largest edge of a texture or a target, in pixels.
    let largestEdge: Int
    let setup: GPUSetup
    /// A call to EGL said that the context is lost (EGL_CONTEXT_LOST).
    private var hasLostContext = false
    private let asksKHR: Bool

    static let subject = "GPU (EGL)"

    /// The context is of OpenGL ES 3.0 or later; all that camd does can be done in 2.0, too. Drawing in 3, where a texel is
    /// fetched by its number, takes a quarter longer in software; so 2 it is unless it is asked for.
    var isES3: Bool { setup.version >= 3 }

    /// Opens the display and makes a context current on this thread.
    init(_ setup: GPUSetup = GPUSetup()) throws(CamdError) {
        if let open = setup.faults.open { try open() }
        guard let text = cegl_client_extensions() else {
            throw CamdError(
                .unavailable, subject: Self.subject, call: "eglQueryString", reason: "there is no EGL here",
                remedy: GPUNeeds.installMesa)
        }
        let client = GPUNeeds.tokens(String(cString: text)).subtracting(setup.faults.hidden)
        try GPUNeeds.check(client, "EGL_EXT_platform_base", "eglGetPlatformDisplayEXT")
        let calls = cegl_load_calls()
        var extensions: Set<Substring> = []
        var refused = GPUPlatform.Refused()
        let platform = try GPUPlatform.open(node: setup.node, calls, client, &refused) {
            (platform) throws(CamdError) in
            let text = eglQueryString(platform.display, EGL_EXTENSIONS).map { String(cString: $0) } ?? ""
            extensions = GPUNeeds.tokens(text).subtracting(setup.faults.hidden)
            try GPUNeeds.check(extensions, "EGL_KHR_surfaceless_context")
        }
        let display = platform.display
        let context = try Self.context(display, extensions, setup.version)
        guard cegl_make_current(display, context) == 1 else {
            let error = Self.error("eglMakeCurrent", "the context does not become current")
            eglDestroyContext(display, context)
            throw error
        }
        let gl = GPUNeeds.tokens(glGetString(GLenum(GL_EXTENSIONS)).map { String(cString: $0) } ?? "")
            .subtracting(setup.faults.hidden)
        let renderer = glGetString(GLenum(GL_RENDERER)).map { String(cString: $0) } ?? "unknown"
        self.renderer = renderer
        var edge: GLint = 0
        glGetIntegerv(GLenum(GL_MAX_TEXTURE_SIZE), &edge)
        largestEdge = setup.faults.largestEdge ?? Int(edge)
        node = platform.gbm?.path ?? GPUPlatform.renderNode(display, calls, client)
        refusals = refused.map { PathRefusal(.gpu, $0.path, $0.error.description) }
        self.display = display
        self.platform = platform
        self.context = context
        self.calls = calls
        self.setup = setup
        hasModifiers = extensions.contains("EGL_EXT_image_dma_buf_import_modifiers")
        let missing = ["EGL_EXT_image_dma_buf_import", "EGL_KHR_image_base", "GL_OES_EGL_image"].filter {
            !extensions.contains(Substring($0)) && !gl.contains(Substring($0))
        }
        importsOwnBuffers = missing.isEmpty
        let hasKHR = gl.contains("GL_KHR_robustness")
        asksKHR = hasKHR && !gl.contains("GL_EXT_robustness")
        tellsResets =
            extensions.contains("EGL_EXT_create_context_robustness") && (hasKHR || gl.contains("GL_EXT_robustness"))
        let isSoftware = ["llvmpipe", "softpipe", "SWR"].contains { renderer.contains($0) }
        self.isSoftware = isSoftware
        importRefusal = Self.importRefusal(renderer, missing, isSoftwareOnGBM: isSoftware && platform.gbm != nil)
        fenceKind = setup.fence ?? .best(extensions)
        // From here on all is set: what fails now ends it as its life's end does.
        try fenceKind.check(isSoftware: isSoftware, renderer: renderer)
    }

    private static func context(
        _ display: EGLDisplay, _ extensions: Set<Substring>, _ version: Int
    ) throws(CamdError) -> EGLContext {
        guard eglBindAPI(EGLenum(EGL_OPENGL_ES_API)) == EGL_TRUE else {
            throw error("eglBindAPI", "EGL has no OpenGL ES")
        }
        var config: EGLConfig?
        var count: EGLint = 0
        let hasNoConfig = extensions.contains("EGL_KHR_no_config_context")
        if !hasNoConfig {
            let wanted: [EGLint] = [EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT, EGL_SURFACE_TYPE, 0, CEGL_NONE]
            guard eglChooseConfig(display, wanted, &config, 1, &count) == EGL_TRUE, count > 0 else {
                throw error("eglChooseConfig", "EGL has no configuration for OpenGL ES 2.0")
            }
        }
        let tellsResets = extensions.contains("EGL_EXT_create_context_robustness")
        // Some drivers have the extension's name and refuse the attribute.
        for attribute: Int32 in tellsResets ? [1, 0] : [0] {
            let made = cegl_create_context(display, config, hasNoConfig ? 0 : 1, Int32(version), attribute)
            if let made, cegl_is_no_context(made) == 0 { return made }
        }
        throw error("eglCreateContext", "there is no OpenGL ES \(version)")
    }

    private static func importRefusal(
        _ renderer: String, _ missing: [String], isSoftwareOnGBM: Bool
    ) -> CamdError? {
        guard missing.isEmpty else {
            return CamdError(
                .unavailable, subject: "GPU \(renderer)",
                reason: "it cannot import dma-bufs (it has no \(missing.joined(separator: ", ")))",
                remedy: "In software this needs Mesa 24.2 or later.")
        }
        // Tried with Mesa 25.0: it maps what it imported with DRM_IOCTL_MODE_MAP_DUMB, which the kernel refuses for memory
        // of others, and then draws into nothing; the program ends by SIGSEGV.
        guard isSoftwareOnGBM else { return nil }
        return CamdError(
            .unavailable, subject: "GPU \(renderer)",
            reason: "in software on GBM Mesa (kms_swrast) cannot draw with dma-bufs of others",
            remedy: "Leave --gpu out: on the surfaceless platform it can.")
    }

    deinit {
        _ = cegl_release_current(display)
        eglDestroyContext(display, context)
        eglReleaseThread()
    }

    /// Where the GPU's driver gives buffers of its own; nil where EGL does not tell the GPU's node, or it has none.
    func ownBuffers() throws(CamdError) -> BufferSource? {
        if let device = platform.gbm { return .gbm(device) }
        guard let node else { return nil }
        return .gbm(try GBMDevice(path: node))
    }

    /// What went wrong since the last time, if anything (glGetError).
    func checkErrors() throws(CamdError) {
        let code = glGetError()
        // GL_CONTEXT_LOST of GL_KHR_robustness.
        if code == 0x0507 { hasLostContext = true }
        guard code == GLenum(GL_NO_ERROR) else {
            throw CamdError(
                .unavailable, subject: "GPU \(renderer)", call: "glGetError",
                reason: "drawing failed (0x\(String(code, radix: 16)))")
        }
    }

    /// Whether the context is lost, and why (glGetGraphicsResetStatus; what calls to EGL said before).
    func lossReason() -> String? {
        if let fault = setup.faults.resetStatus?() { return Self.reason(fault) }
        if hasLostContext { return "EGL_CONTEXT_LOST" }
        guard tellsResets else { return nil }
        return Self.reason(asksKHR ? cegl_reset_status_khr(&calls) : cegl_reset_status_ext(&calls))
    }

    private static func reason(_ status: GLenum) -> String? {
        switch status {
        case GLenum(GL_NO_ERROR): nil
        case GLenum(GL_GUILTY_CONTEXT_RESET_EXT): "GL_GUILTY_CONTEXT_RESET: the GPU was reset in camd's own work"
        case GLenum(GL_INNOCENT_CONTEXT_RESET_EXT):
            "GL_INNOCENT_CONTEXT_RESET: the GPU was reset in another program's work"
        default: "GL_UNKNOWN_CONTEXT_RESET: the GPU was reset"
        }
    }

    /// The last call to EGL failed; what it says of the context is kept.
    func error(_ call: String, _ reason: String) -> CamdError {
        let code = eglGetError()
        if code == EGL_CONTEXT_LOST { hasLostContext = true }
        return Self.error(call, reason, code)
    }

    static func error(_ call: String, _ reason: String, _ code: EGLint = eglGetError()) -> CamdError {
        let name = names[code] ?? "EGL error \(code)"
        return CamdError(
            .unavailable, subject: subject, call: call, reason: "\(reason) (\(name))", remedy: GPUNeeds.installMesa)
    }

    private static let names: [EGLint: String] = [
        EGL_SUCCESS: "EGL_SUCCESS", EGL_NOT_INITIALIZED: "EGL_NOT_INITIALIZED", EGL_BAD_ACCESS: "EGL_BAD_ACCESS",
        EGL_BAD_ALLOC: "EGL_BAD_ALLOC", EGL_BAD_ATTRIBUTE: "EGL_BAD_ATTRIBUTE", EGL_BAD_CONTEXT: "EGL_BAD_CONTEXT",
        EGL_BAD_CONFIG: "EGL_BAD_CONFIG", EGL_BAD_DISPLAY: "EGL_BAD_DISPLAY", EGL_BAD_MATCH: "EGL_BAD_MATCH",
        EGL_BAD_PARAMETER: "EGL_BAD_PARAMETER", EGL_CONTEXT_LOST: "EGL_CONTEXT_LOST",
    ]
}
