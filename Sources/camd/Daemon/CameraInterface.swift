/// The text of the interface `io.camd.Camera`, as it lies in docs/io.camd.Camera.varlink; a test compares the two.
enum CameraInterface {
    static let name = "io.camd.Camera"

    static let text = #"""
        # The cameras of camd: what there is, what they do, recordings and photos. A client looks with List and
        # Status, and controls with Start, Stop and Snapshot. Files are named by absolute paths, as the daemon sees
        # them.
        interface io.camd.Camera

        # A pixel format that a camera has. A size is "1280x720", or "48x48-1920x1080/2x2": from, to, and in
        # which steps.
        type Format (
          # V4L2's fourcc
          fourcc: string,
          sizes: []string,
          # gpu; jpeg or v4lconvert where the CPU decodes or converts each frame; null where camd cannot read it
          reader: ?string
        )

        # A camera that this machine has.
        type Listing (
          # stable: by-id or by-path
          id: string,
          name: string,
          driver: string,
          bus: string,
          node: string,
          formats: []Format
        )

        # How frames go, as chosen when the camera was opened.
        type Path (
          # import:heap:NAME, import:udmabuf, mmap-noncoherent, mmap, or pattern:SOURCE
          capture: string,
          # jpeg:SOURCE or v4lconvert:SOURCE, where the CPU decodes or converts each frame into memory of SOURCE
          convert: ?string,
          # eglimage, upload or none
          gpu: string,
          # heap:NAME, udmabuf, gbm, readback or none
          output: string,
          # what encoders read: direct is the camera's own frames, gpu is the GPU's pictures of them
          video: string
        )

        # What videos show of a frame, and their size.
        type View (
          width: int,
          height: int,
          # degrees, clockwise: 0, 90, 180 or 270
          rotate: int,
          mirror: bool,
          # the part of the frame that is shown, before it is mirrored and turned, such as "640x480+100+50"
          crop: string
        )

        # What is wanted to be shown of frames. They are cut first, then mirrored, then turned, then scaled.
        type Show (
          # a part of the frame in its pixels: "WIDTHxHEIGHT+LEFT+TOP"
          crop: ?string,
          # its middle, so many times larger; not together with crop
          zoom: ?float,
          # degrees, clockwise: 0, 90, 180 or 270
          rotate: ?int,
          mirror: ?bool,
          # the size of the video, where that is not the camera's
          width: ?int,
          height: ?int
        )

        # Capture buffers. The driver may give fewer than it was asked for, or more.
        type Buffers (
          asked: int,
          granted: int
        )

        # The GPU.
        type GPU (
          # how it was found: surfaceless or gbm
          platform: string,
          # its render node, where it has one and the driver tells
          node: ?string,
          # the driver's name of it
          renderer: string,
          # how often its context was lost and made anew
          resets: int
        )

        # A path that was tried first, and why it was not taken.
        type Refusal (
          # capture, convert, gpu or output
          stage: string,
          path: string,
          reason: string
        )

        # A recording, running or ended.
        type Recording (
          # the present file, or the last one
          file: string,
          # how many there are: segments, and what was split
          files: int,
          # recording, finished or failed
          state: string,
          # frames in the files; up to a second of them may not be on the disk yet
          frames: int,
          # frames that are on the disk, whatever happens to the machine
          synced_frames: int,
          # frames that were meant for the file and did not get into it, by the reason
          lost: [string]int,
          # bytes of all files
          bytes: int,
          # from the first frame to the end of the last one, all files together
          seconds: float,
          # the same of what is on the disk
          synced_seconds: float,
          encoder: string,
          # bytes of pixels that were copied for an encoder that cannot read frames in place
          bytes_copied: int,
          # how often the encoder, a device, hung and was begun anew
          encoder_restarts: int,
          # why it failed, if it did
          error: ?string
        )

        # A camera that the daemon owns. What the driver numbered is frames + dropped + corrupt.
        type Camera (
          camera: string,
          name: string,
          driver: string,
          node: string,
          # V4L2's fourcc
          format: string,
          width: int,
          height: int,
          # frames in a second, as measured
          fps: float,
          # all that the driver numbered, from the first frame that came to the last
          numbered: int,
          # frames that the driver delivered whole
          frames: int,
          # frames that the driver numbered and did not deliver
          dropped: int,
          # frames that the driver marked with an error, or that could not be decoded
          corrupt: int,
          # of the dropped: those whose time came when no buffer was queued
          starved: int,
          # delivered frames that were taken more than one frame interval after their time
          late: int,
          bytes_copied_per_frame: float,
          buffers: Buffers,
          path: Path,
          refused: []Refusal,
          # the heap that capture buffers come from
          heap: ?string,
          view: View,
          # the running recording, or the last one
          recording: ?Recording,
          # the GPU that draws
          gpu: ?GPU
        )

        # A photo that was taken.
        type Photo (
          file: string,
          width: int,
          height: int,
          # bytes of the file
          bytes: int,
          # the driver's number of the frame
          sequence: int,
          # from the request to the finished file
          milliseconds: float
        )

        # What an error means. The command line ends with the code of sysexits.h that goes with it.
        type Kind (
          usage,
          bad_data,
          no_input,
          unavailable,
          software,
          system,
          cannot_create,
          input_output,
          temporary,
          protocol_violation,
          no_permission,
          configuration
        )

        # All cameras of this machine, also those that the daemon does not own.
        method List() -> (cameras: []Listing)

        # The cameras that the daemon owns.
        method Status() -> (cameras: []Camera)

        # Starts a recording, in Matroska, MP4 or MPEG-TS, by the file's ending. A file that is there is replaced if
        # there is no time in the name, else the new one gets a number behind its name. Without a camera: the daemon's
        # only one. With "more" there are two replies, one when it has started and one when it has ended, and the
        # recording lives no longer than the connection: it is finished when the client goes away.
        method Start(
          # in its last part conversions of strftime(3) stand for the local time: cam-%Y%m%d-%H%M%S.mkv
          file: string,
          # libavcodec's name of it, by default libx264; or a device: v4l2, v4l2:h264, v4l2:/dev/video2
          encoder: ?string,
          # options of the encoder, by its names for them
          encoder_options: ?[string]string,
          camera: ?string,
          # another mode than the stream has; it stays when the recording has ended. Width and height go together.
          width: ?int,
          height: ?int,
          fps: ?float,
          # V4L2's fourcc
          format: ?string,
          view: ?Show,
          # begin another file after so long, 1 or more; the name has to have the time in it
          segment_seconds: ?float,
          # when a file has so many bytes, 65536 or more
          segment_bytes: ?int,
          # at each multiple of so many seconds of the local clock; they divide a day, and are 10 or more
          segment_clock: ?int
        ) -> (cameras: []Camera)

        # Lets the recording go on in another file: of the name that Start told, at this time; where that is taken, with
        # a number behind. No frame is lost or doubled. The reply comes when the new file is there.
        method Split(camera: ?string) -> (cameras: []Camera)

        # Ends the recording and finishes its file.
        method Stop(camera: ?string) -> (cameras: []Camera)

        # Takes the next frame as a JPEG photo; a recording goes on meanwhile.
        method Snapshot(
          # ends in .jpg or .jpeg
          file: string,
          # 1 to 100, by default 90
          quality: ?int,
          camera: ?string
        ) -> (photo: Photo)

        # What failed, on what, in which system or library call, why, and what to do about it.
        error Failed (
          kind: Kind,
          subject: string,
          call: ?string,
          errno: ?int,
          reason: string,
          remedy: ?string
        )

        """#
}
