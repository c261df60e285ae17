import ArgumentParser
import FoundationEssentials
import LinuxSystem
import Varlink

/// `camd start`
struct StartCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Lets the daemon record, until 'camd stop'.",
        discussion: """
            Where the stream is not of the size, rate, format or view that is asked for, the daemon changes it first; what is \
            not named is then as 'camd serve' was told. It stays so until a recording asks for something else.

              camd start -o door.mkv
              camd start -o door.mkv --size 1920x1080 --fps 30
              camd start -o /srv/cam/%Y%m%d-%H%M%S.mkv --segment-clock 1h
            """)

    @OptionGroup var socket: SocketOptions

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The file; %Y%m%d-%H%M%S and so on stand for the local time.", valueName: "file"),
        transform: Arguments.name)
    var output: String

    @OptionGroup(title: "How it is encoded") var encoding: EncoderOptions

    @OptionGroup(title: "Segments") var segments: SegmentOptions
    @OptionGroup var mode: ModeOptions
    @OptionGroup(title: "What is shown") var view: VideoViewOptions

    @Option(help: ArgumentHelp("Frames per second.", valueName: "n"), transform: Arguments.rate)
    var fps: Double?

    func run() throws {
        var daemon = try DaemonConnection(socket.path)
        let mode = StreamMode(
            width: mode.size?.width, height: mode.size?.height, framesPerSecond: fps, pixelFormat: mode.pixelFormat,
            view: view.wish)
        var wish = RecordingRequest(file: try FilePaths.absolute(output), mode: mode)
        encoding.apply(to: &wish)
        wish.segments = segments.rule
        let cameras = try daemon.start(wish)
        for camera in cameras {
            try Console.print("\(camera.camera): recording to \(camera.recording?.file ?? output)")
        }
    }
}

/// `camd split`
struct SplitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split", abstract: "Lets the daemon's recording go on in another file, now.",
        discussion: """
            No frame is lost or doubled. The new file's name is that of 'camd start -o' at this time; where that is taken, \
            or has no time in it, with a number behind: door-2.mkv.
            """)

    @OptionGroup var socket: SocketOptions

    @Flag(help: "Print the camera's status as JSON.")
    var json = false

    func run() throws {
        var daemon = try DaemonConnection(socket.path)
        let status = try daemon.split()
        if json { return try Console.print(try Summary.json(status)) }
        try Console.print("\(status.camera): recording to \(status.recording?.file ?? "another file")")
    }
}

/// `camd stop`
struct StopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Ends the daemon's recording and finishes its file.")

    @OptionGroup var socket: SocketOptions

    @Flag(help: "Print a summary as JSON.")
    var json = false

    func run() throws {
        var daemon = try DaemonConnection(socket.path)
        let status = try daemon.stop()
        if json { return try Console.print(try Summary.json(status)) }
        try Console.print(Summary.recording(status))
    }
}

/// `camd status`
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Says what the daemon's camera does.")

    @OptionGroup var socket: SocketOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        var daemon = try DaemonConnection(socket.path)
        let cameras = try daemon.status()
        if json { return try Console.print(encoding: CamerasReply(cameras: cameras)) }
        for camera in cameras { try Console.print(Summary.text(camera)) }
    }
}

/// `camd call`
struct CallCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "call", abstract: "Calls a method of the daemon, and prints what it replies.",
        discussion: """
              camd call Status
              camd call Snapshot '{"file":"/tmp/a.jpg"}'
              camd call org.varlink.service.GetInterfaceDescription '{"interface":"io.camd.Camera"}'
            """)

    @OptionGroup var socket: SocketOptions

    @Flag(help: "Take more than one reply, and print each on a line of its own.")
    var more = false

    @Option(
        help: ArgumentHelp("How long to wait for each reply, in seconds.", valueName: "s"),
        transform: Arguments.duration)
    var timeout: Double = 90

    @Argument(help: "The method; without an interface in front, one of io.camd.Camera.")
    var method: String

    @Argument(help: "Its parameters, a JSON object.")
    var parameters: String = "{}"

    func validate() throws {
        _ = try Self.parse(parameters)
        if method.isEmpty { throw ValidationError("a method's name is not empty") }
    }

    func run() throws {
        let name = Self.fullName(method)
        let parameters = try Self.parse(parameters)
        let milliseconds = Int((timeout * 1000).rounded(.up))
        var client = try Client(connecting: socket.path)
        guard more else {
            return try Console.print(try client.call(name, parameters, timeoutMilliseconds: milliseconds))
        }
        var failure: CamdError?
        try client.callMore(name, parameters, timeoutMilliseconds: milliseconds) { reply in
            do throws(CamdError) {
                try Console.print(reply)
                return true
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
    }

    static func fullName(_ method: String) -> String {
        method.contains(".") ? method : "\(CameraInterface.name).\(method)"
    }

    static func parse(_ text: String) throws -> JSONValue {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: Array(text.utf8))
        } catch {
            throw ValidationError("the parameters are not JSON: \(error)")
        }
        guard value.object != nil else {
            throw ValidationError("the parameters of a method are a JSON object, such as {\"file\":\"/tmp/a.jpg\"}")
        }
        return value
    }
}
