// Where this process may make control groups for its cells, found anew for each controller: both
// versions may be mounted, and a mounted version 2 may have none of the controllers that matter.
//
// A group is made below our own group, or below the nearest ancestor of it where that works. The
// process that cells are started from stays where it is: in version 2 a group with processes of its
// own cannot hand controllers on to its children (cgroups(7), "no internal processes"), so its
// parent is where the cells' groups lie then.

#ifndef CLOISTER_LIMITS_HIERARCHIES_H_
#define CLOISTER_LIMITS_HIERARCHIES_H_

#include <cstddef>
#include <string>

namespace cloister::limits {

enum class Controller : std::size_t { kMemory = 0, kPids = 1, kCpu = 2, kCpuAccounting = 3 };
inline constexpr std::size_t kControllers = 4;
// As they are called in version 1, and in what the probe prints.
inline constexpr const char* kControllerNames[kControllers] = {"memory", "pids", "cpu", "cpuacct"};

// The directory that groups are made in. Empty: there is none.
struct Home {
  int version = 0;
  std::string directory;

  [[nodiscard]] bool Usable() const { return !directory.empty(); }
};

struct Hierarchies {
  Home homes[kControllers];
  // Where a controller is, whether or not this process may make groups there: "v2", "v1" or "".
  std::string mounted[kControllers];

  [[nodiscard]] const Home& Of(Controller controller) const {
    return homes[static_cast<std::size_t>(controller)];
  }
};

// Tries: where a group could be made, it is removed again.
Hierarchies FindHierarchies();

// Removes the groups of launchers that are gone, in every usable directory.
void SweepLeftovers(const Hierarchies& hierarchies);

// Name of a cell's group: tells whose it is.
std::string GroupName(long launcher, unsigned long long cell);

}  // namespace cloister::limits

#endif  // CLOISTER_LIMITS_HIERARCHIES_H_
