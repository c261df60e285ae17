import CEGL
import LinuxSystem

/// One output buffer as something that the GPU draws into (a framebuffer object): the buffer itself, imported; or, where
/// the GPU imports nothing, a texture of its own that is read back, which is counted. Lives and ends on the GL thread.
final class GPUTarget {
    let framebuffer: GLuint
    private let plane: PackedPlane
    private let imported: GPUImage?
    private let own: GPUTexture?

    /// Draws into the buffer's memory.
    init(
        _ display: GPUDisplay, importing buffer: DMABuf, _ plane: PackedPlane, isOwn: Bool = false
    ) throws(CamdError) {
        self.plane = plane
        let image = try GPUImage(display, buffer, plane, isOwn: isOwn)
        imported = image
        own = nil
        framebuffer = try Self.make(image.texture, display, buffer.origin)
    }

    /// Draws into a texture that `readBack` copies out.
    init(_ display: GPUDisplay, readingBack plane: PackedPlane) throws(CamdError) {
        self.plane = plane
        let texture = GPUTexture(display, plane)
        own = texture
        imported = nil
        framebuffer = try Self.make(texture.texture, display, "its own memory")
    }

    deinit {
        var name = framebuffer
        glDeleteFramebuffers(1, &name)
    }

    var needsReadBack: Bool { own != nil }

    /// Copies what was drawn into `buffer` (glReadPixels, which waits for the GPU); returns the bytes copied.
    /// The framebuffer has to be bound.
    func readBack(into buffer: DMABuf) throws(CamdError) -> Int {
        precondition(plane.offset == 0 && plane.stride == plane.width * 4, "an output's rows lie back to back")
        return try buffer.withMutableBytes(.write) { (bytes) throws(CamdError) in
            let count = plane.width * 4 * plane.height
            let fits = bytes.byteCount >= count
            precondition(fits, "an output buffer is as large as its layout says")
            bytes.withUnsafeMutableBytes { bytes in
                glReadPixels(
                    0, 0, GLsizei(plane.width), GLsizei(plane.height), GLenum(GL_RGBA), GLenum(GL_UNSIGNED_BYTE),
                    bytes.baseAddress)
            }
            return count
        }
    }

    static func make(_ texture: GLuint, _ display: GPUDisplay, _ origin: String) throws(CamdError) -> GLuint {
        var name: GLuint = 0
        glGenFramebuffers(1, &name)
        glBindFramebuffer(GLenum(GL_FRAMEBUFFER), name)
        glFramebufferTexture2D(
            GLenum(GL_FRAMEBUFFER), GLenum(GL_COLOR_ATTACHMENT0), GLenum(GL_TEXTURE_2D), texture, 0)
        let status = glCheckFramebufferStatus(GLenum(GL_FRAMEBUFFER))
        guard status == GLenum(GL_FRAMEBUFFER_COMPLETE) else {
            glDeleteFramebuffers(1, &name)
            throw CamdError(
                .unavailable, subject: "GPU \(display.renderer)", call: "glCheckFramebufferStatus",
                reason: "it cannot draw into \(origin) (status \(status))")
        }
        return name
    }
}
