import LinuxSystem
import Logging
import Synchronization
import Varlink

/// The methods of `io.camd.Camera` on one open camera. What blocks runs in a thread of its own, one thing after the
/// other; the handlers themselves return at once.
final class CameraService: Sendable {
    private let session: any SessionControl
    private let worker: WorkQueue
    private let log: Logger
    /// The call of the client whose connection the running recording hangs on.
    private let follower = Mutex<Call?>(nil)
    private let isStopping = Atomic<Bool>(false)

    /// Things that wait to be done for all clients together.
    static let queueLength = 8

    init(session: any SessionControl, log: Logger) throws(CamdError) {
        self.session = session
        self.log = log
        worker = try WorkQueue("control", capacity: Self.queueLength)
    }

    /// Only the daemon's own user and root control; everybody may ask which service this is.
    static func mayCall(user: UInt32, _ method: String, ownUser: UInt32) -> Bool {
        user == 0 || user == ownUser || method.hasPrefix("org.varlink.service.")
    }

    /// Registers the interface and its methods.
    func install(on server: Server) {
        server.add(interface: CameraInterface.name, text: CameraInterface.text)
        server.handle("io.camd.Camera.List") { self.list($0) }
        server.handle("io.camd.Camera.Status") { self.status($0) }
        server.handle("io.camd.Camera.Start") { self.start($0) }
        server.handle("io.camd.Camera.Split") { self.split($0) }
        server.handle("io.camd.Camera.Stop") { self.stop($0) }
        server.handle("io.camd.Camera.Snapshot") { self.snapshot($0) }
    }

    // MARK: Methods

    private func list(_ call: Call) {
        guard call.parameters(as: NoParameters.self) != nil else { return }
        work(call) { () throws(CamdError) in call.reply(encoding: ListReply(cameras: try Inventory.cameras())) }
    }

    private func status(_ call: Call) {
        guard call.parameters(as: NoParameters.self) != nil else { return }
        call.reply(encoding: CamerasReply(cameras: [session.status()]))
    }

    private func start(_ call: Call) {
        guard let wish = call.parameters(as: StartParameters.self) else { return }
        work(call) { () throws(CamdError) in
            try Limits.checkPath(wish.file)
            try self.checkCamera(wish.camera)
            var request = RecordingRequest(file: wish.file)
            if let encoder = wish.encoder { request.encoder = encoder }
            request.encoderOptions = wish.encoderOptions
            request.mode = wish.mode
            request.segments = wish.segments
            try self.session.startRecording(request)
            self.log.info(
                "recording to \(wish.file), asked for by process \(call.peer.processID) of user \(call.peer.userID)")
            let reply = CamerasReply(cameras: [self.session.status()])
            guard call.wantsMore else { return _ = call.reply(encoding: reply) }
            self.follower.withLock { $0 = call }
            call.whenAbandoned { self.submitAlways { self.endAbandoned(call) } }
            call.reply(encoding: reply, continues: true)
        }
    }

    private func split(_ call: Call) {
        guard let wish = call.parameters(as: StopParameters.self) else { return }
        work(call) { () throws(CamdError) in
            try self.checkCamera(wish.camera)
            var status = self.session.status()
            let recording = try self.session.splitRecording()
            status.recording = recording
            self.log.info("recording goes on in \(recording.file)")
            call.reply(encoding: CamerasReply(cameras: [status]))
        }
    }

    private func stop(_ call: Call) {
        guard let wish = call.parameters(as: StopParameters.self) else { return }
        work(call) { () throws(CamdError) in
            try self.checkCamera(wish.camera)
            let outcome = try self.finish()
            if let failure = outcome.failure { throw failure }
            call.reply(encoding: CamerasReply(cameras: [outcome.status]))
        }
    }

    private func snapshot(_ call: Call) {
        guard let wish = call.parameters(as: SnapshotParameters.self) else { return }
        work(call) { () throws(CamdError) in
            try Limits.checkPath(wish.file)
            try Limits.checkPhoto(wish.file)
            let quality = wish.quality ?? Limits.defaultQuality
            try Limits.checkQuality(quality)
            try self.checkCamera(wish.camera)
            let photo = try self.session.snapshot(to: wish.file, quality: quality)
            self.log.info("photo \(photo.file), \(photo.width)x\(photo.height)")
            call.reply(encoding: PhotoReply(photo: photo))
        }
    }

    // MARK: What happens by itself

    /// A recording may have ended by itself: its file is finished, and who follows it is told.
    func endFailedRecording() {
        submitAlways {
            guard self.session.recordingFailure != nil, let outcome = try? self.finish() else { return }
            if let failure = outcome.failure { self.log.error("\(failure.description)") }
        }
    }

    /// Ends it all: calls that wait are refused, a running recording is finished, the camera is let go. `done` is called
    /// in the worker's thread.
    func end(_ done: @escaping @Sendable () -> Void) {
        isStopping.store(true, ordering: .releasing)
        submitAlways {
            // Throws where nothing is being recorded.
            _ = try? self.finish()
            self.tellFollower(.failure(self.session.failure ?? Self.stopping))
            self.session.close()
            done()
        }
        worker.close()
    }

    // MARK: In the worker's thread

    private func finish() throws(CamdError) -> RecordingOutcome {
        let outcome = try session.finishRecording()
        let file = outcome.status.recording?.file ?? ""
        log.info("recording to \(file) ended with \(outcome.status.recording?.frames ?? 0) frames")
        if let failure = outcome.failure {
            tellFollower(.failure(failure))
        } else {
            tellFollower(.success(outcome.status))
        }
        return outcome
    }

    private func tellFollower(_ result: Result<CameraStatus, CamdError>) {
        guard let call = follower.withLock({ $0.take() }) else { return }
        switch result {
        case .success(let status): call.reply(encoding: CamerasReply(cameras: [status]))
        case .failure(let error): call.fail(error)
        }
    }

    private func endAbandoned(_ call: Call) {
        guard follower.withLock({ $0 === call }) else { return }
        log.notice("process \(call.peer.processID) has gone, its recording ends")
        _ = try? finish()
    }

    private func checkCamera(_ wanted: String?) throws(CamdError) {
        let status = session.status()
        guard let wanted, !status.isCamera(wanted) else { return }
        throw CamdError(
            .noInput, subject: "camera \(wanted)", reason: "this daemon owns \(status.camera) (\(status.node))",
            remedy: "Ask for that one, or run the command with another --socket.")
    }

    // MARK: Handing over

    private static let stopping = CamdError(
        .temporary, subject: "camd", reason: "the daemon is about to stop", remedy: "Try again when it is back.")

    private func work(_ call: Call, _ body: @escaping @Sendable () throws(CamdError) -> Void) {
        let isTaken = worker.submit {
            do throws(CamdError) {
                if self.isStopping.load(ordering: .acquiring) { throw Self.stopping }
                // Nobody would learn what came of it.
                if call.isAbandoned && !call.isOneway { return }
                try body()
            } catch {
                call.fail(error)
            }
        }
        if isTaken { return }
        call.fail(
            isStopping.load(ordering: .acquiring)
                ? Self.stopping
                : CamdError(
                    .temporary, subject: "camd", reason: "\(Self.queueLength) requests wait already",
                    remedy: "Try again shortly."))
    }

    private func submitAlways(_ job: @escaping WorkQueue.Job) { _ = worker.submit(always: true, job) }
}

extension CameraStatus {
    /// Whether this camera is meant: by its id, its node, or a link to its node.
    func isCamera(_ wanted: String) -> Bool {
        if wanted == camera || wanted == node || "/dev/\(wanted)" == node { return true }
        guard wanted.hasPrefix("/"), let resolved = FilePaths.resolve(wanted) else { return false }
        return resolved == node || resolved == FilePaths.resolve(node)
    }
}
