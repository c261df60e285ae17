import LinuxSystem

/// What libavformat writes last into a Matroska file, for one that was cut off before: no torn cluster, the duration, the
/// index (Cues), and where all that is (SeekHead). Room for these was left at the head (RFC 9559).
///
/// What is read is hostile: each number is held against the file's length.
enum MatroskaEnd {
    private enum ID {
        static let header = 0x1A45_DFA3, segment = 0x1853_8067, seekHead = 0x114D_9B74, info = 0x1549_A966
        static let tracks = 0x1654_AE6B, tags = 0x1254_C367, cluster = 0x1F43_B675, cues = 0x1C53_BB6B
        static let void = 0xEC, duration = 0x4489, timestamp = 0xE7, simpleBlock = 0xA3, blockGroup = 0xA0
        static let block = 0xA1, trackEntry = 0xAE, trackNumber = 0xD7, trackType = 0x83
    }

    /// An element: where it begins, where its contents do, where it ends. `end` is nil for an unknown size.
    private struct Element {
        var id: Int
        var start: Int
        var body: Int
        var end: Int?
    }

    /// What there is in the file.
    private struct Parts {
        var segment: Element
        var seekHead: Range<Int>?
        var places: [(id: Int, place: Int)] = []
        var durationPlace: Int?
        var videoTrack = 1
        /// Key frames that clusters begin with: ticks, and the cluster's place.
        var points: [(time: Int, place: Int)] = []
        /// Where the last whole cluster ends.
        var end: Int
        var lastCluster: Element?
    }

    private static let mostPoints = 1 << 20

    /// Leaves a file alone that is whole, or that is none of libavformat's.
    static func write(_ file: borrowing PatchedFile) throws(CamdError) {
        guard var parts = try parts(file), let last = parts.lastCluster else { return }
        let ticks = try duration(file, last, &parts)
        try file.cut(to: parts.end)
        let cues = element(
            ID.cues,
            parts.points.flatMap { point in
                element(
                    0xBB,
                    element(0xB3, number(point.time))
                        + element(
                            0xB7,
                            element(0xF7, number(parts.videoTrack))
                                + element(0xF1, number(point.place - parts.segment.body))))
            })
        // The index is there before something points to it.
        try file.write(cues, at: parts.end)
        try file.sync()
        if let place = parts.durationPlace {
            try file.write([0x44, 0x89, 0x88] + fixed(Int(bitPattern: UInt(Double(ticks).bitPattern)), 8), at: place)
        }
        if let room = parts.seekHead {
            let entries = (parts.places + [(ID.cues, parts.end)]).flatMap { entry in
                element(
                    0x4DBB,
                    element(0x53AB, fixed(entry.id, 4)) + element(0x53AC, number(entry.place - parts.segment.body)))
            }
            let head = element(ID.seekHead, entries)
            let rest = room.count - head.count
            // A void element has nine bytes of its own here.
            if rest == 0 { try file.write(head, at: room.lowerBound) }
            if rest >= 9 { try file.write(head + [0xEC, 0x01] + fixed(rest - 9, 7), at: room.lowerBound) }
        }
        // The size is in the eight bytes before the contents. It says that the file is whole, so it comes last.
        try file.sync()
        try file.write([0x01] + fixed(parts.end + cues.count - parts.segment.body, 7), at: parts.segment.body - 8)
    }

    // MARK: - reading

    private static func parts(_ file: borrowing PatchedFile) throws(CamdError) -> Parts? {
        let length = try file.length
        guard let header = try next(file, 0, length), header.id == ID.header, let place = header.end,
            let segment = try next(file, place, length), segment.id == ID.segment, segment.end == nil,
            segment.body == segment.start + 12
        else { return nil }
        var parts = Parts(segment: segment, end: segment.body)
        var at = segment.body
        while let element = try next(file, at, length), let end = element.end, end <= length {
            switch element.id {
            case ID.info:
                parts.seekHead = segment.body..<element.start
                parts.places.append((ID.info, element.start))
                parts.durationPlace = try durationPlace(file, element.body, end)
            case ID.tracks:
                parts.places.append((ID.tracks, element.start))
                parts.videoTrack = try videoTrack(file, element.body, end)
            case ID.tags: parts.places.append((ID.tags, element.start))
            case ID.seekHead, ID.void: break
            case ID.cluster:
                try take(file, element, end, &parts)
            // The index that an earlier attempt did not get whole.
            default: return parts
            }
            at = end
        }
        return parts
    }

    private static func take(
        _ file: borrowing PatchedFile, _ cluster: Element, _ end: Int, _ parts: inout Parts
    ) throws(CamdError) {
        parts.end = end
        parts.lastCluster = cluster
        var (place, time, blocks) = (cluster.body, 0, 0)
        // Sound may lie before the first picture.
        while blocks < 64, let element = try next(file, place, end), let stop = element.end, stop <= end {
            if element.id == ID.timestamp { time = try value(file, element) }
            if element.id == ID.simpleBlock {
                blocks += 1
                let head = try file.read(at: element.body, 4)
                if head.count == 4, head[0] & 0x80 != 0, Int(head[0] & 0x7F) == parts.videoTrack {
                    let ticks = time + Int(Int16(bitPattern: UInt16(bigEndian(head[1..<3]))))
                    if head[3] & 0x80 != 0, parts.points.count < mostPoints, ticks >= 0 {
                        parts.points.append((ticks, cluster.start))
                    }
                    return
                }
            }
            place = stop
        }
    }

    /// The end of the last picture, in ticks.
    private static func duration(
        _ file: borrowing PatchedFile, _ cluster: Element, _ parts: inout Parts
    ) throws(CamdError) -> Int {
        let end = parts.end
        var (place, time, last, before) = (cluster.body, 0, 0, 0)
        while let element = try next(file, place, end), let stop = element.end, stop <= end {
            if element.id == ID.timestamp { time = try value(file, element) }
            var block: Element? = element.id == ID.simpleBlock ? element : nil
            if element.id == ID.blockGroup { block = try child(file, element.body, stop, ID.block) }
            if let block {
                let head = try file.read(at: block.body, 3)
                if head.count == 3, head[0] & 0x80 != 0, Int(head[0] & 0x7F) == parts.videoTrack {
                    let ticks = time + Int(Int16(bitPattern: UInt16(bigEndian(head[1..<3]))))
                    if ticks > last { (before, last) = (last, ticks) }
                }
            }
            place = stop
        }
        let step = last - before
        return last + (step > 0 && step < 1000 ? step : 0)
    }

    /// Where the duration is, or an empty element of its size: 11 bytes.
    private static func durationPlace(
        _ file: borrowing PatchedFile, _ start: Int, _ end: Int
    ) throws(CamdError) -> Int? {
        var place = start
        while let element = try next(file, place, end), let stop = element.end, stop <= end {
            let isIt = element.id == ID.duration || element.id == ID.void
            if isIt, stop - element.start == 11 { return element.start }
            place = stop
        }
        return nil
    }

    private static func videoTrack(_ file: borrowing PatchedFile, _ start: Int, _ end: Int) throws(CamdError) -> Int {
        var place = start
        while let entry = try next(file, place, end), let stop = entry.end, stop <= end {
            if entry.id == ID.trackEntry, let type = try child(file, entry.body, stop, ID.trackType),
                try value(file, type) == 1, let number = try child(file, entry.body, stop, ID.trackNumber)
            {
                return try value(file, number)
            }
            place = stop
        }
        return 1
    }

    private static func child(
        _ file: borrowing PatchedFile, _ start: Int, _ end: Int, _ id: Int
    ) throws(CamdError) -> Element? {
        var place = start
        while let element = try next(file, place, end), let stop = element.end, stop <= end {
            if element.id == id { return element }
            place = stop
        }
        return nil
    }

    /// The element at a place; nil where none can be read. Its end may lie beyond the file's.
    private static func next(_ file: borrowing PatchedFile, _ place: Int, _ limit: Int) throws(CamdError) -> Element? {
        guard place < limit else { return nil }
        let head = try file.read(at: place, min(12, limit - place))
        guard let first = head.first, first >= 0x10 else { return nil }
        let idBytes = first.leadingZeroBitCount + 1
        guard head.count > idBytes, head[idBytes] != 0 else { return nil }
        let sizeBytes = head[idBytes].leadingZeroBitCount + 1
        guard head.count >= idBytes + sizeBytes else { return nil }
        let all = UInt64(1) << (7 * sizeBytes)
        let size = bigEndian(head[idBytes..<idBytes + sizeBytes]) & (all - 1)
        let body = place + idBytes + sizeBytes
        let isUnknown = size == all - 1
        return Element(
            id: Int(bigEndian(head[..<idBytes])), start: place, body: body, end: isUnknown ? nil : body + Int(size))
    }

    private static func value(_ file: borrowing PatchedFile, _ element: Element) throws(CamdError) -> Int {
        let size = (element.end ?? element.body) - element.body
        guard (1...7).contains(size) else { return 0 }
        return Int(bigEndian(try file.read(at: element.body, size)))
    }

    // MARK: - writing

    private static func element(_ id: Int, _ contents: [UInt8]) -> [UInt8] {
        let size =
            contents.count < 127 ? [0x80 | UInt8(contents.count)] : [0x08] + fixed(contents.count, 4)
        return number(id) + size + contents
    }

    /// In as few bytes as it takes.
    private static func number(_ value: Int) -> [UInt8] {
        fixed(value, max(1, (64 - UInt64(max(0, value)).leadingZeroBitCount + 7) / 8))
    }

    private static func fixed(_ value: Int, _ bytes: Int) -> [UInt8] {
        (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
}
