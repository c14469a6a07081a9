#include "native/probe/cgroups.h"

#include "native/limits/hierarchies.h"

namespace cloister::probe {

namespace {

void Append(std::string* list, const std::string& word) {
  if (!list->empty()) {
    *list += ',';
  }
  *list += word;
}

}  // namespace

Cgroups FindCgroups() {
  const limits::Hierarchies found = limits::FindHierarchies();
  Cgroups cgroups;
  for (std::size_t i = 0; i < limits::kControllers; ++i) {
    const limits::Home& home = found.homes[i];
    const std::string name = limits::kControllerNames[i];
    if (home.Usable()) {
      Append(&cgroups.usable, name + (home.version == 2 ? ":v2" : ":v1"));
    }
    // Counting alone limits nothing.
    if (static_cast<limits::Controller>(i) == limits::Controller::kCpuAccounting ||
        found.mounted[i].empty()) {
      continue;
    }
    Append(&cgroups.controllers, name);
    cgroups.version = cgroups.version[1] == '2' || found.mounted[i] == "v2" ? "v2" : "v1";
    cgroups.writable = cgroups.writable || home.Usable();
  }
  return cgroups;
}

}  // namespace cloister::probe
