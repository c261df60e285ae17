import ArgumentParser
import CaptureCore
import LinuxSystem
import Recording

/// `camd record`
struct RecordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record", abstract: "Records a camera into a file.",
        discussion: """
            Records until the time is up, or until SIGINT or SIGTERM, which finish the file; a second one ends at once. \
            Goes through the daemon if it owns the camera.

              camd record -o door.mkv --duration 10
              camd record --camera test -o test.mkv --duration 3 --json
              camd record -o upright.mkv --rotate 90 --scale 720x1280
              camd record -o lossless.mkv --encoder ffv1
              camd record -o small.mkv --encoder-option preset=veryfast --encoder-option crf=28
              camd record -o cam-%Y%m%d-%H%M%S.mkv --segment-seconds 600

            On a terminal one line tells how far it is.
            """)

    @OptionGroup var stream: StreamOptions
    @OptionGroup var motion: MotionOptions
    @OptionGroup(title: "Segments") var segments: SegmentOptions
    @OptionGroup(title: "What is shown") var view: VideoViewOptions
    @OptionGroup var socket: SocketOptions

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The file; %Y%m%d-%H%M%S and so on stand for the local time.", valueName: "file"),
        transform: Arguments.name)
    var output: String

    @Option(
        help: ArgumentHelp("How long, in seconds (default: until a signal).", valueName: "s"),
        transform: Arguments.duration)
    var duration: Double?

    @OptionGroup(title: "How it is encoded") var encoding: EncoderOptions

    @Flag(help: "Print a summary as JSON.")
    var json = false

    func run() throws {
        // Before anything starts a thread.
        let signals = try SignalWatch()
        // Before the camera is opened, which takes its time.
        try FileNames(output).check(segments.rule)
        var request = motion.request(stream)
        request.view = view.wish ?? request.view
        request.isForRecordingOnly = true
        if let encoder = encoding.encoder { request.encoder = encoder }
        if var daemon = try DaemonConnection.ifReachable(socket.path),
            try DaemonChoice.camera(of: &daemon, for: request, changesMode: true) != nil
        {
            return try report(recordThroughDaemon(&daemon, request.mode, signals))
        }
        let before = ProgressLine.ifTerminal() == nil ? "" : ProgressLine.clear
        let session = try CameraSession(request) { Console.writeError("\(before)camd: \($0)\n") }
        defer { session.close() }
        try report(recordMyself(session, signals))
    }

    /// The summary, then the error if there was one.
    private func report(_ outcome: RecordingOutcome) throws(CamdError) {
        if json {
            try Console.print(try Summary.json(outcome.status))
        } else {
            try Console.print(Summary.recording(outcome.status))
        }
        if let failure = outcome.failure { throw failure }
    }

    /// Records with a camera of our own.
    func recordMyself(_ session: any SessionControl, _ signals: SignalWatch) throws(CamdError) -> RecordingOutcome {
        var wish = RecordingRequest(file: output)
        encoding.apply(to: &wish)
        wish.segments = segments.rule
        if let signal = signals.first {
            // It came while the camera was being opened: there is nothing to finish.
            throw CamdError(
                .unavailable, subject: output, reason: "nothing was recorded, \(SignalWatch.name(signal)) came first")
        }
        try session.startRecording(wish)
        do throws(CamdError) {
            try waitForEnd(signals, session.failureDescriptor) { session.status() }
        } catch {
            // What has been recorded is worth more than the reason why waiting failed.
            Console.complain(error)
        }
        return try session.finishRecording()
    }

    /// Lets the daemon record.
    private func recordThroughDaemon(
        _ daemon: inout DaemonConnection, _ mode: StreamMode, _ signals: SignalWatch
    ) throws(CamdError) -> RecordingOutcome {
        var wish = RecordingRequest(file: try FilePaths.absolute(output), mode: mode)
        encoding.apply(to: &wish)
        wish.segments = segments.rule
        try daemon.startAndFollow(wish)
        let path = socket.path
        let isOver = try waitForEnd(signals, daemon.descriptor) {
            guard var look = try? DaemonConnection(path) else { return nil }
            return try? look.status().first
        }
        if !isOver {
            // The reply to `Start` is the one that counts: somebody else may have been quicker.
            var control = try DaemonConnection(socket.path)
            _ = try? control.stop()
        }
        let deadline = Deadline(afterMilliseconds: DaemonConnection.slowMilliseconds)
        do throws(CamdError) {
            guard let status = try daemon.nextOfStart(deadline) else {
                throw CamdError(.protocolViolation, subject: socket.path, reason: "the daemon started twice")
            }
            return RecordingOutcome(status: status)
        } catch {
            // How far it got is worth knowing also then, if the daemon is still there to tell.
            guard var control = try? DaemonConnection(socket.path),
                let status = try? DaemonChoice.camera(of: &control, for: SessionRequest(camera: stream.camera))
            else { throw error }
            return RecordingOutcome(status: status, failure: error)
        }
    }

    /// Waits until the time is up or a signal comes, or until `other` is readable, in which case it is true. Tells
    /// meanwhile how far it is.
    @discardableResult
    private func waitForEnd(
        _ signals: SignalWatch, _ other: CInt, _ status: () -> CameraStatus?
    ) throws(CamdError) -> Bool {
        let progress = ProgressLine.ifTerminal()
        defer { progress?.end() }
        let deadline = duration.map { Deadline(afterMilliseconds: Int(($0 * 1000).rounded(.up))) }
        let epoll = try Epoll()
        try epoll.add(signals.descriptor, .input, token: 0)
        try epoll.add(other, .input, token: 1)
        while true {
            var isOther = false
            var limit = deadline?.remainingMilliseconds ?? -1
            if progress != nil { limit = limit < 0 ? ProgressLine.milliseconds : min(limit, ProgressLine.milliseconds) }
            let count = try epoll.wait(milliseconds: limit) { event in
                if event.token == 1 { isOther = true }
            }
            if isOther { return true }
            if let progress, count == 0, let status = status() { progress.show(status) }
            if count > 0 || deadline?.hasPassed == true { return false }
        }
    }
}
