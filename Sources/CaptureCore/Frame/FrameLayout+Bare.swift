import LinuxSystem

extension FrameLayout {
    /// A frame as bare bytes, in a file or from a test: V4L2's layout with no gap between rows and none between planes,
    /// and the colours that the kernel's documentation gives a driver that says nothing of them.
    /// - Throws: `.usage` for a format that is not known, or a size that no frame has.
    public static func bare(_ format: PixelFormat, width: Int, height: Int) throws(CamdError) -> FrameLayout {
        let subject = "a \(format) frame of \(width)x\(height)"
        guard let shape = FormatShape(format) else {
            throw CamdError(
                .usage, subject: subject, reason: "the layout of \(format) is not known",
                remedy: "Give V4L2's name of its format, such as YUYV, NV12 or RGGB.")
        }
        let buffers = shape.isSplit ? shape.planes.count : 1
        let zeros = [Int](repeating: 0, count: buffers)
        let color = Colorimetry(
            colorspace: 0, transfer: 0, encoding: 0, quantization: 0, isRGB: shape.isRGB, isGrey: shape.isGrey)
        guard
            let layout = FrameLayout(
                format, width: width, height: height, strides: zeros, bufferSizes: zeros, color: color)
        else {
            throw CamdError(.usage, subject: subject, reason: "a frame has 1 to 65536 pixels each way")
        }
        return layout
    }
}
