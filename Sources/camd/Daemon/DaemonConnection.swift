import LinuxSystem
import Varlink

/// The daemon as the commands see it.
struct DaemonConnection: ~Copyable {
    private(set) var client: Client

    /// How long the daemon may take; each of its own steps has a limit that is shorter.
    static let quickMilliseconds = 10_000
    static let slowMilliseconds = 90_000

    init(_ path: String) throws(CamdError) { client = try Client(connecting: path) }

    /// Nil where no daemon listens, or this user may not speak to it.
    static func ifReachable(_ path: String) throws(CamdError) -> DaemonConnection? {
        do throws(CamdError) {
            return try DaemonConnection(path)
        } catch {
            switch error.errno {
            case Errno.noEntry, Errno.connectionRefused, Errno.accessDenied, Errno.notPermitted: return nil
            default: throw error
            }
        }
    }

    /// Readable when a reply has come, or the daemon has gone.
    var descriptor: CInt { client.descriptor }

    mutating func status() throws(CamdError) -> [CameraStatus] {
        try decode(
            CamerasReply.self,
            try client.call("\(CameraInterface.name).Status", timeoutMilliseconds: Self.quickMilliseconds)
        ).cameras
    }

    mutating func start(_ request: RecordingRequest) throws(CamdError) -> [CameraStatus] {
        let reply = try client.call(
            "\(CameraInterface.name).Start", Self.parameters(request), timeoutMilliseconds: Self.slowMilliseconds)
        return try decode(CamerasReply.self, reply).cameras
    }

    /// Starts a recording that ends with this connection at the latest; `nextOfStart` waits for what comes of it.
    mutating func startAndFollow(_ request: RecordingRequest) throws(CamdError) {
        let deadline = Deadline(afterMilliseconds: Self.slowMilliseconds)
        try client.send("\(CameraInterface.name).Start", Self.parameters(request), more: true, deadline: deadline)
        if let ended = try nextOfStart(deadline) {
            throw CamdError(
                .unavailable, subject: request.file, reason: "the recording ended as soon as it had begun",
                remedy: ended.recording?.error)
        }
    }

    /// The next reply to `startAndFollow`: nil when the recording has started, its camera's status when it has ended.
    mutating func nextOfStart(_ deadline: Deadline) throws(CamdError) -> CameraStatus? {
        let reply = try client.receive("\(CameraInterface.name).Start", deadline: deadline)
        let cameras = try decode(CamerasReply.self, reply.parameters).cameras
        if reply.continues { return nil }
        return try Self.first(cameras)
    }

    mutating func split() throws(CamdError) -> CameraStatus {
        let reply = try client.call("\(CameraInterface.name).Split", timeoutMilliseconds: Self.slowMilliseconds)
        return try Self.first(try decode(CamerasReply.self, reply).cameras)
    }

    mutating func stop() throws(CamdError) -> CameraStatus {
        let reply = try client.call("\(CameraInterface.name).Stop", timeoutMilliseconds: Self.slowMilliseconds)
        return try Self.first(try decode(CamerasReply.self, reply).cameras)
    }

    mutating func snapshot(file: String, quality: Int) throws(CamdError) -> SnapshotResult {
        let reply = try client.call(
            "\(CameraInterface.name).Snapshot", ["file": .string(file), "quality": .integer(Int64(quality))],
            timeoutMilliseconds: Self.slowMilliseconds)
        return try decode(PhotoReply.self, reply).photo
    }

    private static func parameters(_ request: RecordingRequest) -> JSONValue {
        var parameters: [String: JSONValue] = ["file": .string(request.file), "encoder": .string(request.encoder)]
        if !request.encoderOptions.isEmpty {
            parameters["encoder_options"] = .object(request.encoderOptions.mapValues { .string($0) })
        }
        let mode = request.mode
        if let width = mode.width { parameters["width"] = .integer(Int64(width)) }
        if let height = mode.height { parameters["height"] = .integer(Int64(height)) }
        if let rate = mode.framesPerSecond { parameters["fps"] = .number(rate) }
        if let format = mode.pixelFormat { parameters["format"] = .string(format.description) }
        if let view = mode.view { parameters["view"] = ViewParameters.json(view) }
        let segments = request.segments
        if let seconds = segments.seconds { parameters["segment_seconds"] = .number(seconds) }
        if let bytes = segments.bytes { parameters["segment_bytes"] = .integer(Int64(bytes)) }
        if let clock = segments.clockSeconds { parameters["segment_clock"] = .integer(Int64(clock)) }
        return .object(parameters)
    }

    private static func first(_ cameras: [CameraStatus]) throws(CamdError) -> CameraStatus {
        guard let camera = cameras.first else {
            throw CamdError(.protocolViolation, subject: "camd", reason: "the daemon's reply names no camera")
        }
        return camera
    }

    private func decode<T: Decodable>(_ type: T.Type, _ value: JSONValue) throws(CamdError) -> T {
        do throws(JSONError) {
            return try value.decode(type)
        } catch {
            throw CamdError(
                .protocolViolation, subject: client.path, reason: "the daemon's reply cannot be understood: \(error)",
                remedy: "Is it of the same version as this program?")
        }
    }
}
