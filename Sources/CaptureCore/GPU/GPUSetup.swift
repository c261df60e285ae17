import CEGL
import LinuxSystem

/// Which GPU, and who hears of what becomes of it.
public struct GPUSetup: Sendable {
    /// The DRM node of the GPU to be taken, such as /dev/dri/renderD128; nil: what EGL chooses without a window.
    public var node: String?
    /// Takes one line when a lost context is to be made anew, and one when that is done; on the GL thread, never for a frame.
    public var told: @Sendable (String) -> Void

    /// Of OpenGL ES, 2 or 3.
    var version = 2
    /// The kind of fence to be used; nil is the best one that the driver has.
    var fence: GPUFence.Kind?
    /// A GPU that takes longer for a frame has hung.
    var hangMilliseconds: Int32 = 5000
    /// A context is made anew at most so often in a minute.
    var mostResets = 5
    /// Before the second one of a minute; then twice as long each time, up to a second.
    var pauseMilliseconds = 100
    var faults = GPUFaults()

    public init(node: String? = nil, told: @escaping @Sendable (String) -> Void = { _ in }) {
        self.node = node
        self.told = told
    }
}

/// What a GPU may do that none does when a test wants it. Each is asked where the driver would be; nil is for the driver to
/// answer.
struct GPUFaults: Sendable {
    /// glGetGraphicsResetStatus.
    var resetStatus: (@Sendable () -> GLenum?)?
    /// What became of a fence.
    var fence: (@Sendable () -> GPUFence.Outcome?)?
    /// Called before a display is opened; what it throws is why that fails.
    var open: (@Sendable () throws(CamdError) -> Void)?
    /// Extensions that the driver is not to have.
    var hidden: Set<Substring> = []
    /// GL_MAX_TEXTURE_SIZE.
    var largestEdge: Int?
}
