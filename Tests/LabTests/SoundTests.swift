import CFFmpeg
import Glibc
import LinuxSystem
import SoundSupport
import Synchronization
import Testing

@testable import Recording

/// A track that is recorded into a file, and what is heard in that file.
private final class SoundRecording: Sendable {
    private let packets = Mutex<[SendablePacket]>([])

    private struct SendablePacket: @unchecked Sendable { var raw: UnsafeMutablePointer<AVPacket> }

    func take(_ packet: consuming EncodedPacket) {
        let copy = SendablePacket(raw: av_packet_clone(packet.raw))
        packets.withLock { $0.append(copy) }
    }

    /// Writes what was taken as Matroska and decodes it. Times are CLOCK_MONOTONIC's, in seconds.
    func heard(_ track: SoundTrack) throws -> Heard {
        let packets = packets.withLock { $0.map(\.raw) }
        let folder = try Scratch.folder()
        let path = folder + "/a.mkv"
        let origin = UInt64(try #require(packets.first).pointee.pts)
        let file = try SoundFile(
            path, muxer: "matroska", streams: [(track.stream.parameters, track.stream.timeBase)],
            originNanoseconds: origin)
        for packet in packets {
            try file.write(packet, stream: 0)
            var owned: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&owned)
        }
        try file.finish()
        let probe = try run(["ffprobe", "-v", "error", "-show_entries", "frame=pts_time", "-of", "csv=p=0", path])
        let first = try #require(probe.text.split(separator: "\n").first.flatMap { Double($0.prefix { $0 != "," }) })
        let decoded = try run([
            "ffmpeg", "-v", "error", "-y", "-i", path, "-ac", "1", "-ar", "48000", "-f", "f32le", folder + "/raw",
        ])
        #expect(decoded.status == 0 && decoded.errors.isEmpty, "\(decoded.errors)")
        return Heard(startSeconds: Double(origin) / 1e9 + first, floats: try Program.read(folder + "/raw"))
    }
}

@Suite("Sound", .serialized) struct SoundTests {
    static let microphone = "hw:CARD=Loopback,DEV=1"

    /// How much longer the card's second is, in hundred-thousandths.
    private func shift(by parts: Int) throws {
        let control = "iface=PCM,name='PCM Rate Shift 100000',device=1"
        let set = try run(["amixer", "-q", "-c", "Loopback", "cset", control, "\(100_000 + parts)"])
        try #require(set.status == 0, "\(set.errors)")
    }

    /// How much later than the nearest one that was played each is heard, in milliseconds.
    private static func errors(_ clicks: [Double], _ played: [Double]) -> [Double] {
        clicks.map { click in
            let nearest = played.min { abs($0 - click) < abs($1 - click) }
            return (click - (nearest ?? 0)) * 1000
        }
    }

    /// The lab has one test after the other; a longer run is asked for by hand.
    private var seconds: Int { getenv("CAMD_SOUND_SECONDS").flatMap { Int(String(cString: $0)) } ?? 12 }

    /// In hundred-thousandths. Without stretching, the latter would be 54 ms off after twelve seconds.
    static let shifts = [100, -450]

    @Test("Clicks are in the file when they were played, with a card that is 0.1 or 0.45 % off", arguments: shifts)
    func clicksInTime(parts: Int) throws {
        try shift(by: parts)
        defer { try? shift(by: 0) }
        let recording = SoundRecording()
        let track = try SoundTrack(SoundSettings(device: Self.microphone), container: .matroska) { recording.take($0) }
        let player = try LoopbackPlayer()
        sleep(UInt32(seconds))
        let played = player.stop()
        let status = try track.finish(limitMilliseconds: 5000)
        let heard = try recording.heard(track)
        let clicks = heard.clicks()
        #expect(player.failure == nil)
        #expect(played.count >= seconds - 2)
        #expect(clicks.count <= played.count && clicks.count + Int(status.overruns) >= played.count)
        let errors = Self.errors(clicks, played)
        #expect(errors.allSatisfy { abs($0) < 40 }, "\(errors)")
        #expect(status.state == .ended && status.timesAway == 0 && status.lostFrames == 0)
        // The card is slow where its second is long.
        #expect((status.driftPartsPerMillion > 0) == (parts > 0), "\(status)")
        if seconds != 12, let least = errors.min(), let most = errors.max() {
            print("errors of \(errors.count) clicks: \(least) to \(most) ms, \(status)")
        }
    }

    @Test("A microphone that goes away is silent, and is heard again when it is back")
    func awayAndBack() throws {
        let recording = SoundRecording()
        let track = try SoundTrack(SoundSettings(device: Self.microphone), container: .matroska) { recording.take($0) }
        var player: LoopbackPlayer? = try LoopbackPlayer()
        sleep(3)
        var played = player!.stop()
        player = nil
        let driver = "/sys/bus/platform/drivers/snd_aloop"
        try #require(run(["sh", "-c", "echo snd_aloop.0 > \(driver)/unbind"]).status == 0)
        #expect(eventually { track.status.state == .away })
        #expect(track.status.failure != nil)
        let before = track.status.packets
        #expect(eventually { track.status.packets > before + 100 }, "a silent track goes on")
        try #require(run(["sh", "-c", "echo snd_aloop.0 > \(driver)/bind"]).status == 0)
        #expect(eventually { track.status.state == .capturing }, "\(track.status)")
        player = try LoopbackPlayer()
        sleep(3)
        played += player!.stop()
        let status = try track.finish(limitMilliseconds: 5000)
        let end = Double(Clock.monotonicNanoseconds()) / 1e9
        let heard = try recording.heard(track)
        let clicks = heard.clicks()
        #expect(clicks.count == played.count && played.count >= 4, "\(clicks) \(played)")
        let errors = Self.errors(clicks, played)
        #expect(errors.allSatisfy { abs($0) < 40 }, "\(errors)")
        #expect(status.timesAway == 1)
        #expect(status.silentSeconds > 1.5 && status.silentSeconds < 30, "\(status)")
        // The track has no gap: it lasts until the end.
        let length = Double(heard.samples.count) / 48_000
        #expect(abs(heard.startSeconds + length - end) < 0.5)
    }

    @Test("An overrun is counted, and what follows it is in time")
    func overrun() throws {
        let folder = try Scratch.folder()
        let made = try run([
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i",
            "aevalsrc=exprs='between(mod(t,1),0.5,0.502)*lt(t,7)*0.8*sin(t*2*PI*2000)':s=48000:d=8", "-ac", "2",
            folder + "/a.wav",
        ])
        try #require(made.status == 0, "\(made.errors)")
        let recording = SoundRecording()
        let track = try SoundTrack(SoundSettings(device: Self.microphone), container: .matroska) { recording.take($0) }
        let player = try Program(["aplay", "-q", "-D", LoopbackPlayer.device, folder + "/a.wav"])
        sleep(3)
        // This process stands still, with the thread that reads; the one that plays goes on.
        let stopper = try Program(["sh", "-c", "kill -STOP \(getpid()); sleep 1.5; kill -CONT \(getpid())"])
        _ = try stopper.wait()
        _ = try player.wait()
        let status = try track.finish(limitMilliseconds: 5000)
        let clicks = try recording.heard(track).clicks()
        #expect(status.overruns >= 1, "\(status)")
        #expect(status.timesAway == 0)
        #expect(clicks.count >= 4 && clicks.count < 7, "\(clicks)")
        for click in clicks {
            let since = click - clicks[0]
            #expect(abs(since - since.rounded()) < 0.040, "\(clicks.map { $0 - clicks[0] })")
        }
        #expect((clicks.last ?? 0) - (clicks.first ?? 0) > 5.5)
    }

    @Test("Packets that nobody takes are lost before the encoder, and counted")
    func slowEncoder() throws {
        let recording = SoundRecording()
        let track = try SoundTrack(SoundSettings(device: Self.microphone), container: .matroska) { packet in
            recording.takeSlowly(packet, firstSeconds: 4)
        }
        let player = try LoopbackPlayer()
        sleep(7)
        let played = player.stop()
        let status = try track.finish(limitMilliseconds: 5000)
        #expect(status.lostFrames > 24_000 && status.overruns == 0, "\(status)")
        let clicks = try recording.heard(track).clicks()
        #expect(clicks.count < played.count && clicks.count >= 3)
        let errors = Self.errors(clicks, played)
        #expect(errors.allSatisfy { abs($0) < 40 }, "\(errors)")
    }

    @Test("Cards that record are listed, and a device that another program has is told of")
    func devices() throws {
        #expect(SoundCards.devices().contains { $0.name == Self.microphone && $0.cardName == "Loopback" })
        let first = try Microphone(Self.microphone)
        defer { first.stop(limitMilliseconds: 2000) }
        // Each card of the loopback has eight of them.
        let name = Self.microphone + ",SUBDEV=0"
        let error = #expect(throws: CamdError.self) { try Microphone(name) }
        #expect(error?.kind == .temporary && error?.remedy != nil, "\(String(describing: error))")
    }
}

extension SoundRecording {
    /// Takes a packet; the first one after so many seconds.
    func takeSlowly(_ packet: consuming EncodedPacket, firstSeconds: UInt32) {
        if isEmpty { sleep(firstSeconds) }
        take(packet)
    }

    private var isEmpty: Bool { packets.withLock { $0.isEmpty } }
}
