/// What part of a frame an output shows, how large, and which way up.
public struct PictureView: Hashable, Sendable {
    /// How far the frame is turned, clockwise.
    public enum Rotation: Int, Hashable, Sendable, CaseIterable { case none = 0, right = 90, half = 180, left = 270 }

    /// Of the output, in pixels.
    public var width: Int
    public var height: Int
    /// The part of the frame that is shown, from 0 to 1 of its width and height.
    public var left = 0.0
    public var top = 0.0
    public var right = 1.0
    public var bottom = 1.0
    public var rotation = Rotation.none
    /// Left and right change places, before it is turned.
    public var isMirrored = false

    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// Nothing is cut, turned or scaled.
    func isWhole(_ width: Int, _ height: Int) -> Bool {
        (left, top, right, bottom) == (0, 0, 1, 1) && rotation == .none && !isMirrored && self.width == width
            && self.height == height
    }

    /// Shows a frame of this size as it is.
    public func isAll(of frame: FrameSize) -> Bool { isWhole(frame.width, frame.height) }

    /// The output's pixels for each of the frame's, the smaller of both directions.
    func scale(_ width: Int, _ height: Int) -> Double {
        let isSideways = rotation == .right || rotation == .left
        let (shownWidth, shownHeight) = (Double(width) * (right - left), Double(height) * (bottom - top))
        let (across, down) = isSideways ? (shownHeight, shownWidth) : (shownWidth, shownHeight)
        return min(Double(self.width) / max(1, across), Double(self.height) / max(1, down))
    }

    /// Where in the frame the output's corner (u, v) lies, all from 0 to 1.
    func place(_ u: Double, _ v: Double) -> (x: Double, y: Double) {
        var (x, y): (Double, Double)
        switch rotation {
        case .none: (x, y) = (u, v)
        case .right: (x, y) = (v, 1 - u)
        case .half: (x, y) = (1 - u, 1 - v)
        case .left: (x, y) = (1 - v, u)
        }
        if isMirrored { x = 1 - x }
        return (left + x * (right - left), top + y * (bottom - top))
    }

    /// The inputs of a program that reads a picture.
    func setUniforms(_ program: GPUProgram, of input: GPUInput) {
        let origin = place(0, 0)
        let across = place(1, 0)
        let down = place(0, 1)
        let step = (
            ax: (across.x - origin.x) / Double(width), ay: (across.y - origin.y) / Double(width),
            dx: (down.x - origin.x) / Double(height), dy: (down.y - origin.y) / Double(height)
        )
        program.set("across", [step.ax, step.dx, origin.x])
        program.set("down", [step.ay, step.dy, origin.y])
        // Larger than the picture is made by sampling in one place; smaller, by four of half the size of a pixel.
        let isSmaller = scale(input.width, input.height) < 1
        let part = isSmaller ? 0.5 : 0
        program.set("footprint_x", step.ax * part, step.ay * part)
        program.set("footprint_y", step.dx * part, step.dy * part)
        program.set("last", Double(width - 1), Double(height - 1))
    }
}
