// faults.c: stands between a program and its libraries (LD_PRELOAD) and lets calls on dma-bufs fail as a kernel could make
// them fail, and a GPU be lost as a driver could lose it, but none in the lab does. strace can inject errors too, but not into one request of ioctl.
//
//   cc -shared -fPIC -O2 -o faults.so faults.c -ldl
//   LD_PRELOAD=./faults.so FAULT_SYNC=4:3 program
//
// FAULT_SYNC=ERRNO:TIMES  DMA_BUF_IOCTL_SYNC fails so often with ERRNO (a number) before each time that it works; -1: always
// FAULT_LENGTH=WHO:BYTES  the end of every dma-buf of this exporter (a heap's name, udmabuf) seems to be there
// FAULT_RESET=N:TIMES     every Nth time that a program asks, its context was reset (glGetGraphicsResetStatus); so often in all
// FAULT_FENCE=N:TIMES     every Nth native fence is refused (eglDupNativeFenceFDANDROID, EGL_CONTEXT_LOST); so often in all
// FAULT_ENCODER=N:TIMES   a mem-to-mem device seems to hang after N frames of an instance: it gets none (VIDIOC_QBUF of its queue
//                         for frames does nothing) until somebody gives it up; so many instances in all
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/dma-buf.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int (*real_ioctl)(int, unsigned long, ...);
static off_t (*real_lseek)(int, off_t, int);
static int sync_error, sync_times;
static char exporter[64];
static long length;
static __thread int failed;

struct fault {
  int every, times, calls;
};
static struct fault reset, fence;
// Of the instance that hangs or is the next to do so: its descriptor, and how many frames it has had.
static int encoder_after = -1, encoder_times, encoder_fd = -1, encoder_frames;

// Whether a frame is swallowed. Called by one thread at a time.
static int is_swallowed(int fd, const struct v4l2_buffer *b) {
  if (encoder_after < 0 || b->memory != V4L2_MEMORY_DMABUF || !V4L2_TYPE_IS_OUTPUT(b->type)) return 0;
  if (fd != encoder_fd) {
    if (encoder_fd >= 0) encoder_times--;
    encoder_fd = fd;
    encoder_frames = 0;
  }
  return encoder_times > 0 && encoder_frames++ >= encoder_after;
}
static unsigned (*real_reset_status)(void);
static int (*real_dup_fence)(void *, void *);
static __thread int egl_error;

static int is_due(struct fault *f) {
  if (!f->every || ++f->calls % f->every || f->times <= 0) return 0;
  f->times--;
  return 1;
}

__attribute__((constructor)) static void begin(void) {
  real_ioctl = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  real_lseek = (off_t(*)(int, off_t, int))dlsym(RTLD_NEXT, "lseek");
  const char *text = getenv("FAULT_SYNC");
  if (text) sscanf(text, "%d:%d", &sync_error, &sync_times);
  text = getenv("FAULT_RESET");
  if (text) sscanf(text, "%d:%d", &reset.every, &reset.times);
  text = getenv("FAULT_FENCE");
  if (text) sscanf(text, "%d:%d", &fence.every, &fence.times);
  text = getenv("FAULT_ENCODER");
  if (text) sscanf(text, "%d:%d", &encoder_after, &encoder_times);
  text = getenv("FAULT_LENGTH");
  if (text && sscanf(text, "%63[^:]:%ld", exporter, &length) != 2) length = 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void *argument = va_arg(list, void *);
  va_end(list);
  if (request == DMA_BUF_IOCTL_SYNC && sync_error) {
    if (sync_times < 0 || failed < sync_times) {
      failed++;
      errno = sync_error;
      return -1;
    }
    failed = 0;
  }
  if (request == VIDIOC_QBUF && is_swallowed(fd, argument)) return 0;
  // What hangs does not drain either.
  if (request == VIDIOC_ENCODER_CMD && fd == encoder_fd && encoder_times > 0 && encoder_frames > encoder_after) return 0;
  return real_ioctl(fd, request, argument);
}

// The kernel tells of a dma-buf's descriptor who made it.
static int is_of_exporter(int fd) {
  char path[64], line[128], name[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE *file = fopen(path, "r");
  int is = 0;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "exp_name: %63s", name) == 1) is = !strcmp(name, exporter);
  if (file) fclose(file);
  return is;
}

off_t lseek(int fd, off_t offset, int whence) {
  if (length && whence == SEEK_END && is_of_exporter(fd)) return length;
  return real_lseek(fd, offset, whence);
}

off_t lseek64(int fd, off_t offset, int whence) __attribute__((alias("lseek")));

// GL_INNOCENT_CONTEXT_RESET_EXT
static unsigned reset_status(void) { return is_due(&reset) ? 0x8254 : real_reset_status(); }

static int dup_fence(void *display, void *sync) {
  if (!is_due(&fence)) return real_dup_fence(display, sync);
  egl_error = 0x300e;  // EGL_CONTEXT_LOST
  return -1;
}

int eglGetError(void) {
  int error = egl_error;
  egl_error = 0;
  return error ? error : ((int (*)(void))dlsym(RTLD_NEXT, "eglGetError"))();
}

void *eglGetProcAddress(const char *name) {
  void *real = ((void *(*)(const char *))dlsym(RTLD_NEXT, "eglGetProcAddress"))(name);
  if (!strcmp(name, "glGetGraphicsResetStatusEXT")) {
    real_reset_status = (unsigned (*)(void))real;
    return (void *)reset_status;
  }
  if (!strcmp(name, "eglDupNativeFenceFDANDROID")) {
    real_dup_fence = (int (*)(void *, void *))real;
    return (void *)dup_fence;
  }
  return real;
}
