import CFFmpeg
import CaptureCore
import LinuxSystem

/// What a container has to know of a bitstream before its first packet, where an encoder gives it with the packet only.
enum ParameterSets {
    /// The parameter sets in a packet, by libavcodec's bitstream filter `extract_extradata`. Throws `.unavailable` where there
    /// are none.
    static func find(_ codec: AVCodecID, in packet: [UInt8]) throws(CamdError) -> [UInt8] {
        let subject = "bitstream filter extract_extradata"
        guard let filter = av_bsf_get_by_name("extract_extradata") else {
            throw CamdError(
                .unavailable, subject: subject, call: "av_bsf_get_by_name", reason: "libavcodec here does not have it",
                remedy: "Install Debian's libavcodec.")
        }
        var context: UnsafeMutablePointer<AVBSFContext>?
        defer { av_bsf_free(&context) }
        try LibAV.call("av_bsf_alloc", subject: subject) { av_bsf_alloc(filter, &context) }
        guard let context else { throw LibAV.noMemory("av_bsf_alloc", subject: subject) }
        context.pointee.par_in.pointee.codec_type = AVMEDIA_TYPE_VIDEO
        context.pointee.par_in.pointee.codec_id = codec
        try LibAV.call("av_bsf_init", subject: subject) { av_bsf_init(context) }
        let input = try EncodedPacket()
        try LibAV.call("av_new_packet", subject: subject) { av_new_packet(input.raw, CInt(clamping: packet.count)) }
        packet.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, let data = input.raw.pointee.data else { return }
            UnsafeMutableRawPointer(data).copyMemory(from: base, byteCount: bytes.count)
        }
        try LibAV.call("av_bsf_send_packet", subject: subject) { av_bsf_send_packet(context, input.raw) }
        let output = try EncodedPacket()
        try LibAV.call("av_bsf_receive_packet", subject: subject) { av_bsf_receive_packet(context, output.raw) }
        var size = 0
        guard let found = av_packet_get_side_data(output.raw, AV_PKT_DATA_NEW_EXTRADATA, &size), size > 0 else {
            throw CamdError(
                .unavailable, subject: "encoder", call: "av_packet_get_side_data",
                reason: "its first packet has no parameter sets, which a container needs before it",
                remedy: "Choose another encoder with --encoder.")
        }
        return Array(UnsafeRawBufferPointer(start: found, count: size))
    }
}

/// Which packets depend on no other, by what is in them: some drivers do not say.
enum KeyFrames {
    static func isOne(_ codec: AVCodecID, _ bytes: RawSpan) -> Bool {
        bytes.withUnsafeBytes { bytes in
            switch codec {
            case AV_CODEC_ID_MJPEG: true
            case AV_CODEC_ID_H264: firstSlice(bytes, { (1...5).contains($0 & 31) }).map { $0 & 31 == 5 } ?? false
            case AV_CODEC_ID_HEVC:
                firstSlice(bytes, { $0 >> 1 & 63 < 32 }).map { (16...23).contains($0 >> 1 & 63) } ?? false
            // Frames of VP8 and VP9 say it in their first byte.
            case AV_CODEC_ID_VP8: bytes.first.map { $0 & 1 == 0 } ?? false
            case AV_CODEC_ID_NONE: isFWHTKey(bytes)
            default: false
            }
        }
    }

    /// The first byte of the first NAL unit that is a slice.
    private static func firstSlice(_ bytes: UnsafeRawBufferPointer, _ isSlice: (UInt8) -> Bool) -> UInt8? {
        var index = 0
        while index + 3 < bytes.count {
            if bytes[index] == 0, bytes[index + 1] == 0, bytes[index + 2] == 1 {
                let header = bytes[index + 3]
                if isSlice(header) { return header }
                index += 3
            }
            index += 1
        }
        return nil
    }

    /// struct fwht_cframe_hdr of the kernel: eight bytes of magic, then big-endian words: version, width, height, flags, of
    /// which bit 10 is V4L2_FWHT_FL_I_FRAME.
    private static func isFWHTKey(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= 24 else { return false }
        return UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 20, as: UInt32.self)) & 1 << 10 != 0
    }
}
