import CEGL
import LinuxSystem

/// A rectangle of 32-bit texels in memory: how camd shows every plane to the GPU. Four bytes of any plane are one texel
/// (R is the first), so one fetch brings four pixels of luma, and GLES 2.0 can write what it can read. Where a plane's rows do not
/// begin at multiples of four bytes, a texel is one byte.
struct PackedPlane: Hashable, Sendable {
    /// Texels.
    var width: Int
    /// Rows.
    var height: Int
    /// Bytes.
    var offset: Int
    /// Bytes.
    var stride: Int
    /// A texel is one byte (R8) and not four.
    var isBytes = false

    init(_ plane: PlaneLayout, isBytes: Bool = false) {
        self.isBytes = isBytes
        width = isBytes ? plane.rowBytes : (plane.rowBytes + 3) / 4
        height = plane.rows
        offset = plane.offset
        stride = plane.stride
    }

    init(width: Int, height: Int, offset: Int, stride: Int) {
        self.width = width
        self.height = height
        self.offset = offset
        self.stride = stride
    }
}

/// A dma-buf's plane as a texture (eglCreateImageKHR with EGL_LINUX_DMA_BUF_EXT, glEGLImageTargetTexture2DOES): made
/// once for each buffer, never for a frame. Lives and ends on the GL thread.
final class GPUImage {
    let texture: GLuint
    private let image: EGLImageKHR
    private let display: GPUDisplay

    /// `isOwn`: the GPU's driver allocated the buffer itself.
    init(
        _ display: GPUDisplay, _ buffer: DMABuf, _ plane: PackedPlane, isOwn: Bool = false
    ) throws(CamdError) {
        if let refusal = display.importRefusal, !(isOwn && display.importsOwnBuffers) { throw refusal }
        let modifiers: [EGLint] =
            display.hasModifiers
            ? [EGL_DMA_BUF_PLANE0_MODIFIER_LO_EXT, 0, EGL_DMA_BUF_PLANE0_MODIFIER_HI_EXT, 0] : []
        let attributes: [EGLint] =
            [
                EGL_WIDTH, EGLint(plane.width), EGL_HEIGHT, EGLint(plane.height),
                EGL_LINUX_DRM_FOURCC_EXT, EGLint(bitPattern: (plane.isBytes ? DRMFormat.r8 : .abgr8888).rawValue),
                EGL_DMA_BUF_PLANE0_FD_EXT, buffer.fileDescriptor,
                EGL_DMA_BUF_PLANE0_OFFSET_EXT, EGLint(plane.offset),
                EGL_DMA_BUF_PLANE0_PITCH_EXT, EGLint(plane.stride),
            ] + modifiers + [CEGL_NONE]
        let image = cegl_create_dmabuf_image(&display.calls, display.display, attributes)
        guard let image, cegl_is_no_image(image) == 0 else {
            throw display.error(
                "eglCreateImageKHR",
                "\(display.renderer) does not import \(plane.width)x\(plane.height) texels, stride \(plane.stride), "
                    + "offset \(plane.offset), of \(buffer.origin)")
        }
        var name: GLuint = 0
        glGenTextures(1, &name)
        glBindTexture(GLenum(GL_TEXTURE_2D), name)
        cegl_bind_image_to_texture(&display.calls, image)
        GPUTexture.setSampling()
        self.display = display
        self.image = image
        texture = name
        if glGetError() != GLenum(GL_NO_ERROR) {
            throw CamdError(
                .unavailable, subject: "GPU \(display.renderer)", call: "glEGLImageTargetTexture2DOES",
                reason: "it does not take the image of \(buffer.origin) as a texture")
        }
    }

    deinit {
        var name = texture
        glDeleteTextures(1, &name)
        cegl_destroy_image(&display.calls, display.display, image)
    }
}

/// A texture of the GPU's own, which the CPU fills: the counted copy of a machine whose GPU imports nothing.
final class GPUTexture {
    let texture: GLuint
    let plane: PackedPlane
    // Kept so that the context outlives what was made in it.
    private let display: GPUDisplay

    init(_ display: GPUDisplay, _ plane: PackedPlane) {
        self.display = display
        var name: GLuint = 0
        glGenTextures(1, &name)
        glBindTexture(GLenum(GL_TEXTURE_2D), name)
        glTexImage2D(
            GLenum(GL_TEXTURE_2D), 0, GL_RGBA, GLsizei(plane.width), GLsizei(plane.height), 0, GLenum(GL_RGBA),
            GLenum(GL_UNSIGNED_BYTE), nil)
        Self.setSampling()
        texture = name
        self.plane = plane
    }

    deinit {
        var name = texture
        glDeleteTextures(1, &name)
    }

    /// Copies a plane's rows in (glTexSubImage2D) and returns how many bytes that was.
    func upload(_ bytes: RawSpan) -> Int {
        glBindTexture(GLenum(GL_TEXTURE_2D), texture)
        bytes.withUnsafeBytes { bytes in
            // GLES 2.0 knows no stride: rows that do not lie back to back go one by one.
            let rowBytes = plane.width * 4
            // The last row may end with the buffer, within its last texel.
            let last = plane.offset + (plane.height - 1) * plane.stride
            let whole = last + rowBytes <= bytes.count ? plane.height : plane.height - 1
            let rows = plane.stride == rowBytes ? max(1, whole) : 1
            var row = 0
            while row < whole {
                Self.put(bytes.baseAddress! + plane.offset + row * plane.stride, 0, row, plane.width, rows)
                row += rows
            }
            guard whole < plane.height else { return }
            let left = bytes.count - last
            precondition(left > rowBytes - 4, "a plane lies in its buffer")
            Self.put(bytes.baseAddress! + last, 0, whole, left / 4, 1)
            var tail: UInt32 = 0
            withUnsafeMutableBytes(of: &tail) { tail in
                for index in 0..<left % 4 { tail[index] = bytes[last + left / 4 * 4 + index] }
                Self.put(UnsafeRawPointer(tail.baseAddress!), left / 4, whole, 1, 1)
            }
        }
        return plane.width * 4 * plane.height
    }

    private static func put(_ texels: UnsafeRawPointer, _ x: Int, _ y: Int, _ width: Int, _ height: Int) {
        guard width > 0 else { return }
        glTexSubImage2D(
            GLenum(GL_TEXTURE_2D), 0, GLint(x), GLint(y), GLsizei(width), GLsizei(height), GLenum(GL_RGBA),
            GLenum(GL_UNSIGNED_BYTE), texels)
    }

    /// Nearest, clamped: shaders fetch single texels; or what lies between them, too.
    static func setSampling(isSmooth: Bool = false) {
        let filter = isSmooth ? GL_LINEAR : GL_NEAREST
        for (name, value) in [
            (GL_TEXTURE_MIN_FILTER, filter), (GL_TEXTURE_MAG_FILTER, filter),
            (GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE),
            (GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE),
        ] { glTexParameteri(GLenum(GL_TEXTURE_2D), GLenum(name), value) }
    }
}
