// What Swift cannot import of the kernel's and of glibc's headers: request numbers and fourccs (macros with
// function-like macros inside), calls that are declared only under _GNU_SOURCE, and CMSG arithmetic.
// Every name of ours begins with CV4L2_ or cv4l2_.
#ifndef CV4L2_H
#define CV4L2_H

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/media.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <linux/videodev2.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>


#define CV4L2_REQUEST(name) static const unsigned long CV4L2_##name = name
CV4L2_REQUEST(VIDIOC_QUERYCAP);
CV4L2_REQUEST(VIDIOC_ENUM_FMT);
CV4L2_REQUEST(VIDIOC_G_FMT);
CV4L2_REQUEST(VIDIOC_S_FMT);
CV4L2_REQUEST(VIDIOC_TRY_FMT);
CV4L2_REQUEST(VIDIOC_REQBUFS);
CV4L2_REQUEST(VIDIOC_QUERYBUF);
CV4L2_REQUEST(VIDIOC_QBUF);
CV4L2_REQUEST(VIDIOC_DQBUF);
CV4L2_REQUEST(VIDIOC_EXPBUF);
CV4L2_REQUEST(VIDIOC_STREAMON);
CV4L2_REQUEST(VIDIOC_STREAMOFF);
CV4L2_REQUEST(VIDIOC_G_PARM);
CV4L2_REQUEST(VIDIOC_S_PARM);
CV4L2_REQUEST(VIDIOC_G_INPUT);
CV4L2_REQUEST(VIDIOC_S_INPUT);
CV4L2_REQUEST(VIDIOC_G_CTRL);
CV4L2_REQUEST(VIDIOC_S_CTRL);
CV4L2_REQUEST(VIDIOC_QUERY_EXT_CTRL);
CV4L2_REQUEST(VIDIOC_ENUM_FRAMESIZES);
CV4L2_REQUEST(VIDIOC_ENUM_FRAMEINTERVALS);
CV4L2_REQUEST(VIDIOC_SUBSCRIBE_EVENT);
CV4L2_REQUEST(VIDIOC_DQEVENT);
CV4L2_REQUEST(VIDIOC_ENCODER_CMD);
CV4L2_REQUEST(VIDIOC_S_SELECTION);
CV4L2_REQUEST(VIDIOC_S_EXT_CTRLS);
CV4L2_REQUEST(DMA_BUF_IOCTL_SYNC);
CV4L2_REQUEST(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
CV4L2_REQUEST(DMA_HEAP_IOCTL_ALLOC);
CV4L2_REQUEST(UDMABUF_CREATE);
CV4L2_REQUEST(SYNC_IOC_FILE_INFO);
CV4L2_REQUEST(SYNC_IOC_MERGE);
#undef CV4L2_REQUEST

static const uint64_t CV4L2_SYNC_READ = DMA_BUF_SYNC_READ;
static const uint64_t CV4L2_SYNC_WRITE = DMA_BUF_SYNC_WRITE;
static const uint64_t CV4L2_SYNC_RW = DMA_BUF_SYNC_RW;
static const uint64_t CV4L2_SYNC_START = DMA_BUF_SYNC_START;
static const uint64_t CV4L2_SYNC_END = DMA_BUF_SYNC_END;

static const uint32_t CV4L2_CAP_VIDEO_CAPTURE = V4L2_CAP_VIDEO_CAPTURE;
static const uint32_t CV4L2_CAP_VIDEO_OUTPUT = V4L2_CAP_VIDEO_OUTPUT;
static const uint32_t CV4L2_CAP_VIDEO_CAPTURE_MPLANE = V4L2_CAP_VIDEO_CAPTURE_MPLANE;
static const uint32_t CV4L2_CAP_VIDEO_M2M = V4L2_CAP_VIDEO_M2M;
static const uint32_t CV4L2_CAP_VIDEO_M2M_MPLANE = V4L2_CAP_VIDEO_M2M_MPLANE;
static const uint32_t CV4L2_CAP_STREAMING = V4L2_CAP_STREAMING;
static const uint32_t CV4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS = V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS;
#define CV4L2_CONTROL(name) static const uint32_t CV4L2_##name = V4L2_##name
CV4L2_CONTROL(CID_MIN_BUFFERS_FOR_OUTPUT);
CV4L2_CONTROL(CID_MPEG_VIDEO_B_FRAMES);
CV4L2_CONTROL(CID_MPEG_VIDEO_BITRATE);
CV4L2_CONTROL(CID_MPEG_VIDEO_FORCE_KEY_FRAME);
CV4L2_CONTROL(CID_MPEG_VIDEO_FRAME_RC_ENABLE);
CV4L2_CONTROL(CID_MPEG_VIDEO_GOP_SIZE);
CV4L2_CONTROL(CID_MPEG_VIDEO_H264_I_PERIOD);
CV4L2_CONTROL(CID_MPEG_VIDEO_HEADER_MODE);
CV4L2_CONTROL(CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR);
CV4L2_CONTROL(CID_MPEG_VIDEO_REPEAT_SEQ_HEADER);
CV4L2_CONTROL(CTRL_FLAG_NEXT_CTRL);
#undef CV4L2_CONTROL
static const uint32_t CV4L2_CAP_DEVICE_CAPS = V4L2_CAP_DEVICE_CAPS;

// glibc declares these calls, and struct ucred, only under _GNU_SOURCE, which Swift's Glibc module does not set (and a
// header that set it would disagree with that module about other types): they are called in shim.c.
int cv4l2_memfd_create(const char *name, unsigned flags);
int cv4l2_add_seals(int fd, int seals);
int cv4l2_accept(int fd);
enum {
  CV4L2_MFD_CLOEXEC = 0x1,
  CV4L2_MFD_ALLOW_SEALING = 0x2,
  CV4L2_F_SEAL_SHRINK = 0x2,
};
struct cv4l2_credentials {
  int32_t pid;
  uint32_t uid;
  uint32_t gid;
};
int cv4l2_peer_credentials(int fd, struct cv4l2_credentials *out);
// Names the calling thread; the kernel keeps 15 bytes.
int cv4l2_set_thread_name(const char *name);

// xattr(7): glibc's module map leaves its header out. A mark is an attribute with one byte in it.
int cv4l2_set_mark(int fd, const char *name);
int cv4l2_remove_mark(int fd, const char *name);
int cv4l2_has_mark(int fd, const char *name);

// A device's numbers are macros in glibc.
unsigned cv4l2_major(uint64_t device);
unsigned cv4l2_minor(uint64_t device);

// open(2), openat(2) and fcntl(2) are variadic.
int cv4l2_open(const char *path, int flags, unsigned mode);
int cv4l2_openat(int folder, const char *path, int flags, unsigned mode);
int cv4l2_fcntl(int fd, int command, long argument);

// statx(2), which tells a file's birth, and its struct are declared only under _GNU_SOURCE. Does not follow a link at the
// name's end; an empty name is the descriptor's own file. Times are nanoseconds since 1970; `born` is 0 where the file
// system does not know it.
struct cv4l2_identity {
  uint64_t inode;
  uint64_t device;
  uint64_t size;
  // Of 512 bytes each.
  uint64_t blocks;
  int64_t born;
  int64_t modified;
  uint32_t mode;
  uint32_t links;
  uint32_t owner;
};
int cv4l2_identify(int folder, const char *name, struct cv4l2_identity *out);
// The type of the file system (`f_type` of fstatfs(2), which Swift's Glibc has not), or -1.
int64_t cv4l2_file_system(int fd);

// The kernel's defaults for colorimetry that a driver left open are macros with arguments.
static inline uint32_t cv4l2_default_ycbcr_encoding(uint32_t colorspace) {
  return V4L2_MAP_YCBCR_ENC_DEFAULT(colorspace);
}
static inline uint32_t cv4l2_default_transfer(uint32_t colorspace) { return V4L2_MAP_XFER_FUNC_DEFAULT(colorspace); }

#endif
