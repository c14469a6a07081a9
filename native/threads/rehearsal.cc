#include "native/threads/rehearsal.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>

#include "native/linux/signals.h"

namespace cloister::threads {

namespace {

constexpr std::size_t kStackSize = 64UL * 1024;

// Shared with the child, whose memory is ours.
struct Rehearsal {
  Restriction restriction;
  std::span<const sock_filter> filter;
  bool listener;
  Rehearsed result;
};

// A task of its own, with credentials of its own, on our memory: raw system calls only.
int ChildMain(void* argument) {
  auto* rehearsal = static_cast<Rehearsal*>(argument);
  Restriction restriction = rehearsal->restriction;
  // It has one thread; and its being closed is the real run's business.
  restriction.thread_sync = false;
  rehearsal->result.problem = Apply(restriction, Role::kCaller).problem;
  if (rehearsal->result.problem.call == nullptr && !rehearsal->filter.empty()) {
    sock_fprog program = {static_cast<unsigned short>(rehearsal->filter.size()),
                          const_cast<sock_filter*>(rehearsal->filter.data())};
    const std::uint32_t flags = rehearsal->listener ? uapi::kSeccompNewListener : 0;
    const long result = sys::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, sys::Arg(&program));
    if (result < 0) {
      rehearsal->result.problem = {"seccomp", static_cast<int>(-result)};
      rehearsal->result.in_filter = true;
    }
  }
  // The filter may not let it end in this way, and kill it: that is an end as well.
  sys::Exit(0);
}

}  // namespace

Rehearsed Rehearse(const Restriction& restriction, std::span<const sock_filter> filter,
                   bool listener) {
  void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) {
    return {{"mmap", errno}, false, true};
  }
  Rehearsal rehearsal = {restriction, filter, listener, {}};
  // No handler of this process may run in the child: it would work on our memory as another
  // process.
  sys::SignalMask mask = 0;
  sys::SetMask(&sys::kAllSignals, &mask);
  // Exit signal 0: neither SIGCHLD nor a wait for any child in this process ever sees it.
  const int pid =
      clone(ChildMain, static_cast<char*>(stack) + kStackSize, CLONE_VM | CLONE_VFORK, &rehearsal);
  const int error = errno;
  sys::SetMask(&mask, nullptr);
  if (pid > 0) {
    while (waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
  munmap(stack, kStackSize);
  if (pid < 0) {
    return {{"clone", error}, false, true};
  }
  return rehearsal.result;
}

}  // namespace cloister::threads
