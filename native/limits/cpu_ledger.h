// The processor time of a cell without a control group: added up over many looks at its processes,
// so that what was seen of one that has gone since stays counted.

#ifndef CLOISTER_LIMITS_CPU_LEDGER_H_
#define CLOISTER_LIMITS_CPU_LEDGER_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace cloister::limits {

// In clock ticks, as proc_pid_stat(5) has it.
struct Ticks {
  std::uint64_t user = 0;
  std::uint64_t system = 0;
};

struct ProcessTime {
  pid_t pid = -1;
  std::uint64_t start = 0;  // tells it from a later process with the same number
  Ticks own;
  Ticks waited;  // of the children that it has waited for
};

// Each number is there once.
inline bool LowerNumber(const ProcessTime& one, const ProcessTime& other) {
  return one.pid < other.pid;
}

// A process that ignores its children's ends (SIGCHLD, sigaction(2)) inherits none of their times:
// the sum over whoever is there at a moment falls with each of them. This sum never does.
class CpuLedger {
 public:
  // Adds what has been used since the last look. Each process that has been there before is among
  // `now`, unless it is gone.
  void Add(std::vector<ProcessTime> now);

  [[nodiscard]] const Ticks& Total() const { return total_; }
  // As of the last look, in the order of LowerNumber.
  [[nodiscard]] const std::vector<ProcessTime>& Known() const { return known_; }

 private:
  Ticks total_;
  // Of processes that were gone at the last look: their parents may show it only now, since these
  // were looked at first.
  Ticks carried_;
  std::vector<ProcessTime> known_;
};

}  // namespace cloister::limits

#endif  // CLOISTER_LIMITS_CPU_LEDGER_H_
