import Testing

/// A file as ffprobe sees it.
struct Probe {
    var seconds: [Double] = []
    var keyFrames: [Bool] = []
    /// What ffprobe complained of; empty when all is well.
    var complaints: String
    var stream: [String: String] = [:]
    var tags: [String: String] = [:]

    init(_ path: String) throws {
        let frames = try run(
            "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time,key_frame", "-of",
            "default=nw=1", path)
        complaints = frames.errors
        for line in frames.lines {
            if line.hasPrefix("pts_time="), let time = Double(line.dropFirst(9)) { seconds.append(time) }
            if line.hasPrefix("key_frame=") { keyFrames.append(line.hasSuffix("1")) }
        }
        let streams = try run(
            "ffprobe", "-v", "error", "-show_entries", "stream:format_tags", "-of", "default=nw=1", path)
        complaints += streams.errors
        for line in streams.lines {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            if parts[0].hasPrefix("TAG:") {
                tags[String(parts[0].dropFirst(4))] = String(parts[1])
            } else {
                stream[String(parts[0])] = String(parts[1])
            }
        }
    }
}

/// All frames of a file, decoded to tightly packed planes.
func decode(_ path: String, as format: String) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    let raw = folder.path("raw")
    let spoken = try run(
        "ffmpeg", "-v", "error", "-y", "-i", path, "-f", "rawvideo", "-pix_fmt", format, "-fps_mode", "passthrough", raw
    )
    #expect(spoken.errors.isEmpty)
    return try bytes(of: raw)
}
