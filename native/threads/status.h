// What /proc/PID/status says of a thread's privileges (proc(5)). Child-safe.

#ifndef CLOISTER_THREADS_STATUS_H_
#define CLOISTER_THREADS_STATUS_H_

#include <cstdint>

namespace cloister::threads {

struct Status {
  std::uint64_t permitted;
  std::uint64_t effective;
  std::uint64_t inheritable;
  std::uint64_t ambient;
  std::uint32_t no_new_privileges;
  // 2: filtered.
  std::uint32_t seccomp;
  // Since 5.9; 0 before.
  std::uint32_t filters;
  // Signals that wait for the thread; bit N - 1 stands for signal N.
  std::uint64_t pending;
};

// False when a member is missing or no number.
[[nodiscard]] bool ParseStatus(const char* text, Status* status) noexcept;

// Reads an opened status file from its start, however often. False when that fails.
[[nodiscard]] bool ReadStatus(int fd, Status* status) noexcept;

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_STATUS_H_
