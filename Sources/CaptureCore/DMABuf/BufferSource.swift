import LinuxSystem

/// Where buffers come from that camd allocates itself.
public enum BufferSource: Hashable, Sendable {
    case heap(Heap)
    case udmabuf
    /// What a GPU's own driver gives to be drawn into.
    case gbm(GBMDevice)
    /// No dma-buf at all: for a machine that has neither heaps nor udmabuf. Only copies go in and out of it.
    case plainMemory

    public var name: String {
        switch self {
        case .heap(let heap): "heap:\(heap.name)"
        case .udmabuf: "udmabuf"
        case .gbm: "gbm"
        case .plainMemory: "memory"
        }
    }

    public func allocate(_ length: Int) throws(CamdError) -> DMABuf {
        switch self {
        case .heap(let heap): try heap.allocate(length)
        case .udmabuf: try Udmabuf.allocate(length)
        case .gbm(let device): try device.allocate(length)
        case .plainMemory: try DMABuf(plainMemory: length, origin: "memory")
        }
    }

    /// Whether it is there and this user may use it, before anything is allocated (open(2) of its node).
    func checkAccess() throws(CamdError) {
        switch self {
        case .heap(let heap): try heap.open()
        case .udmabuf: try Udmabuf.open()
        case .gbm, .plainMemory: break
        }
    }

    /// The name as it is given to `--heap`.
    public var plainName: String { if case .heap(let heap) = self { heap.name } else { name } }

    /// All that this machine could allocate from, heaps by their names, then udmabuf.
    public static var everything: [BufferSource] {
        Heap.all().map { .heap($0) } + [.udmabuf]
    }
}
