/// What a camera's driver leaves in the CPU's caches of a frame that a GPU is to read.
public enum DriverWrites: Sendable, Hashable {
    /// The camera writes past the caches, or its driver cleans them.
    case clean
    /// The driver writes with the CPU and cleans nothing (uvcvideo, the test drivers).
    case cached
    /// The same, and the user says that this machine's GPU does not look into the caches.
    case cachedAndIncoherent

    /// Whether each frame has to be cleaned from the caches. x86 machines are coherent; on others a GPU may not look
    /// into the caches, unless it is a program on the CPU.
    func needPublishing(isSoftwareGPU: Bool) -> Bool {
        switch self {
        case .clean: return false
        case .cachedAndIncoherent: return true
        case .cached:
            #if arch(x86_64) || arch(i386)
            return false
            #else
            return !isSoftwareGPU
            #endif
        }
    }
}
