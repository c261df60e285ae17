import Glibc
import LinuxSystem
import Logging
import Varlink

/// `camd serve`: one camera, its control socket, and an orderly end. All of it runs in the main thread, apart from what
/// `CameraService` gives away.
final class Daemon {
    private let log: Logger
    private let stop: Stop
    private let socket: SocketFile
    private let session: any SessionControl
    private let service: CameraService
    private let server: Server
    private let ending: Ending
    private let patience: TimerFD
    private var isStopping = false
    private var failure: CamdError?

    /// Who asks for the end.
    struct Stop {
        /// Readable from then on.
        var descriptor: CInt
        /// What is said in the log.
        var reason: () -> String
    }

    /// Rung by the service's thread when all is finished. Shared with it, which outlives the daemon where the loop fails.
    private final class Ending: Sendable {
        let bell: EventFD
        init() throws(CamdError) { bell = try EventFD() }
    }

    /// A clean end that takes longer than this is no longer waited for.
    private static let endLimitSeconds = 60

    init(
        socket: SocketFile, session: any SessionControl, stop: Stop, log: Logger
    ) throws(CamdError) {
        self.socket = socket
        self.session = session
        self.stop = stop
        self.log = log
        ending = try Ending()
        patience = try TimerFD()
        service = try CameraService(session: session, log: log)
        guard let listener = socket.takeListener() else {
            throw CamdError(.software, subject: socket.path, reason: "somebody else accepts on this socket already")
        }
        server = try Server(
            listener: listener,
            info: ServiceInfo(vendor: "camd", product: "camd", version: Camd.version, url: ""))
    }

    /// Serves until a signal comes or the camera fails. Throws what it failed with, after all has been finished.
    func run() throws(CamdError) {
        service.install(on: server)
        let ownUser = geteuid()
        server.authorize = { CameraService.mayCall(user: $0.userID, $1, ownUser: ownUser) }
        var limit = RateLimit(events: 10, milliseconds: 10_000)
        server.onTrouble = { [log] error in
            guard let suppressed = limit.pass() else { return }
            let more = suppressed > 0 ? " (\(suppressed) more of these were kept back)" : ""
            log.warning("\(error.description)\(more)")
        }
        // Unowned in all of these: the daemon keeps the server, which keeps its handlers.
        // It stays readable; once is enough.
        try server.addSource(stop.descriptor, [.input, .edge]) { [unowned self] _ in
            log.notice("\(stop.reason()): finishing")
            end(nil)
        }
        try server.addSource(session.failureDescriptor, .input) { [unowned self] _ in sessionChanged() }
        try server.addSource(ending.bell.descriptor.rawValue, .input) { [unowned self] _ in
            ending.bell.clear()
            server.stop()
        }
        try server.addSource(patience.descriptor.rawValue, .input) { [log] _ in
            log.critical("the camera or the file did not come to an end in time: giving up")
            _exit(CamdError.Kind.software.exitCode)
        }
        let status = session.status()
        log.notice(
            """
            \(status.name) (\(status.camera)): \(status.format) \(status.width)x\(status.height), \
            \(status.path.capture) -> \(status.path.gpu) -> \(status.path.output)
            """)
        if status.buffers.granted < status.buffers.asked {
            log.notice("the driver gives \(status.buffers.granted) buffers of \(status.buffers.asked)")
        }
        for refusal in status.refused { log.info("not \(refusal.path) (\(refusal.stage)): \(refusal.reason)") }
        log.notice("listening on \(socket.path)")
        notify("READY=1")
        // The camera may have failed, or the signal have come, before anybody was listening for it.
        sessionChanged()
        try server.run()
        if let failure { throw failure }
    }

    private func sessionChanged() {
        var count: UInt64 = 0
        _ = read(session.failureDescriptor, &count, 8)
        if let failure = session.failure {
            guard !isStopping else { return }
            log.error("\(failure.description)")
            end(failure)
        } else if session.recordingFailure != nil {
            service.endFailedRecording()
        }
    }

    private func end(_ cause: CamdError?) {
        guard !isStopping else { return }
        isStopping = true
        failure = cause
        notify("STOPPING=1")
        server.stopListening()
        socket.remove()
        patience.repeatEach(microseconds: Self.endLimitSeconds * 1_000_000)
        service.end { [ending] in ending.bell.signal() }
    }

    private func notify(_ state: String) {
        do throws(CamdError) {
            try ServiceManager.notify(state)
        } catch {
            log.warning("\(error.description)")
        }
    }
}
