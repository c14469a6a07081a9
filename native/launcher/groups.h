// The control groups of this launcher's cells.

#ifndef CLOISTER_LAUNCHER_GROUPS_H_
#define CLOISTER_LAUNCHER_GROUPS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "native/limits/cell_group.h"
#include "native/plan/plan.h"

namespace cloister::launcher {

class Groups {
 public:
  // Looks for a place the first time, and removes there what launchers before have left.
  Result<std::unique_ptr<limits::CellGroup>> Make(std::uint64_t cell,
                                                  const plan::CellLimits& limits);

  // Removes the group of a cell that has ended: now, or when the kernel lets go of it.
  void Remove(std::unique_ptr<limits::CellGroup> group);
  void RemoveRest();
  [[nodiscard]] bool AnyLeft() const { return !ended_.empty(); }

 private:
  std::optional<limits::Hierarchies> hierarchies_;
  std::vector<std::unique_ptr<limits::CellGroup>> ended_;
};

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_GROUPS_H_
