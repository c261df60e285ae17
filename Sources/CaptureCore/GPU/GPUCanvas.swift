import CEGL
import LinuxSystem

/// A picture of the GPU's own, between two passes: a texture that is drawn into and then read. Lives and ends on the GL
/// thread.
final class GPUCanvas {
    let texture: GLuint
    let width: Int
    let height: Int
    private let framebuffer: GLuint
    // Kept so that the context outlives what was made in it.
    private let display: GPUDisplay

    /// `width`, `height`: texels of four bytes. `isSmooth`: read between texels, too (GL_LINEAR).
    init(_ display: GPUDisplay, width: Int, height: Int, isSmooth: Bool) throws(CamdError) {
        guard max(width, height) <= display.largestEdge else {
            throw CamdError(
                .unavailable, subject: "GPU \(display.renderer)",
                reason: "a picture of \(width)x\(height) is larger than its limit of \(display.largestEdge)",
                remedy: "Choose a smaller --size.")
        }
        self.display = display
        self.width = width
        self.height = height
        var name: GLuint = 0
        glGenTextures(1, &name)
        glBindTexture(GLenum(GL_TEXTURE_2D), name)
        glTexImage2D(
            GLenum(GL_TEXTURE_2D), 0, GL_RGBA, GLsizei(width), GLsizei(height), 0, GLenum(GL_RGBA),
            GLenum(GL_UNSIGNED_BYTE), nil)
        GPUTexture.setSampling(isSmooth: isSmooth)
        texture = name
        framebuffer = try GPUTarget.make(name, display, "its own memory")
    }

    deinit {
        var name = framebuffer
        glDeleteFramebuffers(1, &name)
        name = texture
        glDeleteTextures(1, &name)
    }

    /// What is drawn next is drawn here.
    func bindAsTarget() { glBindFramebuffer(GLenum(GL_FRAMEBUFFER), framebuffer) }
}
