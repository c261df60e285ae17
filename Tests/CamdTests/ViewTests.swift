import CaptureCore
import LinuxSystem
import Testing
import Varlink

@testable import camd

/// What of a frame is shown: as it is written, as it travels, and what it comes to.
@Suite struct ViewTests {
    private static let frame = FrameSize(640, 480)

    @Test(arguments: [("640x480+0+0", 0, 0, 640, 480), ("2x4+100+50", 100, 50, 2, 4)])
    func `a part of a frame is its size and its place`(_ text: String, _ x: Int, _ y: Int, _ w: Int, _ h: Int) throws {
        let crop = try #require(ViewWish.Crop(text))
        #expect(crop == ViewWish.Crop(x: x, y: y, width: w, height: h))
        #expect(crop.description == text)
    }

    @Test(arguments: [
        "", "640x480", "640x480+0", "640x480+0+0+0", "x480+0+0", "640x+0+0", "-640x480+0+0", "640x480+-1+0",
        "640x480++0", "640x480+0+", "0x480+0+0", "640x480+0+99999", "99999999999999999999x2+0+0", "640X480+0+0",
        " 640x480+0+0", "6.4x480+0+0", "640x480x3+0+0",
    ])
    func `anything else is refused`(_ text: String) { #expect(ViewWish.Crop(text) == nil) }

    @Test func `nothing said shows all of the frame as it is`() throws {
        #expect(try ViewWish().video(of: Self.frame).isAll(of: Self.frame))
        #expect(try ViewWish().photo(of: Self.frame).isAll(of: Self.frame))
    }

    @Test func `a turned picture is as wide as the frame is high`() throws {
        for rotation in [PictureView.Rotation.right, .left] {
            let view = try ViewWish(rotation: rotation).photo(of: Self.frame)
            #expect((view.width, view.height) == (480, 640))
            #expect(!view.isAll(of: Self.frame))
        }
        let half = try ViewWish(rotation: .half).photo(of: Self.frame)
        #expect((half.width, half.height) == (640, 480))
    }

    @Test func `only videos are scaled`() throws {
        let wish = ViewWish(crop: .init(x: 320, y: 120, width: 320, height: 240), scale: FrameSize(160, 120))
        let (video, photo) = (try wish.video(of: Self.frame), try wish.photo(of: Self.frame))
        #expect((video.width, video.height) == (160, 120))
        #expect((photo.width, photo.height) == (320, 240))
        #expect((video.left, video.top, video.right, video.bottom) == (0.5, 0.25, 1, 0.75))
        #expect((photo.left, photo.top, photo.right, photo.bottom) == (0.5, 0.25, 1, 0.75))
    }

    @Test func `zoom shows the middle, in even numbers`() throws {
        let view = try ViewWish(zoom: 3).photo(of: Self.frame)
        #expect((view.width, view.height) == (212, 160))
        #expect(abs(view.left + view.right - 1) < 1e-9)
        #expect(abs(view.top + view.bottom - 1) < 1e-9)
        #expect(try ViewWish(zoom: 64).photo(of: FrameSize(64, 64)).width == 2)
    }

    @Test(arguments: [(321, 0, 320, 480), (0, 1, 640, 480), (0, 0, 642, 480)])
    func `a part that reaches over the edge is refused, and the frame's size is said`(
        _ x: Int, _ y: Int, _ width: Int, _ height: Int
    ) throws {
        let wish = ViewWish(crop: .init(x: x, y: y, width: width, height: height))
        let error = #expect(throws: CamdError.self) { try wish.video(of: Self.frame) }
        #expect(error?.kind == .usage)
        #expect(error?.description.contains("640x480") == true)
    }

    @Test(arguments: [
        ViewWish(), ViewWish(zoom: 1.5, rotation: .left, isMirrored: true),
        ViewWish(crop: .init(x: 2, y: 4, width: 6, height: 8), rotation: .half, scale: FrameSize(320, 240)),
    ])
    func `it travels over the socket as it is`(_ wish: ViewWish) throws {
        #expect(try ViewParameters.json(wish).decode(ViewParameters.self).wish == wish)
    }

    @Test(arguments: [
        "{\"crop\":\"1x1\"}", "{\"zoom\":0.5}", "{\"zoom\":65}", "{\"rotate\":45}", "{\"rotate\":360}",
        "{\"mirror\":1}", "{\"width\":640}", "{\"width\":1,\"height\":480}", "{\"turn\":90}",
        "{\"crop\":\"2x2+0+0\",\"zoom\":2}", "{\"rotate\":90.5}", "[]",
    ])
    func `what does not fit is refused`(_ text: String) throws {
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(throws: JSONError.self) { try value.decode(ViewParameters.self) }
    }

    @Test func `light gets a curve, and what has one keeps it`() {
        let linear = Colorimetry(primaries: .bt709, transfer: .linear, matrix: .rgb, range: .full)
        let ofSensor = CameraStream.plan(linear, .bayer(.rggb, .bytes))
        #expect(ofSensor.look.curve == .bt709)
        #expect(ofSensor.stillLook.curve == .sRGB)
        #expect(ofSensor.stillLook.quality == .still)
        #expect(ofSensor.videoColor == .hdVideo)
        let curved = CameraStream.plan(.sRGB, .bayer(.rggb, .bytes))
        #expect(curved.look == .neutral)
        #expect(curved.videoColor == Colorimetry(primaries: .bt709, transfer: .sRGB, matrix: .bt709, range: .limited))
        let camera = Colorimetry(primaries: .smpte170m, transfer: .bt709, matrix: .bt601, range: .full)
        #expect(CameraStream.plan(camera, PixelReading(.yuyv)).videoColor == camera)
    }
}
