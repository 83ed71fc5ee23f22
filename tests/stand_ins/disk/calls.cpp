/// The calls of the C library that a store in a folder may make, each asked for first.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

#include "tests/stand_ins/disk/disk.h"

using cardswap::stand_in_disk::disk;
using cardswap::stand_in_disk::Kind;
using cardswap::stand_in_disk::path_at;
using cardswap::stand_in_disk::path_of;
using cardswap::stand_in_disk::real;

namespace {

/// Whether the call fails here, with errno set.
bool fails(const char* call, const std::string& path, Kind kind) {
  const auto answer = disk().before(call, path, kind);
  if (answer.error != 0) errno = answer.error;
  return answer.error != 0;
}

int open_at(const char* call, int folder, const char* path, int flags, mode_t mode) {
  const auto where = path_at(folder, path);
  const bool is_unnamed = (flags & O_TMPFILE) == O_TMPFILE;
  if (is_unnamed && !disk().has_unnamed(where)) {
    errno = EOPNOTSUPP;
    return -1;
  }
  const bool makes = is_unnamed || (flags & (O_CREAT | O_TRUNC)) != 0;
  if (fails(call, where, makes ? Kind::change : Kind::look)) return -1;
  const int file = real<int(int, const char*, int, ...)>("openat")(folder, path, flags, mode);
  if (file >= 0 && (flags & O_CREAT) != 0) disk().linked(where);
  return file;
}

ssize_t write_to(const char* call, int file, const void* bytes, std::size_t size) {
  const auto path = path_of(file);
  const auto answer = disk().before(call, path, Kind::write);
  if (answer.error != 0) {
    errno = answer.error;
    return -1;
  }
  const auto piece = disk().piece(path, answer.half ? size / 2 : size);
  if (piece == 0 && size != 0 && !answer.half) {
    errno = EINTR;
    return -1;
  }
  disk().wrote(file);
  const auto done = real<ssize_t(int, const void*, std::size_t)>("write")(file, bytes, piece);
  if (answer.half) disk().end();
  return done;
}

ssize_t read_from(const char* call, int file, void* bytes, std::size_t size, off_t at) {
  const auto path = path_of(file);
  if (fails(call, path, Kind::look)) return -1;
  const auto piece = disk().piece(path, size);
  if (piece == 0 && size != 0) {
    errno = EINTR;
    return -1;
  }
  return real<ssize_t(int, void*, std::size_t, off_t)>("pread")(file, bytes, piece, at);
}

int make_folder(const char* call, int folder, const char* path, mode_t mode) {
  const auto where = path_at(folder, path);
  if (fails(call, where, Kind::change)) return -1;
  const int done = real<int(int, const char*, mode_t)>("mkdirat")(folder, path, mode);
  if (done == 0) disk().made(where);
  return done;
}

mode_t mode_of(int flags, va_list arguments) {
  const bool given = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return given ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

}  // namespace

// As <fcntl.h> and <unistd.h> have them. What a store does not call is not here: the test sees that
// the calls that it expects were counted.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at("open", AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at("open", AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at("openat", folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at("openat", folder, path, flags, mode);
}

ssize_t write(int file, const void* bytes, size_t size) {
  return write_to("write", file, bytes, size);
}
ssize_t pread(int file, void* bytes, size_t size, off_t at) {
  return read_from("pread", file, bytes, size, at);
}
ssize_t pread64(int file, void* bytes, size_t size, off64_t at) {
  return read_from("pread", file, bytes, size, at);
}

int fsync(int file) {
  if (fails("fsync", path_of(file), Kind::flush)) {
    disk().flush_failed(file);
    return -1;
  }
  const int done = real<int(int)>("fsync")(file);
  if (done == 0) disk().flushed(file);
  return done;
}

int mkdir(const char* path, mode_t mode) noexcept {
  return make_folder("mkdir", AT_FDCWD, path, mode);
}
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return make_folder("mkdirat", folder, path, mode);
}
int linkat(int from_folder, const char* from, int folder, const char* path, int flags) noexcept {
  const auto where = path_at(folder, path);
  if (fails("linkat", where, Kind::change)) return -1;
  const int done = real<int(int, const char*, int, const char*, int)>("linkat")(
      from_folder, from, folder, path, flags);
  if (done == 0) disk().linked(where);
  return done;
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  const auto where = path_at(folder, path);
  if (fails("unlinkat", where, Kind::change)) return -1;
  if (const auto kept = disk().removed(where)) return *kept;
  return real<int(int, const char*, int)>("unlinkat")(folder, path, flags);
}

int fstatat(int folder, const char* path, struct stat* status, int flags) noexcept {
  if (fails("fstatat", path_at(folder, path), Kind::look)) return -1;
  return real<int(int, const char*, struct stat*, int)>("fstatat")(folder, path, status, flags);
}
DIR* fdopendir(int folder) {
  if (fails("fdopendir", path_of(folder), Kind::look)) return nullptr;
  return real<DIR*(int)>("fdopendir")(folder);
}
struct dirent* readdir(DIR* folder) {
  if (fails("readdir", path_of(::dirfd(folder)), Kind::look)) return nullptr;
  return real<struct dirent*(DIR*)>("readdir")(folder);
}
int close(int file) {
  if (fails("close", path_of(file), Kind::look)) {
    const int error = errno;  // it is closed all the same
    (void)real<int(int)>("close")(file);
    errno = error;
    return -1;
  }
  return real<int(int)>("close")(file);
}

}  // extern "C"
