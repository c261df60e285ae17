import CEGL
import LinuxSystem
import Synchronization

/// The connection to the GPU (EGLDisplay), without a window: the surfaceless platform. Made and ended on one thread;
/// its calls may be made on that thread only, where its context is current.
final class GPUDisplay {
    let display: EGLDisplay
    let context: EGLContext
    private let use: EGLUse
    var calls: cegl_calls
    /// The driver's name of the GPU (GL_RENDERER).
    let renderer: String
    /// The GPU is a program on the CPU (llvmpipe, softpipe).
    var isSoftware: Bool { renderer.contains("llvmpipe") || renderer.contains("softpipe") || renderer.contains("SWR") }
    /// dma-bufs can become textures (EGL_EXT_image_dma_buf_import with GL_OES_EGL_image).
    let importsDMABufs: Bool
    /// Fences can be waited for with poll(2) (EGL_ANDROID_native_fence_sync).
    let hasNativeFences: Bool
    /// Images can name their modifier (EGL_EXT_image_dma_buf_import_modifiers).
    let hasModifiers: Bool
    let hasFences: Bool
    /// The largest edge of a texture or a target, in pixels.
    let largestEdge: Int

    private static let subject = "GPU (EGL)"
    private static let installMesa =
        "Install a driver with EGL and GLES 2.0 (Debian: libegl1 libgles2 libegl-mesa0 libgl1-mesa-dri), and see that "
        + "/dev/dri/renderD* may be opened (group render)."

    /// The context is of OpenGL ES 3.0 or later; all that camd does can be done in 2.0, too.
    let isES3: Bool

    /// Opens the display and makes a context current on this thread. `version`: of OpenGL ES, 2 or 3. Drawing in
    /// 3, where a texel is fetched by its number, takes a quarter longer in software; so 2 it is unless it is asked for.
    init(version: Int = 2) throws(CamdError) {
        guard let text = cegl_client_extensions() else {
            throw CamdError(
                .unavailable, subject: Self.subject, call: "eglQueryString", reason: "there is no EGL here",
                remedy: Self.installMesa)
        }
        let client = Self.tokens(String(cString: text))
        guard client.contains("EGL_EXT_platform_base"), client.contains("EGL_MESA_platform_surfaceless") else {
            throw CamdError(
                .unavailable, subject: Self.subject, call: "eglGetPlatformDisplayEXT",
                reason: "EGL has no EGL_MESA_platform_surfaceless", remedy: Self.installMesa)
        }
        var calls = cegl_load_calls()
        let display = cegl_surfaceless_display(&calls)
        guard let display, cegl_is_no_display(display) == 0, let use = EGLUse(display) else {
            throw Self.error("eglInitialize", "EGL does not start")
        }
        let extensions = Self.tokens(eglQueryString(display, EGL_EXTENSIONS).map { String(cString: $0) } ?? "")
        guard extensions.contains("EGL_KHR_surfaceless_context") else {
            throw CamdError(
                .unavailable, subject: Self.subject, reason: "EGL has no EGL_KHR_surfaceless_context",
                remedy: Self.installMesa)
        }
        guard eglBindAPI(EGLenum(EGL_OPENGL_ES_API)) == EGL_TRUE else {
            throw Self.error("eglBindAPI", "EGL has no OpenGL ES")
        }
        var config: EGLConfig?
        var count: EGLint = 0
        let hasNoConfig = extensions.contains("EGL_KHR_no_config_context")
        if !hasNoConfig {
            let wanted: [EGLint] = [EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT, EGL_SURFACE_TYPE, 0, CEGL_NONE]
            guard eglChooseConfig(display, wanted, &config, 1, &count) == EGL_TRUE, count > 0 else {
                throw Self.error("eglChooseConfig", "EGL has no configuration for OpenGL ES 2.0")
            }
        }
        var made: EGLContext?
        var isES3 = false
        for major in [version] where made == nil {
            let context = cegl_create_context(display, config, hasNoConfig ? 0 : 1, Int32(major))
            if let context, cegl_is_no_context(context) == 0 { (made, isES3) = (context, major >= 3) }
        }
        guard let context = made else {
            throw Self.error("eglCreateContext", "there is no OpenGL ES \(version)")
        }
        guard cegl_make_current(display, context) == 1 else {
            throw Self.error("eglMakeCurrent", "the context does not become current")
        }
        let gl = Self.tokens(glGetString(GLenum(GL_EXTENSIONS)).map { String(cString: $0) } ?? "")
        renderer = glGetString(GLenum(GL_RENDERER)).map { String(cString: $0) } ?? "unknown"
        importsDMABufs =
            extensions.contains("EGL_EXT_image_dma_buf_import") && extensions.contains("EGL_KHR_image_base")
            && gl.contains("GL_OES_EGL_image")
        hasModifiers = extensions.contains("EGL_EXT_image_dma_buf_import_modifiers")
        hasFences = extensions.contains("EGL_KHR_fence_sync")
        hasNativeFences = hasFences && extensions.contains("EGL_ANDROID_native_fence_sync")
        var edge: GLint = 0
        glGetIntegerv(GLenum(GL_MAX_TEXTURE_SIZE), &edge)
        largestEdge = Int(edge)
        self.display = display
        self.use = use
        self.isES3 = isES3
        self.context = context
        self.calls = calls
    }

    deinit {
        _ = cegl_release_current(display)
        eglDestroyContext(display, context)
        eglReleaseThread()
    }

    /// What went wrong since the last time, if anything (glGetError).
    func checkErrors() throws(CamdError) {
        let code = glGetError()
        guard code == GLenum(GL_NO_ERROR) else {
            throw CamdError(
                .unavailable, subject: "GPU \(renderer)", call: "glGetError",
                reason: "drawing failed (0x\(String(code, radix: 16)))")
        }
    }

    /// Whole words: an extension's name may be the beginning of another's.
    private static func tokens(_ text: String) -> Set<Substring> { Set(text.split(separator: " ")) }

    static func error(_ call: String, _ reason: String) -> CamdError {
        let code = eglGetError()
        let name = names[code] ?? "EGL error \(code)"
        return CamdError(.unavailable, subject: subject, call: call, reason: "\(reason) (\(name))", remedy: installMesa)
    }

    private static let names: [EGLint: String] = [
        EGL_SUCCESS: "EGL_SUCCESS", EGL_NOT_INITIALIZED: "EGL_NOT_INITIALIZED", EGL_BAD_ACCESS: "EGL_BAD_ACCESS",
        EGL_BAD_ALLOC: "EGL_BAD_ALLOC", EGL_BAD_ATTRIBUTE: "EGL_BAD_ATTRIBUTE", EGL_BAD_CONTEXT: "EGL_BAD_CONTEXT",
        EGL_BAD_CONFIG: "EGL_BAD_CONFIG", EGL_BAD_DISPLAY: "EGL_BAD_DISPLAY", EGL_BAD_MATCH: "EGL_BAD_MATCH",
        EGL_BAD_PARAMETER: "EGL_BAD_PARAMETER", EGL_CONTEXT_LOST: "EGL_CONTEXT_LOST",
    ]
}

/// A use of the process's EGLDisplay: of a platform there is one, whoever asks, and eglTerminate ends it for all. So the last
/// one who uses it does that.
private final class EGLUse {
    private static let count = Mutex(0)
    private let display: EGLDisplay

    /// eglInitialize; nil if it fails.
    init?(_ display: EGLDisplay) {
        self.display = display
        let isInitialized = Self.count.withLock { count in
            guard eglInitialize(display, nil, nil) == EGL_TRUE else { return false }
            count += 1
            return true
        }
        guard isInitialized else { return nil }
    }

    deinit {
        Self.count.withLock { count in
            count -= 1
            if count == 0 { eglTerminate(display) }
        }
    }
}
