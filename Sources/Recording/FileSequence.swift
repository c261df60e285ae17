import CFFmpeg
import Glibc
import LinuxSystem

/// The files of a recording, one after the other: a packet that says so begins the next one. Sees to it that what is
/// written is whole, and on the disk, each second. For one thread at a time.
///
/// A sync is made by the thread that writes. While a slow one lasts packets wait in their queue; all that have come by
/// then are written before the next one, so that a disk with slow syncs makes few of them and falls behind only when
/// it is too slow for the bytes.
final class FileSequence {
    private let names: FileNames
    private let container: Container
    private let stream: EncodedStream
    private let calls: OutputFile.Calls
    private var muxer: Muxer
    /// CLOCK_MONOTONIC of the first packet that is not synced yet.
    private var oldestNanoseconds: UInt64?

    /// Of the files that are finished.
    private var ended = (frames: UInt64(0), bytes: 0)
    /// Files, with the present one.
    private(set) var count = 1

    /// As long as this are clusters and fragments, and what can be lost: of the driver's time and of the clock's.
    static let secondMicroseconds: Int64 = 1_000_000
    /// So much is written without a sync while packets wait.
    private static let mostUnsynced: Int64 = 4 * secondMicroseconds
    private static let mostNames = 999

    /// Makes the first file and writes its header. One that is there is replaced if there is no time in the name; no other
    /// file ever is.
    init(
        _ names: FileNames, _ container: Container, _ stream: EncodedStream, startNanoseconds: UInt64,
        calls: OutputFile.Calls
    ) throws(CamdError) {
        self.names = names
        self.container = container
        self.stream = stream
        self.calls = calls
        let file =
            names.hasTime
            ? try Self.newFile(names.path(at: startNanoseconds), calls)
            : try OutputFile(names.path(at: startNanoseconds), calls: calls)
        muxer = try Muxer(file, container, stream, startNanoseconds: startNanoseconds)
    }

    /// The present file.
    var path: String { muxer.file.path }
    /// Of all files.
    var bytes: Int { ended.bytes + muxer.file.length }
    /// Of all files: what was taken, what is whole in them, and what is on the disk. (`bytes` are those of the last one.)
    var taken: Muxer.Mark { sum(muxer.taken) }
    var whole: Muxer.Mark { sum(muxer.whole) }
    var synced: Muxer.Mark { sum(muxer.synced) }

    private func sum(_ mark: Muxer.Mark) -> Muxer.Mark {
        var mark = mark
        mark.frames += ended.frames
        return mark
    }

    /// Writes a packet into the present file, or finishes that and begins the next one with it.
    /// - Parameter isBehind: more packets wait.
    func write(_ packet: consuming EncodedPacket, isBehind: Bool) throws(CamdError) {
        if let wallNanoseconds = packet.startsFileAt, muxer.taken.frames > 0 {
            try begin(at: wallNanoseconds, origin: packet.timestamp)
        }
        try muxer.write(packet)
        if oldestNanoseconds == nil { oldestNanoseconds = Clock.monotonicNanoseconds() }
        if muxer.taken.microseconds - muxer.whole.microseconds >= Self.secondMicroseconds { try muxer.flush() }
        let unsynced = muxer.taken.microseconds - muxer.synced.microseconds
        guard unsynced >= Self.secondMicroseconds, !isBehind || unsynced >= Self.mostUnsynced else { return }
        try sync()
    }

    private func sync() throws(CamdError) {
        try muxer.sync()
        oldestNanoseconds = muxer.taken.frames > muxer.synced.frames ? Clock.monotonicNanoseconds() : nil
    }

    /// Milliseconds until `syncIfDue` has something to do, should no packet come; -1: nothing.
    var millisecondsToSync: CInt {
        guard let oldestNanoseconds else { return -1 }
        let age = (Clock.monotonicNanoseconds() - oldestNanoseconds) / 1_000_000
        return age >= 1000 ? 0 : CInt(1000 - age)
    }

    /// Where a camera is slow, or gives no more frames: what it gave last is on the disk a second later.
    func syncIfDue() throws(CamdError) {
        guard millisecondsToSync == 0 else { return }
        try muxer.flush()
        try sync()
    }

    /// Writes the index, and brings it all to the disk.
    func finish() throws(CamdError) { try muxer.finish() }

    /// Closes the file as it stands.
    func abandon() { muxer.abandon() }

    private func begin(at wallNanoseconds: UInt64, origin: Int64) throws(CamdError) {
        try muxer.finish()
        let file = try Self.newFile(names.path(at: wallNanoseconds), calls)
        let next = try Muxer(file, container, stream, startNanoseconds: wallNanoseconds, origin: origin)
        ended = (ended.frames + muxer.taken.frames, ended.bytes + muxer.file.length)
        muxer = next
        count += 1
        oldestNanoseconds = nil
    }

    /// A file that was not there before: with a number in its name if it has to be.
    private static func newFile(_ path: String, _ calls: OutputFile.Calls) throws(CamdError) -> OutputFile {
        for number in 1...mostNames {
            do throws(CamdError) {
                return try OutputFile(
                    number == 1 ? path : FileNames.numbered(path, number), calls: calls, mayReplace: false)
            } catch {
                guard error.errno == .exists else { throw error }
            }
        }
        throw CamdError(
            call: "open", errno: .exists, subject: path,
            reason: "it is there already, and so are \(mostNames - 1) with a number behind",
            remedy: "Move them away, or choose another name.", kind: .cannotCreate)
    }
}
