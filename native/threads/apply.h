// What a thread does to itself. Runs in the thread that asked, in parked threads within a signal
// handler, and in a process of its own that only tries it. Child-safe.

#ifndef CLOISTER_THREADS_APPLY_H_
#define CLOISTER_THREADS_APPLY_H_

#include <cstdint>

namespace cloister::threads {

struct Restriction {
  bool no_new_privileges = false;
  // Of Landlock, or -1.
  int ruleset = -1;
  // The kernel carries the domain to the other threads (ABI 8).
  bool thread_sync = false;
  bool drop_capabilities = false;
  std::uint64_t kept_capabilities = 0;
  std::uint32_t last_capability = 0;
  // Opening the root directory for reading must fail in a thread that carries the domain.
  bool root_closed = false;
};

// Static text, or null. Two words: what a slot of a parked thread holds.
struct Problem {
  const char* call;
  int error;
};

// What a thread says of itself after it applied everything.
struct Applied {
  Problem problem;
  std::uint64_t permitted;
  std::uint64_t effective;
  bool no_new_privileges;
};

enum class Role { kCaller, kOther };

Applied Apply(const Restriction& restriction, Role role) noexcept;

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_APPLY_H_
