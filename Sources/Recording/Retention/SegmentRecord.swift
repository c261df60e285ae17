import LinuxSystem

/// What we know of a segment that we began: enough to tell it from any other file that has its name.
struct SegmentRecord: Hashable, Sendable {
    var name: String
    /// Since 1970, when it was begun, by the clock of then.
    var startNanoseconds: UInt64
    var inode: UInt64
    /// See `FileIdentity`.
    var bornNanoseconds: Int64
    /// As it was finished; of one that is not, as it was last seen.
    var size: Int
    /// 0 until it is finished.
    var modifiedNanoseconds: Int64
    var isFinished: Bool

    init(open name: String, _ identity: FileIdentity, startNanoseconds: UInt64) {
        self.name = name
        self.startNanoseconds = startNanoseconds
        inode = identity.inode
        bornNanoseconds = identity.bornNanoseconds
        size = identity.size
        modifiedNanoseconds = 0
        isFinished = false
    }

    mutating func finish(_ identity: FileIdentity) {
        size = identity.size
        modifiedNanoseconds = identity.modifiedNanoseconds
        isFinished = true
    }

    /// Whether it is the same file that we began. Where inode numbers change with each mount, the birth stands for them.
    func isBegun(as found: FileIdentity, inodesChange: Bool) -> Bool {
        guard found.isRegular, found.bornNanoseconds == bornNanoseconds else { return false }
        return found.inode == inode || (inodesChange && bornNanoseconds != 0)
    }

    /// Whether it is that file, and nobody has written to it since we did. Of one that was never finished, the birth has
    /// to say so: a number alone goes to the next file on some file systems.
    func isOurs(_ found: FileIdentity, inodesChange: Bool) -> Bool {
        guard isBegun(as: found, inodesChange: inodesChange) else { return false }
        if !isFinished { return bornNanoseconds != 0 }
        return found.size == size && found.modifiedNanoseconds == modifiedNanoseconds
    }

    // MARK: - as a line

    /// `SUM KIND START INODE BORN SIZE MODIFIED NAME`; the name with %XX for what is no printable ASCII.
    var line: String {
        let kind = isFinished ? "done" : "open"
        let body =
            "\(kind) \(startNanoseconds) \(inode) \(bornNanoseconds) \(size) \(modifiedNanoseconds) \(Self.escape(name))"
        return "\(Self.sum(body.utf8)) \(body)\n"
    }

    /// nil for a line that is torn, damaged or nothing that we would write.
    init?(line: some Collection<UInt8>) {
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 8,
            String(decoding: words[0], as: UTF8.self) == Self.sum(line.dropFirst(words[0].count + 1))
        else { return nil }
        func number<Number: FixedWidthInteger>(_ index: Int) -> Number? {
            Number(String(decoding: words[index], as: UTF8.self))
        }
        guard let start: UInt64 = number(2), let inode: UInt64 = number(3), let born: Int64 = number(4),
            let size: Int = number(5), let modified: Int64 = number(6), let name = Self.unescape(words[7]),
            size >= 0, size <= Self.mostBytes, Self.isName(name)
        else { return nil }
        switch String(decoding: words[1], as: UTF8.self) {
        case "open": isFinished = false
        case "done": isFinished = true
        default: return nil
        }
        self.name = name
        startNanoseconds = start
        self.inode = inode
        bornNanoseconds = born
        self.size = size
        modifiedNanoseconds = modified
    }

    /// What a line may be long: a name of 255 bytes, all escaped, and the numbers.
    static let mostLineBytes = 1024
    /// No file is larger; and sums of so many do not overflow.
    static let mostBytes = 1 << 44

    /// Whether a name is one of a file in the folder itself, and none of the manifest's own.
    static func isName(_ name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= 255 && !bytes.contains(0) && !bytes.contains(UInt8(ascii: "/"))
            && name != "." && name != ".." && !name.hasPrefix(SegmentManifest.name)
    }

    /// FNV-1a. It tells a torn line, not a forged one: who can write the manifest can remove the segments.
    static func sum(_ bytes: some Sequence<UInt8>) -> String {
        var sum: UInt32 = 0x811c_9dc5
        for byte in bytes { sum = (sum ^ UInt32(byte)) &* 0x0100_0193 }
        let text = String(sum, radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }

    private static func escape(_ name: String) -> String {
        var text = ""
        for byte in name.utf8 {
            if byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "%") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text
    }

    private static func unescape(_ word: some Collection<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var rest = word[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
