// witness.c: stands between a program and the C library (LD_PRELOAD) and writes down what it does with buffers, in the
// order in which it happened. strace shows the calls too, but not what DMA_BUF_IOCTL_SYNC was asked for, nor allocations.
//
//   cc -shared -fPIC -O2 -o witness.so witness.c -ldl
//   LD_PRELOAD=./witness.so WITNESS=log program
//
// A line is: THREAD EVENT SLOT DESCRIPTOR VALUE, where EVENT is queue, dequeue (SLOT is the buffer's index), sync (VALUE is
// the flags), or allocate (VALUE is bytes; of threads whose name begins with camd-capture).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/dma-buf.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum { MOST = 1 << 18 };
struct record {
  char thread[16];
  const char *event;
  int slot, descriptor;
  unsigned long long value;
};
static struct record *records;
static atomic_uint count;
static int (*real_ioctl)(int, unsigned long, ...);
static void *(*real_malloc)(size_t);
static __thread char name[16];

static void note(const char *event, int slot, int descriptor, unsigned long long value) {
  if (!records) return;
  unsigned index = atomic_fetch_add(&count, 1);
  if (index >= MOST) return;
  if (!name[0]) prctl(PR_GET_NAME, name, 0, 0, 0);
  struct record *r = &records[index];
  memcpy(r->thread, name, sizeof name);
  r->event = event;
  r->slot = slot;
  r->descriptor = descriptor;
  r->value = value;
}

__attribute__((constructor)) static void begin(void) {
  real_ioctl = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
  records = calloc(MOST, sizeof *records);
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("WITNESS");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  unsigned all = atomic_load(&count);
  for (unsigned i = 0; i < all && i < MOST; i++) {
    struct record *r = &records[i];
    fprintf(file, "%.16s %s %d %d %llu\n", r->thread[0] ? r->thread : "?", r->event ? r->event : "?", r->slot,
            r->descriptor, r->value);
  }
  if (all > MOST) fprintf(file, "witness overflow %u 0 0\n", all);
  fclose(file);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void *argument = va_arg(list, void *);
  va_end(list);
  if (request == VIDIOC_QBUF) {
    struct v4l2_buffer *b = argument;
    // Before the call: from then on the buffer is the driver's.
    note("queue", (int)b->index, b->memory == V4L2_MEMORY_DMABUF && !V4L2_TYPE_IS_MULTIPLANAR(b->type) ? b->m.fd : -1, 0);
  }
  if (request == DMA_BUF_IOCTL_SYNC) note("sync", -1, fd, ((struct dma_buf_sync *)argument)->flags);
  int result = real_ioctl(fd, request, argument);
  if (request == VIDIOC_DQBUF && result == 0) note("dequeue", (int)((struct v4l2_buffer *)argument)->index, fd, 0);
  return result;
}

void *malloc(size_t size) {
  if (!real_malloc) real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
  if (records) {
    char now[16] = {0};
    if (!name[0]) prctl(PR_GET_NAME, now, 0, 0, 0);
    if (!strncmp(name[0] ? name : now, "camd-capture", 12)) note("allocate", -1, -1, size);
  }
  return real_malloc(size);
}
