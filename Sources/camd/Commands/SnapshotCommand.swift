import ArgumentParser
import LinuxSystem

/// `camd snapshot`
struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Takes a photo.",
        discussion: """
            Goes through the daemon if it owns the camera; a recording loses no frame of it.

              camd snapshot -o door.jpg
            """)

    @OptionGroup var stream: StreamOptions
    @OptionGroup(title: "What is shown") var view: ViewOptions
    @OptionGroup var photo: PhotoOptions
    @OptionGroup var socket: SocketOptions

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The photo: .jpg or .jpeg.", valueName: "file"),
        transform: Arguments.name)
    var output: String

    @Option(help: ArgumentHelp("The JPEG's quality, 1 to 100.", valueName: "n"), transform: Arguments.quality)
    var quality: Int = Limits.defaultQuality

    @Flag(help: "Print what came of it as JSON.")
    var json = false

    func run() throws {
        try Limits.checkPhoto(output)
        let photo = try take()
        if json { return try Console.print(encoding: photo) }
        try Console.print(
            "\(photo.file): \(photo.width)x\(photo.height), \(Summary.size(UInt64(max(0, photo.bytes)))), "
                + "frame \(photo.sequence), \(Console.fixed(photo.milliseconds, 0)) ms")
    }

    private func take() throws(CamdError) -> SnapshotResult {
        var request = stream.request
        request.view = view.wish() ?? request.view
        request.hasQuickPhotos = photo.isQuick
        if var daemon = try DaemonConnection.ifReachable(socket.path),
            try DaemonChoice.camera(of: &daemon, for: request) != nil
        {
            return try daemon.snapshot(file: try FilePaths.absolute(output), quality: quality)
        }
        let session = try CameraSession(request)
        defer { session.close() }
        return try session.snapshot(to: output, quality: quality)
    }
}
