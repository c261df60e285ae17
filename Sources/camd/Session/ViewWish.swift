import CaptureCore
import LinuxSystem

/// What of a frame videos and photos show, how large videos are, and which way up, as the user has it. A frame is cut first,
/// then mirrored, then turned, then scaled.
struct ViewWish: Sendable, Hashable {
    /// A rectangle of the frame, in its pixels.
    struct Crop: Sendable, Hashable {
        var x: Int
        var y: Int
        var width: Int
        var height: Int
    }

    var crop: Crop?
    /// More than 1 shows the middle of the frame only, so many times larger. Not together with `crop`.
    var zoom = 1.0
    /// Clockwise.
    var rotation = PictureView.Rotation.none
    /// Left and right change places.
    var isMirrored = false
    /// Of videos, after all of the above; photos are as large as the frame shows it.
    var scale: FrameSize?

    /// How far a frame can be zoomed into.
    static let zooms = 1.0...64.0

    /// What photos show of frames of this size.
    /// - Throws: `.usage` for what is not inside of the frame.
    func photo(of frame: FrameSize) throws(CamdError) -> PictureView {
        let part = try part(of: frame)
        let isSideways = rotation == .right || rotation == .left
        var view = PictureView(
            width: isSideways ? part.height : part.width, height: isSideways ? part.width : part.height)
        view.left = Double(part.x) / Double(frame.width)
        view.right = Double(part.x + part.width) / Double(frame.width)
        view.top = Double(part.y) / Double(frame.height)
        view.bottom = Double(part.y + part.height) / Double(frame.height)
        view.rotation = rotation
        view.isMirrored = isMirrored
        return view
    }

    /// What videos show of them.
    func video(of frame: FrameSize) throws(CamdError) -> PictureView {
        var view = try photo(of: frame)
        if let scale { (view.width, view.height) = (scale.width, scale.height) }
        return view
    }

    private func part(of frame: FrameSize) throws(CamdError) -> Crop {
        guard let crop else {
            // Even numbers, so that encoders take it, and the middle stays the middle.
            func edge(_ full: Int) -> Int { zoom == 1 ? full : max(2, Int(Double(full) / zoom / 2) * 2) }
            let (width, height) = (edge(frame.width), edge(frame.height))
            return Crop(x: (frame.width - width) / 2, y: (frame.height - height) / 2, width: width, height: height)
        }
        guard crop.x + crop.width <= frame.width, crop.y + crop.height <= frame.height else {
            throw CamdError(
                .usage, subject: "crop \(crop)", reason: "it reaches over the edge of a frame of \(frame)",
                remedy: "Frames begin at 0,0; the largest from there is \(frame)+0+0.")
        }
        return crop
    }
}

extension ViewWish.Crop: CustomStringConvertible {
    /// `640x480+100+50`: as wide, as high, from the left, from the top.
    var description: String { "\(width)x\(height)+\(x)+\(y)" }

    /// Reads the same.
    init?(_ text: String) {
        let parts = text.split(separator: "+", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        let edges = parts[0].split(separator: "x", omittingEmptySubsequences: false)
        let numbers = (edges + parts[1...]).map { part in
            part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(part) : nil
        }
        guard edges.count == 2, let width = numbers[0], let height = numbers[1], let x = numbers[2],
            let y = numbers[3], Limits.edges.contains(width), Limits.edges.contains(height),
            x <= Limits.edges.upperBound, y <= Limits.edges.upperBound
        else { return nil }
        self.init(x: x, y: y, width: width, height: height)
    }
}
