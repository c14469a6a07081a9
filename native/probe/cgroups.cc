#include "native/probe/cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "native/probe/text.h"

namespace cloister::probe {

namespace {

constexpr const char* kControllers[] = {"memory", "pids", "cpu"};

bool Contains(const std::string& list, const std::string& word) {
  for (const std::string& entry : Split(list, ' ')) {
    for (const std::string& name : Split(entry, ',')) {
      if (name == word) {
        return true;
      }
    }
  }
  return false;
}

void Append(std::string* list, const std::string& word) {
  if (!list->empty()) {
    *list += ',';
  }
  *list += word;
}

// The mount point of a hierarchy, from the lines of mountinfo: version 2, or version 1 with this
// controller. Empty when there is none.
std::string MountPoint(const std::string& mountinfo, const char* type, const char* controller) {
  for (const std::string& line : Split(mountinfo, '\n')) {
    const std::size_t separator = line.find(" - ");
    if (separator == std::string::npos) {
      continue;
    }
    const auto after = Split(line.substr(separator + 3), ' ');
    const auto before = Split(line, ' ');
    if (after.size() < 3 || before.size() < 5 || after[0] != type) {
      continue;
    }
    if (controller == nullptr || Contains(after[2], controller)) {
      return before[4];
    }
  }
  return "";
}

// This process's group in a hierarchy, from the lines "ID:controllers:path" of /proc/self/cgroup.
std::string OwnGroup(const std::string& cgroups, const char* controller) {
  for (const std::string& line : Split(cgroups, '\n')) {
    const auto fields = Split(line, ':');
    if (fields.size() < 3) {
      continue;
    }
    const bool fits = controller == nullptr ? fields[0] == "0" : Contains(fields[1], controller);
    if (fits) {
      return fields[2];
    }
  }
  return "";
}

bool CanMakeGroup(const std::string& directory) {
  const std::string path = directory + "/cloister-probe-" + std::to_string(getpid());
  if (mkdir(path.c_str(), 0755) != 0) {
    return false;
  }
  rmdir(path.c_str());
  return true;
}

}  // namespace

Cgroups FindCgroups() {
  const std::string mountinfo = ReadText("/proc/self/mountinfo").value_or("");
  const std::string own = ReadText("/proc/self/cgroup").value_or("");
  Cgroups found;
  const std::string unified = MountPoint(mountinfo, "cgroup2", nullptr);
  if (!unified.empty()) {
    const std::string directory = unified + OwnGroup(own, nullptr);
    const std::string available = ReadText(directory + "/cgroup.controllers").value_or("");
    for (const char* controller : kControllers) {
      if (Contains(Trim(available), controller)) {
        Append(&found.controllers, controller);
      }
    }
    if (!found.controllers.empty()) {
      found.version = "v2";
      found.writable = CanMakeGroup(directory);
      return found;
    }
  }
  bool all_writable = true;
  for (const char* controller : kControllers) {
    const std::string mount = MountPoint(mountinfo, "cgroup", controller);
    if (mount.empty()) {
      continue;
    }
    found.version = "v1";
    Append(&found.controllers, controller);
    all_writable = CanMakeGroup(mount + OwnGroup(own, controller)) && all_writable;
  }
  found.writable = !found.controllers.empty() && all_writable;
  return found;
}

}  // namespace cloister::probe
