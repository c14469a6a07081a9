// System calls without the C library: no errno, no locks, no cancellation points. Child-safe.
// Every wrapper answers as the kernel does: a result, or a negative error number.

#ifndef CLOISTER_LINUX_SYSCALLS_H_
#define CLOISTER_LINUX_SYSCALLS_H_

#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

#include "native/linux/uapi.h"

namespace cloister::sys {

#if defined(__x86_64__)

inline long Call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) noexcept {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

inline long Call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) noexcept {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}

#else
#error "cloister runs on x86_64 and aarch64"
#endif

template <typename T>
inline long Arg(T* pointer) noexcept {
  return static_cast<long>(reinterpret_cast<std::uintptr_t>(pointer));
}

inline long Openat2(int directory, const char* path, std::uint64_t flags, std::uint64_t resolve,
                    std::uint64_t mode = 0) noexcept {
  uapi::OpenHow how = {flags, mode, resolve};
  return Call(uapi::kSysOpenat2, directory, Arg(path), Arg(&how), sizeof(how));
}

inline long Openat(int directory, const char* path, int flags, unsigned mode = 0) noexcept {
  return Call(SYS_openat, directory, Arg(path), flags, static_cast<long>(mode));
}

inline long Read(int fd, void* buffer, std::size_t size) noexcept {
  return Call(SYS_read, fd, Arg(buffer), static_cast<long>(size));
}

inline long Write(int fd, const void* buffer, std::size_t size) noexcept {
  return Call(SYS_write, fd, Arg(buffer), static_cast<long>(size));
}

inline long Close(int fd) noexcept {
  return Call(SYS_close, fd);
}

inline long CloseRange(unsigned first, unsigned last) noexcept {
  return Call(uapi::kSysCloseRange, static_cast<long>(first), static_cast<long>(last), 0);
}

inline long Fcntl(int fd, int command, long argument = 0) noexcept {
  return Call(SYS_fcntl, fd, command, argument);
}

inline long Ioctl(int fd, unsigned long request, void* argument) noexcept {
  return Call(SYS_ioctl, fd, static_cast<long>(request), Arg(argument));
}

inline long Prctl(int option, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0,
                  unsigned long d = 0) noexcept {
  return Call(SYS_prctl, option, static_cast<long>(a), static_cast<long>(b), static_cast<long>(c),
              static_cast<long>(d));
}

inline long OpenTree(int directory, const char* path, unsigned flags) noexcept {
  return Call(uapi::kSysOpenTree, directory, Arg(path), static_cast<long>(flags));
}

// Attaches the mount that `from` stands for to the directory or file that `to` stands for; neither
// path is walked again.
inline long MoveMount(int from, int to) noexcept {
  return Call(uapi::kSysMoveMount, from, Arg(""), to, Arg(""),
              uapi::kMoveMountFromEmptyPath | uapi::kMoveMountToEmptyPath);
}

inline long Fsopen(const char* type) noexcept {
  return Call(uapi::kSysFsopen, Arg(type), uapi::kFsopenCloexec);
}

inline long FsconfigString(int fd, const char* key, const char* value) noexcept {
  return Call(uapi::kSysFsconfig, fd, uapi::kFsconfigSetString, Arg(key), Arg(value), 0);
}

inline long FsconfigFlag(int fd, const char* key) noexcept {
  return Call(uapi::kSysFsconfig, fd, uapi::kFsconfigSetFlag, Arg(key), 0, 0);
}

inline long FsconfigCreate(int fd) noexcept {
  return Call(uapi::kSysFsconfig, fd, uapi::kFsconfigCreate, 0, 0, 0);
}

inline long Fsmount(int fd, std::uint64_t attributes) noexcept {
  return Call(uapi::kSysFsmount, fd, uapi::kFsmountCloexec, static_cast<long>(attributes));
}

inline long MountSetattr(int fd, unsigned flags, uapi::MountAttr* attributes) noexcept {
  return Call(uapi::kSysMountSetattr, fd, Arg(""), static_cast<long>(flags), Arg(attributes),
              sizeof(*attributes));
}

inline long Clone3(uapi::CloneArgs* args) noexcept {
  return Call(uapi::kSysClone3, Arg(args), sizeof(*args));
}

// A copy of this process, as fork(2) makes it without telling the C library, with a pidfd and
// without a signal at its end. For places where clone3(2) may be hidden by a filter: its flags are
// behind a pointer, and cells have it answer ENOSYS.
inline long Fork(int* pidfd, std::uint64_t flags = 0) noexcept {
  return Call(SYS_clone, static_cast<long>(flags | uapi::kClonePidfd), 0, Arg(pidfd));
}

inline long PidfdSendSignal(int pidfd, int signal) noexcept {
  return Call(uapi::kSysPidfdSendSignal, pidfd, signal, 0, 0);
}

[[noreturn]] inline void Exit(int status) noexcept {
  Call(SYS_exit_group, status);
  // A filter may refuse even that.
  for (;;) {
    __builtin_trap();
  }
}

// CLOCK_MONOTONIC in nanoseconds.
inline std::uint64_t MonotonicNow() noexcept {
  struct {
    long seconds;
    long nanoseconds;
  } now = {0, 0};
  Call(SYS_clock_gettime, 1, Arg(&now));
  return static_cast<std::uint64_t>(now.seconds) * 1000000000U +
         static_cast<std::uint64_t>(now.nanoseconds);
}

}  // namespace cloister::sys

#endif  // CLOISTER_LINUX_SYSCALLS_H_
