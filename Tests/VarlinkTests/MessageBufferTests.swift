import LinuxSystem
import Testing

@testable import Varlink

@Suite struct MessageBufferTests {
    private func take(_ buffer: inout MessageBuffer) throws(MessageBuffer.TooLong) -> [String] {
        var messages: [String] = []
        while let message = try buffer.next() { messages.append(String(decoding: message, as: UTF8.self)) }
        return messages
    }

    private func append(_ bytes: some Collection<UInt8>, to buffer: inout MessageBuffer) {
        Array(bytes).withUnsafeBytes { buffer.append($0) }
    }

    @Test func `messages are the same wherever the stream is cut`() throws {
        let stream = Array("{\"a\":1}\0\0{}\0last\0".utf8)
        for cut in 0...stream.count {
            var buffer = MessageBuffer(limit: 100)
            append(stream[..<cut], to: &buffer)
            var messages = try take(&buffer)
            append(stream[cut...], to: &buffer)
            messages += try take(&buffer)
            #expect(messages == ["{\"a\":1}", "", "{}", "last"], "cut at \(cut)")
            #expect(buffer.isEmpty)
        }
    }

    @Test func `messages are the same when every byte comes alone`() throws {
        var buffer = MessageBuffer(limit: 100)
        var messages: [String] = []
        for byte in Array("one\0two\0\0".utf8) {
            append([byte], to: &buffer)
            messages += try take(&buffer)
        }
        #expect(messages == ["one", "two", ""])
    }

    @Test func `half a message is kept, and nothing else`() throws {
        var buffer = MessageBuffer(limit: 100)
        append(Array("one\0tw".utf8), to: &buffer)
        #expect(try take(&buffer) == ["one"])
        #expect(!buffer.isEmpty)
        append(Array("o\0".utf8), to: &buffer)
        #expect(try take(&buffer) == ["two"])
        #expect(buffer.isEmpty)
    }

    @Test func `a message of exactly the limit passes, one more byte does not`() throws {
        var buffer = MessageBuffer(limit: 4)
        append(Array("abcd\0".utf8), to: &buffer)
        #expect(try take(&buffer) == ["abcd"])
        append(Array("abcde\0".utf8), to: &buffer)
        #expect(throws: MessageBuffer.TooLong(limit: 4)) { try buffer.next() }
    }

    @Test func `a message that is too long is refused before its end has come`() throws {
        var buffer = MessageBuffer(limit: 4)
        append(Array("abcd".utf8), to: &buffer)
        #expect(try buffer.next() == nil)
        append(Array("e".utf8), to: &buffer)
        #expect(throws: MessageBuffer.TooLong(limit: 4)) { try buffer.next() }
        #expect(throws: MessageBuffer.TooLong(limit: 4)) { try buffer.next() }
    }

    @Test func `a long message in small pieces costs no more than its bytes`() throws {
        let half = 4 << 20
        var buffer = MessageBuffer(limit: 2 * half)
        let piece = [UInt8](repeating: 0x20, count: 16)
        func appendHalf() throws -> UInt64 {
            let start = Clock.monotonicNanoseconds()
            for _ in 0..<(half / 16) {
                piece.withUnsafeBytes { buffer.append($0) }
                #expect(try buffer.next() == nil)
            }
            return Clock.monotonicNanoseconds() - start
        }
        let first = try appendHalf()
        let second = try appendHalf()
        // A buffer that looked at its start again each time would need three times as long for the second half.
        #expect(second < 2 * first + 2_000_000_000)
        append([0], to: &buffer)
        #expect(try buffer.next()?.count == 2 * half)
    }
}
