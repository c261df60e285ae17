import CV4L2
import LinuxSystem

/// How an encoder is set up, in the order that the kernel's interface has: what it makes, what it takes, its controls.
extension EncoderNode {
    /// Sets both formats and returns how the driver wants frames to lie.
    func layout(
        codec: PixelFormat, format: PixelFormat, _ size: FrameSize, stride: Int, color: Colorimetry?
    ) throws(CamdError) -> FrameLayout {
        guard codecs.contains(codec) else {
            throw CamdError(
                .unavailable, subject: frames.subject, reason: "it does not make \(codec)",
                remedy: "It makes: \(codecs.map(\.description).joined(separator: ", ")).")
        }
        guard formats.contains(format) else {
            throw CamdError(
                .unavailable, subject: frames.subject, reason: "it takes no \(format) frames",
                remedy: "It takes: \(formats.map(\.description).joined(separator: ", ")).")
        }
        _ = try packets.setFormat(codec, size)
        let taken = try frames.setFormat(format, size, stride: stride, color: color)
        let layout = try frames.layout(of: taken)
        guard layout.format == format else {
            throw CamdError(
                .unavailable, subject: frames.subject, call: "VIDIOC_S_FMT",
                reason: "it says that it takes \(format) frames, and wants \(layout.format)")
        }
        guard layout.width >= size.width, layout.height >= size.height else {
            throw CamdError(
                .unavailable, subject: frames.subject, call: "VIDIOC_S_FMT",
                reason: "it takes no frames of \(size); the largest it takes instead are of \(layout.sizeText)",
                remedy: "Choose another --size.")
        }
        // What is beyond the picture would be encoded, too.
        if layout.width != size.width || layout.height != size.height {
            let cropped = try? setCrop(size)
            guard cropped == size else {
                throw CamdError(
                    .unavailable, subject: frames.subject, call: "VIDIOC_S_SELECTION",
                    reason: "it codes \(layout.sizeText)"
                        + (cropped.map { ", shows \($0) of it," } ?? "") + " and not \(size)",
                    remedy: "Choose a larger --size, or one of whole blocks, such as 1280x720.")
            }
        }
        return layout
    }

    /// Sets both formats for frames that lie so, and returns the bytes that it reads of each buffer. Throws `.unavailable` where
    /// it would have them lie otherwise: they would have to be copied.
    func fit(_ codec: PixelFormat, _ layout: FrameLayout) throws(CamdError) -> [Int] {
        let size = FrameSize(layout.width, layout.height)
        let wanted = try self.layout(
            codec: codec, format: layout.format, size, stride: layout.planes.first?.stride ?? 0, color: layout.color)
        let has = layout.planes.map { [$0.buffer, $0.offset, $0.stride] }
        let wants = wanted.planes.map { [$0.buffer, $0.offset, $0.stride] }
        guard has == wants, layout.bufferSizes.count == wanted.bufferSizes.count else {
            func text(_ layout: FrameLayout) -> String {
                layout.planes.map { "buffer \($0.buffer) at \($0.offset) in rows of \($0.stride) bytes" }
                    .joined(separator: ", ")
            }
            throw CamdError(
                .unavailable, subject: frames.subject, call: "VIDIOC_S_FMT",
                reason: "it wants a frame's planes in \(text(wanted)), and they are in \(text(layout))",
                remedy: "Choose another --size or --pixel-format.")
        }
        return wanted.bufferSizes
    }

    /// Formats, rate and controls; returns the bytes that it reads of each buffer of a frame.
    func configure(_ setup: EncoderInstance.Setup) throws(CamdError) -> [Int] {
        let bytes = try fit(setup.codec, setup.layout)
        _ = frames.setFrameRate(setup.framesPerSecond)
        // What a driver does not have, it does not need to be told.
        let interval = Int64(max(1, setup.framesPerSecond.rounded()))
        prefer(CV4L2_CID_MPEG_VIDEO_B_FRAMES, 0)
        prefer(CV4L2_CID_MPEG_VIDEO_GOP_SIZE, interval)
        prefer(CV4L2_CID_MPEG_VIDEO_H264_I_PERIOD, interval)
        prefer(CV4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, 1)
        prefer(CV4L2_CID_MPEG_VIDEO_BITRATE, Int64(setup.bitrate))
        // Parameter sets with each key frame: a packet of their own would be nobody's.
        prefer(CV4L2_CID_MPEG_VIDEO_HEADER_MODE, Int64(V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME.rawValue))
        prefer(CV4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 1)
        prefer(CV4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR, 1)
        try set(setup.controls)
        return bytes
    }

    /// Sets a control to what comes nearest to a value, where the driver has it.
    private func prefer(_ id: UInt32, _ value: Int64) {
        guard let control = frames.control(id) else { return }
        _ = frames.setControl(id, min(max(value, control.range.lowerBound), control.range.upperBound))
    }

    /// The user's: each has to be there, and to take the value.
    private func set(_ wishes: [String: String]) throws(CamdError) {
        guard !wishes.isEmpty else { return }
        let controls = frames.controls()
        for (name, text) in wishes.sorted(by: { $0.key < $1.key }) {
            let subject = "option \(name)=\(text) of \(frames.subject)"
            guard let control = controls.first(where: { $0.name == name }) else {
                let names = controls.map(\.name).joined(separator: ", ")
                throw CamdError(
                    .usage, subject: subject, call: "VIDIOC_QUERY_EXT_CTRL", reason: "there is no such control",
                    remedy: names.isEmpty ? "It has none." : "It has: \(names).")
            }
            guard let value = Int64(text), control.range.contains(value) else {
                throw CamdError(
                    .usage, subject: subject,
                    reason: "it takes whole numbers from \(control.range.lowerBound) to \(control.range.upperBound)")
            }
            if let error = frames.setControl(control.id, value) {
                throw CamdError(call: "VIDIOC_S_CTRL", errno: error, subject: subject, kind: .usage)
            }
        }
    }
}
