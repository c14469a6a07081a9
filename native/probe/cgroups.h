// Which control groups this process could use for its cells.

#ifndef CLOISTER_PROBE_CGROUPS_H_
#define CLOISTER_PROBE_CGROUPS_H_

#include <string>

namespace cloister::probe {

struct Cgroups {
  const char* version = "none";  // "v2", "v1", "none"
  bool writable = false;
  std::string controllers;  // comma-separated: those that are there
  // Comma-separated, "memory:v2": those that cells can be given.
  std::string usable;
};

// Version 2 counts only where it holds one of these controllers: on hybrid systems they stay with
// version 1. Writable: a group could be made, and was removed again.
Cgroups FindCgroups();

}  // namespace cloister::probe

#endif  // CLOISTER_PROBE_CGROUPS_H_
