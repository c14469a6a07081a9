#include "native/launcher/groups.h"

#include <unistd.h>

#include <utility>

namespace cloister::launcher {

Result<std::unique_ptr<limits::CellGroup>> Groups::Make(std::uint64_t cell,
                                                        const plan::CellLimits& limits) {
  if (!hierarchies_) {
    hierarchies_ = limits::FindHierarchies();
    limits::SweepLeftovers(*hierarchies_);
  }
  limits::GroupLimits wanted;
  wanted.memory = limits.memory_by_group ? limits.memory : 0;
  wanted.processes = limits.processes;
  wanted.cpu_quota_us = limits.cpu_quota_us;
  wanted.cpu_time = limits.cpu_time_ns != 0 && limits.cpu_time_by_group;
  return limits::CellGroup::Make(*hierarchies_, limits::GroupName(getpid(), cell), wanted);
}

void Groups::Remove(std::unique_ptr<limits::CellGroup> group) {
  if (!group->Remove()) {
    ended_.push_back(std::move(group));
  }
}

void Groups::RemoveRest() {
  std::erase_if(ended_, [](const auto& group) { return group->Remove(); });
}

}  // namespace cloister::launcher
