// The control groups of one cell: one directory in version 2, up to four in version 1.

#ifndef CLOISTER_LIMITS_CELL_GROUP_H_
#define CLOISTER_LIMITS_CELL_GROUP_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "native/base/unique_fd.h"
#include "native/limits/hierarchies.h"
#include "native/plan/result.h"

namespace cloister::limits {

// What a group holds. 0: not limited.
struct GroupLimits {
  std::uint64_t memory = 0;        // bytes
  std::uint64_t processes = 0;     // the cell's init is one of them
  std::uint64_t cpu_quota_us = 0;  // in each kCpuPeriodUs
  bool cpu_time = false;           // is to be counted
};

inline constexpr std::uint64_t kCpuPeriodUs = 100000;

struct CpuUse {
  std::uint64_t total_us = 0;
  // Both 0 where they are not told apart.
  std::uint64_t user_us = 0;
  std::uint64_t system_us = 0;
};

class CellGroup {
 public:
  // Besides what is asked for, memory, processes and processor time are counted where they can be:
  // what a cell used is exact then.
  static Result<std::unique_ptr<CellGroup>> Make(const Hierarchies& hierarchies,
                                                 const std::string& name,
                                                 const GroupLimits& limits);
  CellGroup(const CellGroup&) = delete;
  CellGroup& operator=(const CellGroup&) = delete;
  ~CellGroup();

  // Moves a process, and with it all that it starts, into the group.
  std::optional<Failure> Enter(pid_t pid);

  // Readable when the memory is used up; -1 where the kernel itself ends all of the group then.
  [[nodiscard]] int OutOfMemoryEvents() const { return out_of_memory_.Get(); }
  // Whether a process of the group was killed because the memory was used up.
  [[nodiscard]] bool RanOutOfMemory() const;

  // Nothing where it is not counted.
  [[nodiscard]] std::optional<CpuUse> Cpu() const;
  [[nodiscard]] std::optional<std::uint64_t> PeakMemory() const;
  // Without the cell's init.
  [[nodiscard]] std::optional<std::uint64_t> PeakProcesses() const;

  // SIGKILL to every process of the group, whatever it is doing: cgroup.kill (Linux 5.14). Where
  // that is missing the caller's own means must do.
  void Kill() const;

  // Removes the directories. False when something of it is still there.
  bool Remove();

 private:
  CellGroup() = default;
  std::optional<Failure> AddDirectory(const Hierarchies& hierarchies, Controller controller,
                                      const std::string& name, bool required);
  std::optional<Failure> LimitMemory(std::uint64_t bytes);
  std::optional<Failure> LimitProcessors(std::uint64_t quota_us);
  std::optional<Failure> WatchMemory();

  struct Part {
    int version = 0;
    std::string directory;
  };
  [[nodiscard]] const Part& Of(Controller controller) const {
    return parts_[static_cast<std::size_t>(controller)];
  }

  Part parts_[kControllers];
  std::vector<std::string> directories_;  // each once
  UniqueFd out_of_memory_;
};

}  // namespace cloister::limits

#endif  // CLOISTER_LIMITS_CELL_GROUP_H_
