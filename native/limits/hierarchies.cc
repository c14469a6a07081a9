#include "native/limits/hierarchies.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "native/limits/control_files.h"

namespace cloister::limits {

namespace {

constexpr char kPrefix[] = "cloister-";

struct Mount {
  std::string root;   // which directory of the hierarchy is mounted
  std::string point;  // where
  std::string options;
};

// The mounts of one type, from the lines of proc_pid_mountinfo(5).
std::vector<Mount> MountsOfType(const std::string& mountinfo, std::string_view type) {
  std::vector<Mount> mounts;
  for (const std::string& line : Words(mountinfo, '\n')) {
    const std::size_t separator = line.find(" - ");
    if (separator == std::string::npos) {
      continue;
    }
    const auto before = Words(line.substr(0, separator));
    const auto after = Words(line.substr(separator + 3));
    if (before.size() >= 5 && after.size() >= 3 && after[0] == type) {
      mounts.push_back({before[3], before[4], after[2]});
    }
  }
  return mounts;
}

// This process's group in a hierarchy, from the lines "ID:controllers:path" of /proc/self/cgroup.
// Version 2 has the number 0 and no controllers.
std::string OwnGroup(const std::string& groups, const char* controller) {
  for (const std::string& line : Words(groups, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    const std::string names = line.substr(first + 1, second - first - 1);
    if (controller == nullptr ? line.substr(0, first) == "0" : HasWord(names, controller)) {
      return line.substr(second + 1);
    }
  }
  return "";
}

// The path of a group below a mount point; nothing when the mount does not show it.
std::string Below(const Mount& mount, const std::string& group) {
  if (group.empty() || group.find("/..") != std::string::npos) {
    return "";
  }
  std::string relative = group;
  if (mount.root != "/") {
    const bool within = group.compare(0, mount.root.size(), mount.root) == 0 &&
                        (group.size() == mount.root.size() || group[mount.root.size()] == '/');
    if (!within) {
      return "";
    }
    relative = group.substr(mount.root.size());
  }
  return relative == "/" || relative.empty() ? mount.point : mount.point + relative;
}

// Whether a group can be made there, and a process of ours be moved into it. In version 2 the move
// needs write access to cgroup.procs of the common ancestor, which is this directory (cgroups(7),
// "Delegation"); in version 1 the group's own is enough. A process is not moved for a try: the
// first move in a while waits for a grace period of the kernel, some 15 ms.
bool CanHoldProcesses(const std::string& directory, int version) {
  if (version == 2 && access((directory + "/cgroup.procs").c_str(), W_OK) != 0) {
    return false;
  }
  const std::string group = directory + "/" + GroupName(getpid(), 0);
  if (mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) {
    return false;
  }
  rmdir(group.c_str());
  return true;
}

// The root of the whole hierarchy may have processes and hand controllers on all the same; it alone
// has no cgroup.type.
void HandControllersOn(const std::string& directory) {
  if (access((directory + "/cgroup.type").c_str(), F_OK) == 0) {
    return;
  }
  for (const char* controller : {"+memory", "+pids", "+cpu"}) {
    // Not there, or not ours to change: what is in force is read afterwards.
    static_cast<void>(WriteFile(directory + "/cgroup.subtree_control", controller));
  }
}

struct Unified {
  std::string available;  // controllers that are there
  std::string directory;  // empty: none that we may use
  std::string controllers;
  int count = 0;  // of those that matter
};

int CountControllers(const std::string& list) {
  return (HasWord(list, "memory") ? 1 : 0) + (HasWord(list, "pids") ? 1 : 0) +
         (HasWord(list, "cpu") ? 1 : 0);
}

// Our own group, or its nearest ancestor, that hands on the most of the controllers.
Unified FindUnified(const std::string& mountinfo, const std::string& groups) {
  Unified best;
  for (const Mount& mount : MountsOfType(mountinfo, "cgroup2")) {
    std::string directory = Below(mount, OwnGroup(groups, nullptr));
    if (directory.empty()) {
      continue;
    }
    best.available = ReadFile(directory + "/cgroup.controllers").value_or("");
    HandControllersOn(directory);
    while (!directory.empty()) {
      const std::string enabled = ReadFile(directory + "/cgroup.subtree_control").value_or("");
      const int count = CountControllers(enabled);
      if ((best.directory.empty() || count > best.count) && CanHoldProcesses(directory, 2)) {
        best.directory = directory;
        best.controllers = enabled;
        best.count = count;
      }
      directory = directory == mount.point ? "" : directory.substr(0, directory.rfind('/'));
    }
  }
  return best;
}

Home FindSeparate(const std::string& mountinfo, const std::string& groups, const char* controller,
                  std::string* mounted) {
  for (const Mount& mount : MountsOfType(mountinfo, "cgroup")) {
    if (!HasWord(mount.options, controller)) {
      continue;
    }
    *mounted = "v1";
    const std::string directory = Below(mount, OwnGroup(groups, controller));
    if (!directory.empty() && CanHoldProcesses(directory, 1)) {
      return {1, directory};
    }
  }
  return {};
}

// The launcher that a group belongs to, from its name.
long OwnerOf(const char* name) {
  const std::string_view text(name);
  if (text.substr(0, sizeof(kPrefix) - 1) != kPrefix) {
    return -1;
  }
  char* end = nullptr;
  const long owner = std::strtol(name + sizeof(kPrefix) - 1, &end, 10);
  return owner > 0 && *end == '-' ? owner : -1;
}

void SweepDirectory(const std::string& directory) {
  DIR* const listing = opendir(directory.c_str());
  if (listing == nullptr) {
    return;
  }
  std::vector<std::string> left;
  while (const dirent* entry = readdir(listing)) {
    const long owner = OwnerOf(entry->d_name);
    // Nothing of ours is there yet: a group with our number is that of an earlier process.
    if (owner > 0 &&
        (owner == getpid() || (kill(static_cast<pid_t>(owner), 0) != 0 && errno == ESRCH))) {
      left.push_back(directory + "/" + entry->d_name);
    }
  }
  closedir(listing);
  for (const std::string& group : left) {
    // EBUSY: something lives in it. It is left to itself.
    rmdir(group.c_str());
  }
}

}  // namespace

Hierarchies FindHierarchies() {
  const std::string mountinfo = ReadFile("/proc/self/mountinfo").value_or("");
  const std::string groups = ReadFile("/proc/self/cgroup").value_or("");
  Hierarchies found;
  const Unified unified = FindUnified(mountinfo, groups);
  for (std::size_t i = 0; i < kControllers; ++i) {
    // Processor time is counted in every group of version 2 (cgroups(7), cpu.stat).
    const bool counted = static_cast<Controller>(i) == Controller::kCpuAccounting;
    const bool enabled =
        counted ? unified.count > 0 : HasWord(unified.controllers, kControllerNames[i]);
    if (!unified.directory.empty() && enabled) {
      found.homes[i] = {2, unified.directory};
      found.mounted[i] = "v2";
      continue;
    }
    if (HasWord(unified.available, kControllerNames[i])) {
      found.mounted[i] = "v2";
    } else {
      found.homes[i] = FindSeparate(mountinfo, groups, kControllerNames[i], &found.mounted[i]);
    }
  }
  Home& accounting = found.homes[static_cast<std::size_t>(Controller::kCpuAccounting)];
  if (!accounting.Usable() && !unified.directory.empty()) {
    accounting = {2, unified.directory};
  }
  return found;
}

void SweepLeftovers(const Hierarchies& hierarchies) {
  for (std::size_t i = 0; i < kControllers; ++i) {
    if (hierarchies.homes[i].Usable()) {
      SweepDirectory(hierarchies.homes[i].directory);
    }
  }
}

std::string GroupName(long launcher, unsigned long long cell) {
  return kPrefix + std::to_string(launcher) + "-" + std::to_string(cell);
}

}  // namespace cloister::limits
