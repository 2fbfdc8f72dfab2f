/* Makes the file system of one process fail on demand: preloaded into the server by tests/process/faults.rs.
 *
 * What is to fail stands in a block of shared memory, the file that STEAD_FAULTS names, so that the test can change its
 * mind while the server runs. With `operations` at 0 every call passes. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, SYNC = 4, RESIZE = 8 };

/* The error of a call that neither succeeds nor fails until the order is changed. */
#define HANG 0xffffffffu

/* The same layout is written by faults.rs. */
struct control {
  _Atomic uint32_t operations; /* those that fail */
  _Atomic uint32_t error;      /* the errno they fail with; 0: writes are only cut short; HANG: see below */
  _Atomic int32_t pass;        /* calls that still succeed */
  _Atomic uint32_t halve;      /* how many writes are cut in half before they fail; with error 0, all of them */
  _Atomic uint32_t hits;       /* calls that did not do what they were asked to */
  _Atomic uint32_t order;      /* tells this order from the one before */
  char pattern[488];           /* a part of the path of the files concerned */
};

static struct control *control;

__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("STEAD_FAULTS");
  if (path == NULL) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  void *memory = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (memory != MAP_FAILED) control = memory;
}

/* Whether this call fails; what it concerns is known to match. */
static int due(void) {
  if (atomic_fetch_sub(&control->pass, 1) > 0) return 0;
  atomic_store(&control->pass, 0);
  atomic_fetch_add(&control->hits, 1);
  if (atomic_load(&control->error) != HANG) return 1;
  uint32_t order = atomic_load(&control->order);
  while (atomic_load(&control->operations) != 0 && atomic_load(&control->order) == order) usleep(500);
  return 0;
}

static int fails_path(uint32_t operation, const char *path) {
  if (control == NULL || !(atomic_load(&control->operations) & operation)) return 0;
  return strstr(path, control->pattern) != NULL && due();
}

static int fails(uint32_t operation, int fd) {
  if (control == NULL || !(atomic_load(&control->operations) & operation)) return 0;
  char link[32] = "/proc/self/fd/", path[4096], digits[12];
  int count = 0, rest = fd;
  do digits[count++] = (char)('0' + rest % 10);
  while (rest /= 10);
  size_t end = strlen(link);
  while (count > 0) link[end++] = digits[--count];
  link[end] = 0;
  long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, control->pattern) != NULL && due();
}

static int refuse(void) {
  errno = (int)atomic_load(&control->error);
  return -1;
}

/* The bytes that a failing write still writes, or -1 with errno set. */
static ssize_t shortened(size_t bytes) {
  if (atomic_load(&control->error) == 0) return bytes > 1 ? (ssize_t)(bytes / 2) : (ssize_t)bytes;
  uint32_t left = atomic_load(&control->halve);
  if (left == 0 || bytes < 2) return refuse();
  atomic_store(&control->halve, left - 1);
  return (ssize_t)(bytes / 2);
}

ssize_t write(int fd, const void *data, size_t bytes) {
  if (fails(WRITE, fd)) {
    ssize_t part = shortened(bytes);
    return part < 0 ? part : syscall(SYS_write, fd, data, (size_t)part);
  }
  return syscall(SYS_write, fd, data, bytes);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) {
  if (fails(WRITE, fd)) {
    ssize_t part = shortened(bytes);
    return part < 0 ? part : syscall(SYS_pwrite64, fd, data, (size_t)part, at);
  }
  return syscall(SYS_pwrite64, fd, data, bytes, at);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { return pwrite64(fd, data, bytes, at); }

/* A vectored write that is cut short writes a part of its first piece. */
ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t at) {
  if (fails(WRITE, fd)) {
    ssize_t part = count > 0 ? shortened(pieces[0].iov_len) : 0;
    return part < 0 ? part : syscall(SYS_pwrite64, fd, pieces[0].iov_base, (size_t)part, at);
  }
  return syscall(SYS_pwritev, fd, pieces, count, at, 0L);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) { return pwritev64(fd, pieces, count, at); }

ssize_t writev(int fd, const struct iovec *pieces, int count) {
  if (fails(WRITE, fd)) {
    ssize_t part = count > 0 ? shortened(pieces[0].iov_len) : 0;
    return part < 0 ? part : syscall(SYS_write, fd, pieces[0].iov_base, (size_t)part);
  }
  return syscall(SYS_writev, fd, pieces, count);
}

int fsync(int fd) { return fails(SYNC, fd) ? refuse() : (int)syscall(SYS_fsync, fd); }

int fdatasync(int fd) { return fails(SYNC, fd) ? refuse() : (int)syscall(SYS_fdatasync, fd); }

int ftruncate64(int fd, off64_t bytes) { return fails(RESIZE, fd) ? refuse() : (int)syscall(SYS_ftruncate, fd, bytes); }

int ftruncate(int fd, off_t bytes) { return ftruncate64(fd, bytes); }

int fallocate64(int fd, int mode, off64_t at, off64_t bytes) {
  return fails(RESIZE, fd) ? refuse() : (int)syscall(SYS_fallocate, fd, mode, at, bytes);
}

int fallocate(int fd, int mode, off_t at, off_t bytes) { return fallocate64(fd, mode, at, bytes); }

int posix_fallocate64(int fd, off64_t at, off64_t bytes) { return fallocate64(fd, 0, at, bytes) == 0 ? 0 : errno; }

int posix_fallocate(int fd, off_t at, off_t bytes) { return posix_fallocate64(fd, at, bytes); }

int openat64(int directory, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
  if (writes && fails_path(OPEN, path)) return refuse();
  return (int)syscall(SYS_openat, directory, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat64(directory, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat64(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat64(AT_FDCWD, path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
  return fails_path(OPEN, path) ? refuse() : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path) {
  return fails_path(OPEN, path) ? refuse() : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rename(const char *from, const char *to) {
  return fails_path(OPEN, to) ? refuse() : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
