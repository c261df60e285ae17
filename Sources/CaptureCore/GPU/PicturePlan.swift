/// What a stage is to make of a camera's frames.
public struct PicturePlan: Sendable {
    /// What becomes of a sensor's numbers in videos and taps.
    public var look = Look.neutral
    /// The same of photos: made by passes of their own, where it differs. Of no meaning for frames that are no sensor's.
    public var stillLook = Look(quality: .still)
    /// Pictures for videos are made at all: not where the encoder takes the camera's frames as they are.
    public var hasVideo = true
    /// What part of the frame videos show, how large, which way up; nil is all of it as it is.
    public var video: PictureView?
    /// How the pictures of videos lie in memory.
    public var videoShape = VideoShape()
    /// Of the numbers in videos.
    public var videoColor: Colorimetry
    /// The same of photos.
    public var still: PictureView?
    /// More pictures of each frame, `PictureTap.most` of them at most.
    public var taps: [PictureTap] = []

    public init(videoColor: Colorimetry) { self.videoColor = videoColor }

    /// Of photos of these frames; nil where they are made of what the video's passes leave.
    func ownStillLook(_ reading: PixelReading?) -> Look? {
        guard reading?.isBayer == true, stillLook != look else { return nil }
        return stillLook
    }
}
