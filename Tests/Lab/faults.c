// faults.c: stands between a program and the C library (LD_PRELOAD) and lets calls on dma-bufs fail as a kernel could make
// them fail, but none in the lab does. strace can inject errors too, but not into one request of ioctl.
//
//   cc -shared -fPIC -O2 -o faults.so faults.c -ldl
//   LD_PRELOAD=./faults.so FAULT_SYNC=4:3 program
//
// FAULT_SYNC=ERRNO:TIMES  DMA_BUF_IOCTL_SYNC fails so often with ERRNO (a number) before each time that it works; -1: always
// FAULT_LENGTH=WHO:BYTES  the end of every dma-buf of this exporter (a heap's name, udmabuf) seems to be there
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/dma-buf.h>
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

__attribute__((constructor)) static void begin(void) {
  real_ioctl = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  real_lseek = (off_t(*)(int, off_t, int))dlsym(RTLD_NEXT, "lseek");
  const char *text = getenv("FAULT_SYNC");
  if (text) sscanf(text, "%d:%d", &sync_error, &sync_times);
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
