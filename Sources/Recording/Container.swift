import CFFmpeg
import LinuxSystem

/// The kinds of file that a recording is written as. All can be cut off at any byte and still be played.
public enum Container: String, Sendable, Hashable, CaseIterable {
    /// Matroska; the index is written at the end.
    case matroska = "mkv"
    /// MP4 in fragments.
    case mp4
    /// MPEG-TS.
    case mpegTS = "ts"

    /// By the file's ending; throws `.usage` for one that is not known.
    public init(path: String) throws(CamdError) {
        let name = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path[path.utf8.index(after: $0)...] } ?? path[...]
        let ending = name.lastIndex(of: ".").map { name[name.index(after: $0)...].lowercased() }
        guard let ending, let container = Self(rawValue: ending) else {
            let known = Self.allCases.map { ".\($0.rawValue)" }.joined(separator: ", ")
            throw CamdError(
                .usage, subject: path,
                reason: ending.map { "no container is known by the ending .\($0)" } ?? "the name has no ending",
                remedy: "Name it with one of: \(known).")
        }
        self = container
    }

    /// Whether it can hold such packets (avformat_query_codec(3)). A codec that libavcodec does not know has a name in Matroska
    /// alone, the fourcc that AVI would give it.
    func holds(_ stream: EncodedStream) -> Bool {
        guard stream.fourcc == nil else { return self == .matroska }
        guard let muxer = av_guess_format(muxerName, nil, nil) else { return false }
        return avformat_query_codec(muxer, stream.parameters.pointee.codec_id, FF_COMPLIANCE_NORMAL) != 0
    }

    /// The muxer's name in libavformat.
    var muxerName: String {
        switch self {
        case .matroska: "matroska"
        case .mp4: "mp4"
        case .mpegTS: "mpegts"
        }
    }

    /// Whether the encoder's parameter sets are stored once, at the start (AVFMT_GLOBALHEADER).
    var hasGlobalHeader: Bool { self != .mpegTS }

    /// Ticks for each second that times in the file are rounded to.
    var ticks: CInt {
        switch self {
        case .matroska: 1000
        case .mp4, .mpegTS: 90_000
        }
    }

    /// The muxer's options. Key frames begin a cluster or a fragment; where else one ends is ours to say (`Muxer.flush`),
    /// and the muxers' own limits are for those who forget it.
    var options: [(String, String)] {
        switch self {
        case .matroska: [("cluster_time_limit", "5000")]
        case .mp4: [("movflags", "+empty_moov+frag_keyframe+default_base_moof"), ("frag_duration", "5000000")]
        case .mpegTS: []
        }
    }

    /// What has to be set again after each flush: MP4's muxer would take the next fragment to begin where the last frame's
    /// nominal duration ends, and not at the time that its first frame has.
    var optionAfterFlush: (String, String)? { self == .mp4 ? ("movflags", "+frag_discont") : nil }

    /// Whether a packet is in the file as soon as it is written, and not only when the next one completes a cluster.
    var writesAtOnce: Bool { self == .mpegTS }
}
