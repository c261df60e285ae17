import ArgumentParser
import LinuxSystem
import Logging

/// `camd serve`
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Owns a camera, and does with it what comes over the control socket.",
        discussion: """
            Ends at SIGINT or SIGTERM, after a running recording has been finished; a second one ends at once. Only root \
            and the user that runs it may control it.
            """)

    @OptionGroup var stream: StreamOptions
    @OptionGroup var motion: MotionOptions
    @OptionGroup(title: "What is shown") var view: VideoViewOptions
    @OptionGroup var photo: PhotoOptions
    @OptionGroup var socket: SocketOptions

    func run() throws {
        // Before anything starts a thread.
        let signals = try SignalWatch()
        LoggingSystem.bootstrap { _ in ConsoleLog() }
        // The socket comes first: it is the lock that keeps a second daemon from the camera.
        let file = try SocketFile(socket.path)
        defer { file.remove() }
        let log = Logger(label: "camd")
        var request = motion.request(stream)
        request.view = view.wish ?? request.view
        request.hasQuickPhotos = photo.isQuick
        let session = try CameraSession(request) { log.notice("\($0)") }
        defer { session.close() }
        let stop = Daemon.Stop(descriptor: signals.descriptor) { SignalWatch.name(signals.first ?? 0) }
        let daemon = try Daemon(socket: file, session: session, stop: stop, log: log)
        try daemon.run()
    }
}
