// A library to be loaded before a program (LD_PRELOAD) that makes its n-th call on a file go wrong.
// Counted are calls that change files: an open for writing, a write, a rename, a flush to disk, a
// change of length, a new or removed name. Environment:
//   REDOUBT_FAIL_AT     n, from 1; absent or 0: none goes wrong
//   REDOUBT_FAIL_HOW    "full": no space left; "error": an input/output error; "short": a write
//                       writes half, any other call fails; "kill": the process dies before the call
//   REDOUBT_FAIL_COUNT  a file that the number of calls is written to when the program ends
// What is written to the screen does not count.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

std::atomic<long> calls = 0;

/// Whether this call is the one; "kill" never comes back.
bool is_the_one() {
  static const char* const at = std::getenv("REDOUBT_FAIL_AT");
  static const long wanted = at == nullptr ? 0 : std::strtol(at, nullptr, 10);
  if (++calls != wanted) return false;
  const char* how = std::getenv("REDOUBT_FAIL_HOW");
  if (how != nullptr && std::strcmp(how, "kill") == 0) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
  errno = how != nullptr && std::strcmp(how, "full") == 0 ? ENOSPC : EIO;
  return true;
}

bool is_short() {
  const char* how = std::getenv("REDOUBT_FAIL_HOW");
  return how != nullptr && std::strcmp(how, "short") == 0;
}

bool is_file(int descriptor) {
  struct stat status {};
  return descriptor > 2 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

/// At the end of the program, which writes it by a call that is not counted.
struct Teller {
  ~Teller() {
    const char* path = std::getenv("REDOUBT_FAIL_COUNT");
    if (path == nullptr) return;
    const int file =
        next<int(const char*, int, ...)>("open")(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    char text[32];
    const int length = std::snprintf(text, sizeof(text), "%ld\n", calls.load());
    if (next<ssize_t(int, const void*, std::size_t)>("write")(file, text,
                                                              static_cast<std::size_t>(length)) < 0)
      std::abort();
    close(file);
  }
} teller;

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if ((flags & O_ACCMODE) != O_RDONLY && std::strncmp(path, "/dev/", 5) != 0 && is_the_one())
    return -1;
  return next<int(const char*, int, ...)>("open")(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open(path, flags, mode);
}
FILE* fopen(const char* path, const char* mode) {
  if (std::strpbrk(mode, "wa+") != nullptr && is_the_one()) return nullptr;
  return next<FILE*(const char*, const char*)>("fopen")(path, mode);
}
FILE* fopen64(const char* path, const char* mode) { return fopen(path, mode); }

ssize_t write(int descriptor, const void* bytes, std::size_t count) {
  const auto real = next<ssize_t(int, const void*, std::size_t)>("write");
  if (!is_file(descriptor) || !is_the_one()) return real(descriptor, bytes, count);
  return is_short() && count > 1 ? real(descriptor, bytes, count / 2) : -1;
}
ssize_t writev(int descriptor, const iovec* parts, int count) {
  const auto real = next<ssize_t(int, const iovec*, int)>("writev");
  if (!is_file(descriptor) || !is_the_one()) return real(descriptor, parts, count);
  return is_short() && count > 1 ? real(descriptor, parts, count / 2) : -1;
}
std::size_t fwrite(const void* bytes, std::size_t size, std::size_t count, FILE* file) {
  if (is_file(fileno(file)) && is_the_one()) return 0;
  return next<std::size_t(const void*, std::size_t, std::size_t, FILE*)>("fwrite")(bytes, size,
                                                                                   count, file);
}
int fsync(int descriptor) { return is_the_one() ? -1 : next<int(int)>("fsync")(descriptor); }
int rename(const char* from, const char* to) {
  return is_the_one() ? -1 : next<int(const char*, const char*)>("rename")(from, to);
}
int unlink(const char* path) { return is_the_one() ? -1 : next<int(const char*)>("unlink")(path); }
int remove(const char* path) { return is_the_one() ? -1 : next<int(const char*)>("remove")(path); }
int truncate(const char* path, off_t length) {
  return is_the_one() ? -1 : next<int(const char*, off_t)>("truncate")(path, length);
}
int truncate64(const char* path, off_t length) { return truncate(path, length); }
int mkdir(const char* path, mode_t mode) {
  return is_the_one() ? -1 : next<int(const char*, mode_t)>("mkdir")(path, mode);
}

}  // extern "C"
