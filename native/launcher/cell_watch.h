// What a cell may use as a whole: looked after by a control group where there is one, else by
// looking at its processes, often enough that little is used beyond a limit.

#ifndef CLOISTER_LAUNCHER_CELL_WATCH_H_
#define CLOISTER_LAUNCHER_CELL_WATCH_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "native/limits/cell_group.h"
#include "native/limits/cpu_ledger.h"
#include "native/limits/process_tree.h"
#include "native/plan/plan.h"
#include "native/wire/messages.h"

namespace cloister::launcher {

// User and system time, in microseconds.
struct CpuTimes {
  std::uint64_t user_us = 0;
  std::uint64_t system_us = 0;
};

class CellWatch {
 public:
  CellWatch() = default;
  CellWatch(const plan::CellLimits& limits, std::unique_ptr<limits::CellGroup> group, pid_t init);

  // Nothing, or why the limits could not be looked after.
  [[nodiscard]] std::optional<Failure> CannotLook() const;

  // The command runs: what was used before was used to set the cell up.
  void Started(std::uint64_t now_ns);

  // CLOCK_MONOTONIC; 0: nothing has to be looked at.
  [[nodiscard]] std::uint64_t NextCheck() const { return next_check_ns_; }
  // The limit that has been exceeded. Sets the time of the next check.
  wire::EndCause Check();
  void Stop() { next_check_ns_ = 0; }
  // Looks a last time at what is about to be killed.
  void BeforeKill();

  // The limit that was exceeded by a cell of which nothing is left.
  [[nodiscard]] wire::EndCause Exceeded(const CpuTimes& used) const;
  // `of_waited`: of the processes that were waited for. With a group: of all, in the same
  // proportion.
  [[nodiscard]] CpuTimes Used(const CpuTimes& of_waited) const;
  // Of the largest process that was there before the kill.
  [[nodiscard]] std::uint64_t LargestSeen() const { return seen_.largest; }

  [[nodiscard]] limits::CellGroup* Group() const { return group_.get(); }
  std::unique_ptr<limits::CellGroup> TakeGroup() { return std::move(group_); }

 private:
  [[nodiscard]] bool SamplesCpuTime() const {
    return limits_.cpu_time_ns != 0 && !limits_.cpu_time_by_group;
  }
  wire::EndCause LookedInVain(std::uint64_t now_ns);
  // Adds a look that was just taken.
  void KeepTimes(const limits::TreeUse& tree);
  [[nodiscard]] std::uint64_t KeptCpuUs() const;
  // Each tells how long it will take at the least until the limit is exceeded; 0 when it is.
  std::uint64_t MemoryLeftNs(std::uint64_t resident);
  std::uint64_t CpuTimeLeftNs(std::uint64_t used_us);
  [[nodiscard]] std::optional<std::uint64_t> GroupCpuUs() const;

  plan::CellLimits limits_;
  std::unique_ptr<limits::CellGroup> group_;
  pid_t init_ = -1;
  limits::CpuUse at_start_;
  limits::TreeUse seen_;
  // Kept where processor time is sampled.
  limits::CpuLedger ledger_;
  std::uint64_t next_check_ns_ = 0;
  int looks_in_vain_ = 0;
};

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_CELL_WATCH_H_
