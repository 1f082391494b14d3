/* Lets the N-th call that writes a file fail: preloaded, so that Python, SQLite, Rust and C++ all
   meet the same fault. A call counts if its file lies below `root`; with `opens`, every opening of
   any file counts instead, as under a limit on open files. With `stays`, all later calls fail too.

       cc -shared -fPIC -O1 -o shim.so shim.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile int armed, fault, opens, stays;
static volatile long seen, failing;
static char root[PATH_MAX], fired[PATH_MAX + 64], calls[1 << 22];
static volatile size_t written;

void fault_arm(long site, int error, int all_opens, int for_ever, const char *below) {
  snprintf(root, sizeof root, "%s", below);
  fired[0] = calls[0] = 0;
  written = 0, seen = 0, failing = site, fault = error, opens = all_opens, stays = for_ever;
  armed = 1;
}
long fault_disarm(void) { armed = 0; return seen; }
const char *fault_fired(void) { return fired; }
const char *fault_calls(void) { return calls; } /* a line each, while no site is to fail */

static int fails(const char *call, const char *path) {
  long number = __sync_add_and_fetch(&seen, 1);
  if (!failing && written + PATH_MAX < sizeof calls)
    written += snprintf(calls + written, sizeof calls - written, "%s %s\n", call, path);
  if (number != failing && !(stays && failing && number > failing)) return 0;
  if (!fired[0]) snprintf(fired, sizeof fired, "%s %s", call, path);
  errno = fault;
  return 1;
}
static int below(const char *path) {
  char whole[2 * PATH_MAX], here[PATH_MAX];
  if (path[0] != '/' && getcwd(here, sizeof here)) {
    snprintf(whole, sizeof whole, "%s/%s", here, path);
    path = whole;
  }
  return strncmp(path, root, strlen(root)) == 0;
}
static int hit(const char *call, const char *path) {
  return armed && !opens && path && below(path) && fails(call, path);
}
static int hit_open(const char *call, const char *path, int writes) {
  if (!armed || !path) return 0;
  return opens ? fails(call, path) : writes && hit(call, path);
}
static int hit_file(const char *call, int file) {
  char link[64], path[PATH_MAX];
  if (!armed || opens) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0 || path[0] != '/') return 0; /* a pipe has no path */
  path[length] = 0;
  return hit(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))
#define MODE(flags, last) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

#define OPEN(name) int name(const char *path, int flags, ...) { \
  MODE(flags, flags) \
  return hit_open("open", path, WRITES(flags)) ? -1 : REAL(name)(path, flags, mode); }
OPEN(open)
OPEN(open64)
#define OPENAT(name) int name(int place, const char *path, int flags, ...) { \
  MODE(flags, flags) \
  return hit_open("open", path, WRITES(flags)) ? -1 : REAL(name)(place, path, flags, mode); }
OPENAT(openat)
OPENAT(openat64)
#define FOPEN(name) FILE *name(const char *path, const char *mode) { \
  return hit_open("open", path, mode[0] != 'r' || strchr(mode, '+')) ? NULL : REAL(name)(path, mode); }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int file, const void *data, size_t size) {
  return hit_file("write", file) ? -1 : REAL(write)(file, data, size); }
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
  return hit_file("write", file) ? -1 : REAL(pwrite)(file, data, size, at); }
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
  return hit_file("write", file) ? -1 : REAL(pwrite64)(file, data, size, at); }
ssize_t writev(int file, const struct iovec *parts, int count) {
  return hit_file("write", file) ? -1 : REAL(writev)(file, parts, count); }
int fsync(int file) { return hit_file("fsync", file) ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return hit_file("fsync", file) ? -1 : REAL(fdatasync)(file); }
int ftruncate(int file, off_t size) {
  return hit_file("truncate", file) ? -1 : REAL(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size) {
  return hit_file("truncate", file) ? -1 : REAL(ftruncate64)(file, size); }
int rename(const char *from, const char *to) {
  return hit("rename", to) ? -1 : REAL(rename)(from, to); }
int mkdir(const char *path, mode_t mode) {
  return hit("mkdir", path) ? -1 : REAL(mkdir)(path, mode); }
int chmod(const char *path, mode_t mode) {
  return hit("chmod", path) ? -1 : REAL(chmod)(path, mode); }
int symlink(const char *target, const char *path) {
  return hit("symlink", path) ? -1 : REAL(symlink)(target, path); }
/* A full disk lets files be removed. */
int unlink(const char *path) {
  return fault != ENOSPC && hit("unlink", path) ? -1 : REAL(unlink)(path); }
int pipe2(int files[2], int flags) {
  return armed && opens && fails("pipe", "") ? -1 : REAL(pipe2)(files, flags); }
