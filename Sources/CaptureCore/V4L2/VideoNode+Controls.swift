import CV4L2
import LinuxSystem

/// One of a driver's controls (VIDIOC_QUERY_EXT_CTRL).
struct VideoControl: Sendable, Hashable {
    var id: UInt32
    /// As v4l2-ctl writes it: `video_gop_size`.
    var name: String
    var range: ClosedRange<Int64>
    var standard: Int64
}

extension VideoNode {
    /// What the driver says of a control; nil where it has none of this number.
    func control(_ id: UInt32) -> VideoControl? {
        var query = v4l2_query_ext_ctrl()
        query.id = id
        guard attempt(CV4L2_VIDIOC_QUERY_EXT_CTRL, &query) == nil else { return nil }
        return VideoControl(
            id: query.id, name: Self.name(string(query.name)),
            range: query.minimum...max(query.minimum, query.maximum), standard: query.default_value)
    }

    /// All of the driver's controls that are numbers, booleans or menus and can be set.
    func controls() -> [VideoControl] {
        var found: [VideoControl] = []
        var id = CV4L2_CTRL_FLAG_NEXT_CTRL
        // A driver that never ends its list is not believed for ever.
        for _ in 0..<1024 {
            var query = v4l2_query_ext_ctrl()
            query.id = id
            guard attempt(CV4L2_VIDIOC_QUERY_EXT_CTRL, &query) == nil else { break }
            id = query.id | CV4L2_CTRL_FLAG_NEXT_CTRL
            let unusable = V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_DISABLED
            let kinds = [
                V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_TYPE_BOOLEAN, V4L2_CTRL_TYPE_MENU, V4L2_CTRL_TYPE_INTEGER_MENU,
                V4L2_CTRL_TYPE_BITMASK,
            ]
            guard query.flags & UInt32(unusable) == 0, kinds.contains(where: { $0.rawValue == query.type }) else {
                continue
            }
            found.append(
                VideoControl(
                    id: query.id, name: Self.name(string(query.name)),
                    range: query.minimum...max(query.minimum, query.maximum), standard: query.default_value))
        }
        return found
    }

    /// Sets a control (VIDIOC_S_CTRL).
    func setControl(_ id: UInt32, _ value: Int64) -> Errno? {
        var control = v4l2_control(id: id, value: Int32(clamping: value))
        return attempt(CV4L2_VIDIOC_S_CTRL, &control)
    }

    /// Reads a control (VIDIOC_G_CTRL); nil where there is none.
    func value(of id: UInt32) -> Int? {
        var control = v4l2_control(id: id, value: 0)
        return attempt(CV4L2_VIDIOC_G_CTRL, &control) == nil ? Int(control.value) : nil
    }

    /// A control's title as v4l2-ctl writes it: small letters and digits, all else one underscore.
    static func name(_ title: String) -> String {
        var name = ""
        var isApart = false
        for byte in title.utf8 {
            let isLetter = (0x61...0x7a).contains(byte | 0x20) || (0x30...0x39).contains(byte)
            if isLetter {
                if isApart, !name.isEmpty { name += "_" }
                name.unicodeScalars.append(Unicode.Scalar((0x41...0x5a).contains(byte) ? byte | 0x20 : byte))
            }
            isApart = isLetter ? false : true
        }
        return name
    }
}
