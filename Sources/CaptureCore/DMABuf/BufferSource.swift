import LinuxSystem

/// Where buffers come from that camd allocates itself.
public enum BufferSource: Hashable, Sendable {
    case heap(Heap)
    case udmabuf
    /// No dma-buf at all: for a machine that has neither heaps nor udmabuf. Only copies go in and out of it.
    case plainMemory

    public var name: String {
        switch self {
        case .heap(let heap): "heap:\(heap.name)"
        case .udmabuf: "udmabuf"
        case .plainMemory: "memory"
        }
    }

    public func allocate(_ length: Int) throws(CamdError) -> DMABuf {
        switch self {
        case .heap(let heap): try heap.allocate(length)
        case .udmabuf: try Udmabuf.allocate(length)
        case .plainMemory: try DMABuf(plainMemory: length, origin: "memory")
        }
    }

    /// One set of buffers for each of `count` slots, as large as the layout says.
    public func allocate(_ layout: FrameLayout, count: Int) throws(CamdError) -> [[DMABuf]] {
        var slots: [[DMABuf]] = []
        for _ in 0..<count {
            var buffers: [DMABuf] = []
            for size in layout.bufferSizes { buffers.append(try allocate(size)) }
            slots.append(buffers)
        }
        return slots
    }

    /// What to try, in order. `heaps`: the names that the user wants, each of which has to give buffers, or it is an
    /// error; none: the system heap first, whose CPU mapping is cached, then every other, then udmabuf.
    public static func candidates(heaps: [String]) throws(CamdError) -> [BufferSource] {
        guard heaps.isEmpty else {
            var wanted: [BufferSource] = []
            for name in heaps {
                let source: BufferSource = name == "udmabuf" ? .udmabuf : .heap(Heap(name: name))
                _ = try source.allocate(1)
                wanted.append(source)
            }
            return wanted
        }
        return everything
    }

    /// All that this machine could allocate from, in the order in which camd tries it.
    public static var everything: [BufferSource] {
        var found = Heap.all()
        if let system = found.firstIndex(where: { $0.name == "system" }) {
            found.insert(found.remove(at: system), at: 0)
        }
        return found.map { .heap($0) } + [.udmabuf]
    }
}
