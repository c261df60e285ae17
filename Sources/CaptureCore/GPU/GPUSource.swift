import CEGL
import LinuxSystem

/// The capture buffers as the GPU sees them: an image for each buffer and plane, made once; or one set of textures that
/// each frame is copied into, counted. Lives and ends on the GL thread.
final class GPUSource {
    /// `eglimage` or `upload`.
    let path: String
    private let images: [[GPUImage]]
    private let textures: [GPUTexture]
    private let pool: FramePool
    private let publishesWrites: Bool

    /// `writes`: what has to be done for each frame, so that the GPU sees what the driver wrote.
    init(
        _ display: GPUDisplay, _ pool: FramePool, writes: DriverWrites.Handling, refusals: inout [PathRefusal]
    ) throws(CamdError) {
        self.pool = pool
        publishesWrites = writes == .publish
        let planes = pool.layout.planes.map(PackedPlane.init)
        let largest = planes.map { max($0.width, $0.height) }.max() ?? 0
        guard largest <= display.largestEdge else {
            throw CamdError(
                .unavailable, subject: "GPU \(display.renderer)",
                reason: "a \(pool.layout.sizeText) frame is larger than its limit of \(display.largestEdge)",
                remedy: "Choose a smaller --size.")
        }
        do throws(CamdError) {
            if writes == .copy {
                throw CamdError(
                    .unavailable, subject: "frames",
                    reason: "the driver writes them with the CPU into memory of its own and leaves them in the caches, "
                        + "where this GPU does not look",
                    remedy: "A heap or udmabuf that the camera can import avoids the copy (see: camd doctor).")
            }
            var images: [[GPUImage]] = []
            for buffers in pool.buffers {
                var slot: [GPUImage] = []
                for (plane, packed) in zip(pool.layout.planes, planes) {
                    if buffers[plane.buffer].isPlainMemory {
                        throw CamdError(
                            .unavailable, subject: "frames",
                            reason: "they lie in ordinary memory, which no GPU imports",
                            remedy: "A kernel with dma-buf heaps or udmabuf avoids the copy.")
                    }
                    slot.append(try GPUImage(display, buffers[plane.buffer], packed))
                }
                images.append(slot)
            }
            self.images = images
            textures = []
            path = "eglimage"
        } catch {
            refusals.append(PathRefusal(.gpu, "eglimage", error.description))
            images = []
            textures = planes.map { GPUTexture(display, $0) }
            path = "upload"
            for buffers in pool.buffers { for buffer in buffers { try buffer.prepareForCPU() } }
        }
    }

    /// How many slots differ for the GPU: all of them, or the one set of textures that all are copied into.
    var slotsToWarm: Int { images.isEmpty ? 1 : images.count }

    /// Binds a frame's planes to the texture units that the shaders read; returns bytes copied for that.
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
        for index in pool.layout.planes.indices {
            glActiveTexture(GLenum(GL_TEXTURE0 + Int32(index)))
            glBindTexture(GLenum(GL_TEXTURE_2D), images.isEmpty ? textures[index].texture : images[slot][index].texture)
        }
        glActiveTexture(GLenum(GL_TEXTURE0))
        return copied
    }
}
