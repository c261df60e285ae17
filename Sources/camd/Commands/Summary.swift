import LinuxSystem
import Varlink

/// What `record`, `stop` and `status` say of a camera.
enum Summary {
    /// The camera's keys at the top, and the same again in a list, as `status` has it.
    static func json(_ status: CameraStatus) throws(CamdError) -> JSONValue {
        let camera = try Console.json(status)
        var members = camera.object ?? [:]
        members["cameras"] = [camera]
        return .object(members)
    }

    /// One line on a recording that has ended.
    static func recording(_ status: CameraStatus) -> String {
        guard let recording = status.recording else { return "\(status.camera): nothing was recorded" }
        let lost = recording.lost.values.reduce(0, &+)
        return
            "\(recording.file): \(recording.frames) frames in \(Console.fixed(recording.seconds, 1)) s, "
            + "\(status.width)x\(status.height) \(status.format) by \(recording.encoder), \(size(recording.bytes)); "
            + "\(status.dropped) dropped, \(status.corrupt) corrupt, \(lost) lost, "
            + "\(Console.fixed(status.bytesCopiedPerFrame, 0)) bytes copied for each frame"
    }

    /// A few lines on a camera.
    static func text(_ status: CameraStatus) -> String {
        var lines = [
            "\(status.camera): \(status.name), \(status.driver), \(status.node)",
            "  \(status.format) \(status.width)x\(status.height), \(Console.fixed(status.fps, 1)) frames/s",
            "  \(status.path.stages.map(\.path).joined(separator: " -> ")), "
                + "\(Console.fixed(status.bytesCopiedPerFrame, 0)) bytes copied for each frame",
            "  \(status.frames) frames, \(status.dropped) dropped (\(status.starved) for want of a buffer), "
                + "\(status.corrupt) corrupt, \(status.late) late",
        ]
        if let gpu = status.gpu {
            lines.append(
                "  \(gpu.renderer), \(gpu.platform)\(gpu.node.map { " on \($0)" } ?? "")"
                    + (gpu.resets == 0 ? "" : ", lost \(gpu.resets) times"))
        }
        for refusal in status.refused { lines.append("  not \(refusal.path): \(refusal.reason)") }
        if let recording = status.recording {
            lines.append(
                "  \(recording.state): \(recording.file), \(recording.frames) frames, "
                    + "\(Console.fixed(recording.seconds, 1)) s, \(size(recording.bytes))")
            if let error = recording.error { lines.append("  \(error)") }
        } else {
            lines.append("  not recording")
        }
        return lines.joined(separator: "\n")
    }

    static func size(_ bytes: UInt64) -> String {
        switch bytes {
        case ..<1_000: "\(bytes) bytes"
        case ..<1_000_000: Console.fixed(Double(bytes) / 1e3, 1) + " kB"
        case ..<1_000_000_000: Console.fixed(Double(bytes) / 1e6, 1) + " MB"
        default: Console.fixed(Double(bytes) / 1e9, 2) + " GB"
        }
    }
}
