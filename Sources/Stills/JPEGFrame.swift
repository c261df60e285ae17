import CaptureCore
import LinuxSystem

extension JPEGEncoder {
    /// The planes of a frame that can be compressed, with no read past a buffer's end.
    static func check(_ layout: FrameLayout, _ quality: Int) throws(CamdError) -> [PlaneLayout] {
        let subject = "JPEG of a \(layout.format) frame of \(layout.sizeText)"
        guard (1...100).contains(quality) else {
            throw CamdError(.usage, subject: subject, reason: "quality \(quality) is out of 1 to 100")
        }
        guard layout.format == .yuv420 || layout.format == .yuv420M else {
            throw CamdError(
                .usage, subject: subject, reason: "only frames of three planes, \(PixelFormat.yuv420), are compressed")
        }
        let sides = 1...mostPixels
        guard sides.contains(layout.width), sides.contains(layout.height) else {
            throw CamdError(
                .usage, subject: subject, reason: "a JPEG has 1 to \(mostPixels) pixels each way",
                remedy: "Choose a smaller size.")
        }
        guard layout.planes.count == 3, (1...4).contains(layout.bufferSizes.count) else {
            throw CamdError(.badData, subject: subject, reason: "the layout has not three planes in 1 to 4 buffers")
        }
        for (index, plane) in layout.planes.enumerated() {
            let shift = index == 0 ? 0 : 1
            let width = (layout.width + shift) >> shift
            let rows = (layout.height + shift) >> shift
            guard layout.bufferSizes.indices.contains(plane.buffer), plane.offset >= 0, plane.offset <= 1 << 40,
                plane.stride >= width, plane.stride <= 1 << 24,
                plane.offset + (rows - 1) * plane.stride + width <= layout.bufferSizes[plane.buffer]
            else {
                throw CamdError(
                    .badData, subject: subject, reason: "plane \(index) does not fit into its buffer (\(plane))")
            }
        }
        return layout.planes
    }
}
