import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import CaptureCore

/// The converter's thread between a camera and what follows, with the built-in pattern as the camera.
@Suite struct ConvertedStreamTests {
    /// Marks its pictures, and does what it is told.
    private final class Fake: FrameConverter {
        let name = "fake"
        let layout: FrameLayout
        let calls = Atomic<UInt64>(0)
        private let act: @Sendable (UInt64) -> ConversionOutcome

        init(_ act: @escaping @Sendable (UInt64) -> ConversionOutcome) throws {
            layout = try FrameLayout.bare(.yuv420, width: 64, height: 64)
            self.act = act
        }

        func convert(_ frame: UnsafeRawBufferPointer, into picture: UnsafeMutableRawBufferPointer) -> ConversionOutcome
        {
            picture[0] = frame[0]
            return act(calls.wrappingAdd(1, ordering: .relaxed).oldValue)
        }
    }

    /// What came out of it.
    private final class Outcome: Sendable {
        let pictures = Atomic<UInt64>(0)
        let wrong = Atomic<UInt64>(0)
        let lastSequence = Atomic<UInt32>(0)

        func take(_ picture: consuming FrameLease) {
            pictures.wrappingAdd(1, ordering: .relaxed)
            let metadata = picture.metadata
            let before = lastSequence.exchange(metadata.sequence, ordering: .relaxed)
            let isRight =
                picture.layout.format == .yuv420 && metadata.sequence > before
                && metadata.bytesUsed == picture.layout.bufferSizes[0]
            if !isRight { wrong.wrappingAdd(1, ordering: .relaxed) }
        }
    }

    private func stream(_ fake: Fake, rate: Double = 200) throws -> ConvertedStream {
        let camera = try PatternStream(wish: FormatWish(size: FrameSize(64, 64), framesPerSecond: rate), heaps: [])
        return try ConvertedStream(camera, fake)
    }

    private func eventually(_ condition: () -> Bool) -> Bool {
        let deadline = Deadline(afterMilliseconds: 10_000)
        while !deadline.hasPassed {
            if condition() { return true }
            usleep(2000)
        }
        return condition()
    }

    @Test func `Each frame becomes a picture with the frame's number, and is counted as copied`() throws {
        let fake = try Fake { _ in .made(bytes: 100) }
        let stream = try stream(fake)
        #expect(stream.pool.layout.format == .yuv420)
        #expect(stream.cameraFormat == .yuyv)
        #expect(stream.refusals.contains { $0.stage == .convert && $0.reason.contains("no shader reads YUYV") })
        let outcome = Outcome()
        try stream.start(sink: { outcome.take($0) }, ended: { _ in })
        #expect(eventually { outcome.pictures.load(ordering: .relaxed) > 20 })
        stream.stop()
        #expect(outcome.wrong.load(ordering: .relaxed) == 0)
        let conversion = try #require(stream.conversion)
        #expect(conversion.path.hasPrefix("fake:"))
        #expect(conversion.bytesCopied == 100 * outcome.pictures.load(ordering: .relaxed))
        #expect(stream.pool.freeCount == stream.pool.slotCount)
    }

    @Test func `A damaged frame is corrupt and no picture, and the stream goes on`() throws {
        let fake = try Fake { $0 % 3 == 1 ? .damaged(.contents) : .made(bytes: 1) }
        let stream = try stream(fake)
        let outcome = Outcome()
        try stream.start(sink: { outcome.take($0) }, ended: { _ in })
        #expect(eventually { fake.calls.load(ordering: .relaxed) >= 30 })
        stream.stop()
        let counts = stream.ledger.snapshot
        let calls = fake.calls.load(ordering: .relaxed)
        #expect(counts.corrupt == (calls + 1) / 3)
        #expect(outcome.pictures.load(ordering: .relaxed) == calls - counts.corrupt)
        #expect(counts.numbered == counts.delivered + counts.dropped + counts.corrupt)
        #expect(stream.conversion?.bytesCopied == calls - counts.corrupt)
    }

    @Test func `A converter that is slow loses frames at its entry, and never holds up the camera`() throws {
        let fake = try Fake { _ in
            usleep(50_000)
            return .made(bytes: 1)
        }
        let stream = try stream(fake)
        let outcome = Outcome()
        try stream.start(sink: { outcome.take($0) }, ended: { _ in })
        #expect(eventually { fake.calls.load(ordering: .relaxed) >= 6 })
        let counts = stream.ledger.snapshot
        let lost = try #require(stream.conversion).lostBehind
        stream.stop()
        // Ten come while one is converted.
        #expect(lost > 10)
        #expect(counts.delivered > 20)
        #expect(outcome.wrong.load(ordering: .relaxed) == 0)
    }

    @Test func `When all pictures are held the next is lost, and counted`() throws {
        let fake = try Fake { _ in .made(bytes: 1) }
        let stream = try stream(fake)
        let held = Ring<FrameLease>(capacity: FramePool.mostSlots)
        try stream.start(sink: { _ = held.push($0) }, ended: { _ in })
        #expect(eventually { stream.conversion?.lostNoBuffer ?? 0 > 3 })
        #expect(held.count == stream.pool.slotCount)
        stream.stop()
        while held.pop() != nil {}
        #expect(stream.pool.freeCount == stream.pool.slotCount)
    }

    @Test func `Frames that nobody wants are not converted`() throws {
        let fake = try Fake { _ in .made(bytes: 1) }
        let stream = try stream(fake)
        let outcome = Outcome()
        let box = Wanted()
        try stream.start(
            isWanted: { box.flag.load(ordering: .relaxed) }, sink: { outcome.take($0) }, ended: { _ in })
        #expect(eventually { stream.ledger.snapshot.delivered > 10 })
        #expect(fake.calls.load(ordering: .relaxed) == 0)
        #expect(stream.conversion?.lostBehind == 0)
        box.flag.store(true, ordering: .relaxed)
        #expect(eventually { outcome.pictures.load(ordering: .relaxed) > 0 })
        stream.stop()
    }

    private final class Wanted: Sendable { let flag = Atomic<Bool>(false) }
}
