import CEGL
import LinuxSystem

/// The capture buffers as the GPU sees them: an image for each buffer and plane, made once; or one set of textures that
/// each frame is copied into, counted. Lives and ends on the GL thread.
final class GPUSource {
    /// `eglimage` or `upload`.
    let path: String
    /// What passes read; `bind` says of which frame.
    let input: GPUInput
    let reading: PixelReading
    private var otherInputs: [GPUInput] = []
    private let images: [[GPUImage]]
    private let textures: [GPUTexture]
    private let pool: FramePool
    private let publishesWrites: Bool

    /// `writes`: what has to be done for each frame, so that the GPU sees what the driver wrote. `look`: what is to become
    /// of a sensor's numbers. `isStreaming`: the camera's driver may have some of the buffers, the CPU leaves them alone.
    init(
        _ display: GPUDisplay, _ pool: FramePool, writes: DriverWrites.Handling, look: Look, isStreaming: Bool = false,
        refusals: inout [PathRefusal]
    ) throws(CamdError) {
        self.pool = pool
        publishesWrites = writes == .publish
        let layout = pool.layout
        guard let reading = PixelReading(layout.format) else {
            throw CamdError(.unavailable, subject: "GPU", reason: "camd has no shader that reads \(layout.format)")
        }
        self.reading = reading
        if reading.isBayer, min(layout.width, layout.height) < 4 {
            throw CamdError(
                .usage, subject: "GPU", reason: "a sensor's frame of \(layout.sizeText) is too small to debayer")
        }
        var planes = layout.planes.map { PackedPlane($0) }
        try Self.check(display, layout, planes)
        do throws(CamdError) {
            if writes == .copy {
                throw CamdError(
                    .unavailable, subject: "frames",
                    reason: "the driver writes them with the CPU into memory of its own and leaves them in the caches, "
                        + "where this GPU does not look",
                    remedy: "A heap or udmabuf that the camera can import avoids the copy (see: camd doctor).")
            }
            (images, planes) = try Self.images(display, pool, planes)
            textures = []
            path = "eglimage"
        } catch {
            refusals.append(PathRefusal(.gpu, "eglimage", error.description))
            images = []
            planes = layout.planes.map { PackedPlane($0) }
            textures = planes.map { GPUTexture(display, $0) }
            path = "upload"
            if !isStreaming {
                for buffers in pool.buffers { for buffer in buffers { try buffer.prepareForCPU() } }
            }
        }
        input = GPUInput(
            display, .frame(reading, bytePlanes: planes.map(\.isBytes)), width: layout.width, height: layout.height,
            color: layout.color, look: reading.isBayer ? look : nil, planes: planes)
    }

    /// The same frames, with something else to become of a sensor's numbers.
    func addInput(_ display: GPUDisplay, look: Look) -> GPUInput {
        let other = GPUInput(
            display, input.source, width: input.width, height: input.height, color: input.color, look: look,
            planes: input.planes)
        otherInputs.append(other)
        return other
    }

    private static func check(
        _ display: GPUDisplay, _ layout: FrameLayout, _ planes: [PackedPlane]
    ) throws(CamdError) {
        let largest = planes.map { max($0.width, $0.height) }.max() ?? 0
        guard largest > display.largestEdge else { return }
        throw CamdError(
            .unavailable, subject: "GPU \(display.renderer)",
            reason: "a \(layout.sizeText) frame is larger than its limit of \(display.largestEdge)",
            remedy: "Choose a smaller --size.")
    }

    /// An image for each plane of each buffer. A plane whose rows do not begin at multiples of four bytes, or that the GPU
    /// does not take as 32-bit texels, comes in byte by byte.
    private static func images(
        _ display: GPUDisplay, _ pool: FramePool, _ packed: [PackedPlane]
    ) throws(CamdError) -> ([[GPUImage]], [PackedPlane]) {
        var planes = packed
        for (index, plane) in pool.layout.planes.enumerated() where plane.stride % 4 != 0 || plane.offset % 4 != 0 {
            planes[index] = PackedPlane(plane, isBytes: true)
        }
        var images: [[GPUImage]] = []
        for buffers in pool.buffers {
            var slot: [GPUImage] = []
            for (index, plane) in pool.layout.planes.enumerated() {
                let buffer = buffers[plane.buffer]
                if buffer.isPlainMemory {
                    throw CamdError(
                        .unavailable, subject: "frames",
                        reason: "they lie in ordinary memory, which no GPU imports",
                        remedy: "A kernel with dma-buf heaps or udmabuf avoids the copy.")
                }
                do throws(CamdError) {
                    slot.append(try GPUImage(display, buffer, planes[index]))
                } catch {
                    // Only the first buffer decides.
                    guard images.isEmpty, !planes[index].isBytes else { throw error }
                    planes[index] = PackedPlane(plane, isBytes: true)
                    slot.append(try GPUImage(display, buffer, planes[index]))
                }
            }
            images.append(slot)
        }
        return (images, planes)
    }

    /// How many slots differ for the GPU: all of them, or the one set of textures that all are copied into.
    var slotsToWarm: Int { images.isEmpty ? 1 : images.count }

    /// Makes a frame the one that `input` reads; returns bytes copied for that.
    func bind(_ slot: Int) throws(CamdError) -> Int {
        var copied = 0
        if publishesWrites, !images.isEmpty {
            for buffer in pool.buffers[slot] { try buffer.publishDriverWrites() }
        }
        if images.isEmpty {
            for (index, plane) in pool.layout.planes.enumerated() {
                let texture = textures[index]
                copied += try pool.buffers[slot][plane.buffer].withBytes { (bytes) throws(CamdError) in
                    texture.upload(bytes)
                }
            }
        }
        select(slot)
        return copied
    }

    /// The same for the textures alone: what is in the frame's memory is left alone.
    func select(_ slot: Int) {
        input.textures = images.isEmpty ? textures.map(\.texture) : images[slot].map(\.texture)
        for other in otherInputs { other.textures = input.textures }
    }
}
