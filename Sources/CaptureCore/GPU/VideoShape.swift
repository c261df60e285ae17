/// How a video's pictures are to lie in memory: as the encoder reads them.
public struct VideoShape: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// Y, then UV.
        case nv12
        /// Y, then U and V side by side: each in rows as far apart as those of Y.
        case i420
    }

    public var kind: Kind
    /// Bytes from one row to the next, a multiple of 4; nil: a multiple of 64 that is large enough, which is what GPUs that draw
    /// into linear memory ask for.
    public var stride: Int?
    /// Rows from the first of Y to the first of UV; nil: as many as the picture has. Codecs count in blocks, and some have
    /// the chroma begin behind a whole one.
    public var lumaRows: Int?

    public init(_ kind: Kind = .nv12, stride: Int? = nil, lumaRows: Int? = nil) {
        self.kind = kind
        self.stride = stride
        self.lumaRows = lumaRows
    }

    var outputKind: GPUOutput.Kind { kind == .i420 ? .i420 : .nv12 }
}
