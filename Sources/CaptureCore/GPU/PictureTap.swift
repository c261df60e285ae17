/// One more kind of picture of each frame, beside video and photos, and who gets it.
public struct PictureTap: Sendable {
    public enum Kind: Hashable, Sendable {
        case nv12
        case i420
        case rgba
        /// See `FrameStatistics`.
        case statistics(columns: Int, rows: Int)
    }

    /// A stage has at most so many.
    public static let most = 8

    public var kind: Kind
    /// What part of the frame, how large, which way up; nil is all of it as it is.
    public var view: PictureView?
    /// Of the numbers in the picture; of no meaning for statistics and RGBA.
    public var color: Colorimetry
    /// Buffers that the sink and the GPU have between them, 2 to 32. While the sink has all of them it gets no pictures.
    public var slots: Int
    public var sink: any VideoSink

    public init(
        _ kind: Kind, view: PictureView? = nil, color: Colorimetry = .sRGB, slots: Int = 4, sink: any VideoSink
    ) {
        self.kind = kind
        self.view = view
        self.color = color
        self.slots = slots
        self.sink = sink
    }

    var outputKind: GPUOutput.Kind {
        switch kind {
        case .nv12: .nv12
        case .i420: .i420
        case .rgba: .rgba
        case .statistics(let columns, let rows): .statistics(columns: columns, rows: rows)
        }
    }
}
