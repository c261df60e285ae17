/// What a camera's driver leaves in the CPU's caches of a frame that a GPU is to read.
public struct DriverWrites: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// The camera writes past the caches, or its driver cleans them.
        case clean
        /// The driver writes with the CPU and cleans nothing (USB cameras, the test drivers), in memory that camd can
        /// clean (DMA_BUF_IOCTL_SYNC of a heap's or udmabuf's buffer).
        case cached
        /// The same in the driver's own memory, for which SYNC does nothing.
        case cachedOutOfReach
    }

    /// What is to be done about it for each frame.
    enum Handling: Sendable, Hashable {
        case nothing
        /// START and END for writing: see `DMABuf.publishDriverWrites`.
        case publish
        /// The GPU would see what lay there before: frames have to be copied in by the CPU.
        case copy
    }

    public var kind: Kind
    /// The user says that this machine's GPU does not look into the caches.
    public var isIncoherent: Bool

    public init(_ kind: Kind, isIncoherent: Bool = false) {
        self.kind = kind
        self.isIncoherent = isIncoherent
    }

    /// Whether frames have to be cleaned from the caches before a device reads them.
    public var needsPublishing: Bool { handling(isSoftwareGPU: false) == .publish }

    /// x86 machines are coherent; on others a GPU may not look into the caches, unless it is a program on the CPU.
    func handling(isSoftwareGPU: Bool) -> Handling {
        #if arch(x86_64) || arch(i386)
        let mayMissCaches = isIncoherent
        #else
        let mayMissCaches = isIncoherent || !isSoftwareGPU
        #endif
        guard mayMissCaches else { return .nothing }
        return switch kind {
        case .clean: .nothing
        case .cached: .publish
        case .cachedOutOfReach: .copy
        }
    }
}
