// Signals as the kernel takes them. The C library's functions hide signals 32 and 33, which it uses
// itself, and add locks and bookkeeping of their own. Child-safe.

#ifndef CLOISTER_LINUX_SIGNALS_H_
#define CLOISTER_LINUX_SIGNALS_H_

#include <signal.h>

#include <cstddef>
#include <cstdint>

#include "native/linux/syscalls.h"

namespace cloister::sys {

// Bit N - 1 stands for signal N.
using SignalMask = std::uint64_t;
inline constexpr SignalMask kAllSignals = ~SignalMask{0};

constexpr SignalMask MaskOf(int signal) noexcept {
  return SignalMask{1} << (signal - 1);
}

using SignalHandler = void (*)(int, siginfo_t*, void*);

// struct sigaction of the kernel, the same on x86_64 and aarch64.
struct KernelAction {
  SignalHandler handler;
  unsigned long flags;
  void (*restorer)();
  SignalMask mask;
};

// SA_RESTORER: x86_64 returns from a handler only through one.
inline constexpr unsigned long kActionRestorer = 0x04000000;

inline long SetAction(int signal, const KernelAction* next, KernelAction* previous) noexcept {
  return Call(SYS_rt_sigaction, signal, Arg(next), Arg(previous), sizeof(SignalMask));
}

inline long SetMask(const SignalMask* next, SignalMask* previous) noexcept {
  return Call(SYS_rt_sigprocmask, SIG_SETMASK, Arg(next), Arg(previous), sizeof(SignalMask));
}

inline int Gettid() noexcept {
  return static_cast<int>(Call(SYS_gettid));
}

inline int Getpid() noexcept {
  return static_cast<int>(Call(SYS_getpid));
}

// The handler's action, complete with what the architecture needs to return from it.
KernelAction MakeAction(SignalHandler handler, unsigned long flags, SignalMask mask) noexcept;

struct Timespec {
  long seconds;
  long nanoseconds;
};

inline constexpr int kFutexWait = 0 | 128;  // FUTEX_WAIT, FUTEX_WAKE with FUTEX_PRIVATE_FLAG
inline constexpr int kFutexWake = 1 | 128;

inline void FutexWait(const void* word, std::uint32_t value, const Timespec* timeout) noexcept {
  // Every way of coming back (woken, changed meanwhile, interrupted, too late) is the caller's
  // loop.
  Call(SYS_futex, Arg(word), kFutexWait, static_cast<long>(value), Arg(timeout));
}

inline void FutexWakeAll(const void* word) noexcept {
  Call(SYS_futex, Arg(word), kFutexWake, 0x7fffffff);
}

}  // namespace cloister::sys

#endif  // CLOISTER_LINUX_SIGNALS_H_
