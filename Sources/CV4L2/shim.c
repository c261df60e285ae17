#define _GNU_SOURCE
#include "CV4L2.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

_Static_assert(CV4L2_MFD_CLOEXEC == MFD_CLOEXEC && CV4L2_MFD_ALLOW_SEALING == MFD_ALLOW_SEALING, "memfd flags");
_Static_assert(CV4L2_F_SEAL_SHRINK == F_SEAL_SHRINK, "seals");

int cv4l2_memfd_create(const char *name, unsigned flags) { return memfd_create(name, flags); }
int cv4l2_add_seals(int fd, int seals) { return fcntl(fd, F_ADD_SEALS, seals); }
int cv4l2_accept(int fd) { return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

int cv4l2_peer_credentials(int fd, struct cv4l2_credentials *out) {
  struct ucred c;
  socklen_t length = sizeof c;
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &length);
  if (result == 0) {
    out->pid = c.pid;
    out->uid = c.uid;
    out->gid = c.gid;
  }
  return result;
}

int cv4l2_set_thread_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

int cv4l2_set_mark(int fd, const char *name) { return fsetxattr(fd, name, "1", 1, 0); }
int cv4l2_remove_mark(int fd, const char *name) { return fremovexattr(fd, name); }
int cv4l2_has_mark(int fd, const char *name) { return fgetxattr(fd, name, NULL, 0) >= 0; }

unsigned cv4l2_major(uint64_t device) { return major(device); }
unsigned cv4l2_minor(uint64_t device) { return minor(device); }

int cv4l2_open(const char *path, int flags, unsigned mode) { return open(path, flags, mode); }
int cv4l2_openat(int folder, const char *path, int flags, unsigned mode) { return openat(folder, path, flags, mode); }
int cv4l2_fcntl(int fd, int command, long argument) { return fcntl(fd, command, argument); }

int cv4l2_identify(int folder, const char *name, struct cv4l2_identity *out) {
  struct statx x;
  int result = statx(folder, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &x);
  if (result == 0) {
    out->inode = x.stx_ino;
    out->device = makedev(x.stx_dev_major, x.stx_dev_minor);
    out->size = x.stx_size;
    out->blocks = x.stx_blocks;
    out->born = x.stx_mask & STATX_BTIME ? x.stx_btime.tv_sec * 1000000000 + x.stx_btime.tv_nsec : 0;
    out->modified = x.stx_mtime.tv_sec * 1000000000 + x.stx_mtime.tv_nsec;
    out->mode = x.stx_mode;
    out->links = x.stx_nlink;
    out->owner = x.stx_uid;
  }
  return result;
}

int64_t cv4l2_file_system(int fd) {
  struct statfs status;
  return fstatfs(fd, &status) == 0 ? (int64_t)status.f_type : -1;
}
