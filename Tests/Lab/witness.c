// witness.c: stands between a program and the C library (LD_PRELOAD) and writes down what it does with buffers, in the
// order in which it happened. strace shows the calls too, but not what DMA_BUF_IOCTL_SYNC was asked for, nor allocations.
//
//   cc -shared -fPIC -O2 -o witness.so witness.c -ldl
//   LD_PRELOAD=./witness.so WITNESS=log program
//
// A line is: THREAD EVENT SLOT DESCRIPTOR VALUE, where EVENT is queue, dequeue (SLOT is the buffer's index, VALUE the
// driver's number of the frame), sync (VALUE is the flags), or allocate (VALUE is bytes; of threads whose name begins with
// camd-capture). The last line, "witness elsewhere", counts the allocations of camd's other threads.
//
// WITNESS_EXHAUST=N lets heaps give N buffers, and no more. WITNESS_GRANT=N makes the driver seem to give N buffers, however many it was asked for.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
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
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static int (*real_posix_memalign)(void **, size_t, size_t);
static atomic_ullong elsewhere;
static unsigned granted;
static atomic_int left = -1;
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
  real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
  real_aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
  real_posix_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
  const char *grant = getenv("WITNESS_GRANT");
  if (grant) granted = (unsigned)atoi(grant);
  const char *exhaust = getenv("WITNESS_EXHAUST");
  if (exhaust) left = atoi(exhaust);
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
  fprintf(file, "witness elsewhere -1 -1 %llu\n", atomic_load(&elsewhere));
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
  if (request == VIDIOC_REQBUFS && granted && ((struct v4l2_requestbuffers *)argument)->count > granted)
    ((struct v4l2_requestbuffers *)argument)->count = granted;
  if (request == DMA_HEAP_IOCTL_ALLOC && left >= 0 && (left == 0 || atomic_fetch_sub(&left, 1) <= 0)) {
    left = 0;
    errno = ENOMEM;
    return -1;
  }
  int result = real_ioctl(fd, request, argument);
  if (request == VIDIOC_DQBUF && result == 0) {
    struct v4l2_buffer *b = argument;
    note("dequeue", (int)b->index, fd, b->sequence);
  }
  return result;
}

static void allocates(size_t size) {
  if (!records) return;
  // A thread gets its name after it has begun: what is remembered is only what is one of camd's.
  char now[16] = {0};
  if (!name[0]) prctl(PR_GET_NAME, now, 0, 0, 0);
  const char *thread = name[0] ? name : now;
  if (!strncmp(thread, "camd-capture", 12)) note("allocate", -1, -1, size);
  else if (!strncmp(thread, "camd-", 5)) atomic_fetch_add(&elsewhere, 1);
}

void *malloc(size_t size) {
  if (!real_malloc) real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
  allocates(size);
  return real_malloc(size);
}

// dlsym itself may call calloc: for that there is a little memory that is never given back.
void *calloc(size_t count, size_t size) {
  static char early[4096];
  static size_t used;
  static __thread int is_looking;
  if (!real_calloc && !is_looking) {
    is_looking = 1;
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    is_looking = 0;
  }
  if (!real_calloc) {
    char *bytes = early + used;
    used += (count * size + 15) & ~(size_t)15;
    return used <= sizeof early ? bytes : NULL;
  }
  allocates(count * size);
  return real_calloc(count, size);
}

void *realloc(void *bytes, size_t size) {
  if (!real_realloc) real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
  allocates(size);
  return real_realloc(bytes, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  if (!real_aligned_alloc) real_aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
  allocates(size);
  return real_aligned_alloc(alignment, size);
}

int posix_memalign(void **bytes, size_t alignment, size_t size) {
  if (!real_posix_memalign)
    real_posix_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
  allocates(size);
  return real_posix_memalign(bytes, alignment, size);
}
