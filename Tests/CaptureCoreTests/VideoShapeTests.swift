import Testing

@testable import CaptureCore

@Suite struct VideoShapeTests {
    private func layout(_ shape: VideoShape, _ width: Int = 642, _ height: Int = 361) -> FrameLayout {
        GPUOutput.layout(shape.outputKind, width: width, height: height, color: .hdVideo, shape: shape)
    }

    @Test func `chroma begins where the encoder wants it, and the buffer holds all of its blocks`() {
        let layout = layout(VideoShape(.nv12, stride: 648, lumaRows: 368))
        #expect(layout.planes.map(\.stride) == [648, 648])
        #expect(layout.planes.map(\.offset) == [0, 648 * 368])
        #expect(layout.planes.map(\.rows) == [361, 181])
        #expect(layout.bufferSizes == [648 * (368 + 184)])
    }

    @Test func `a shape that does not fit the picture is not followed`() {
        let standard = layout(VideoShape())
        #expect(standard.planes.map(\.stride) == [704, 704])
        #expect(standard.bufferSizes == [704 * (361 + 181)])
        #expect(layout(VideoShape(.nv12, stride: 640)) == standard)
        #expect(layout(VideoShape(.nv12, stride: 646)) == standard)
        #expect(layout(VideoShape(.nv12, lumaRows: 360)) == standard)
    }

    @Test func `planes of I420 lie side by side`() {
        let layout = layout(VideoShape(.i420))
        #expect(layout.format == .yuv420)
        #expect(layout.planes.map(\.offset) == [0, 704 * 361, 704 * 361 + 352])
    }

    @Test(arguments: [
        ("Video GOP Size", "video_gop_size"), ("FWHT I-Frame QP Value", "fwht_i_frame_qp_value"),
        ("H264 8x8 Transform Enable", "h264_8x8_transform_enable"), ("  Odd -- (Name) ", "odd_name"), ("", ""),
    ])
    func `controls are named as v4l2-ctl names them`(title: String, name: String) {
        #expect(VideoNode.name(title) == name)
    }

    @Test func `colours that a driver is given mean the same when it tells them back`() {
        for color in [
            Colorimetry.hdVideo, .jfif,
            Colorimetry(primaries: .smpte170m, transfer: .bt709, matrix: .bt601, range: .limited),
        ] {
            let fields = color.fields
            let back = Colorimetry(
                colorspace: fields.colorspace, transfer: fields.transfer, encoding: fields.encoding,
                quantization: fields.quantization, isRGB: false)
            #expect(back == color)
        }
    }
}
