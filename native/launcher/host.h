// What the launcher knows of itself and of the machine, read once at its start.

#ifndef CLOISTER_LAUNCHER_HOST_H_
#define CLOISTER_LAUNCHER_HOST_H_

#include <cstdint>
#include <optional>

#include "native/child/context.h"
#include "native/plan/result.h"

namespace cloister::launcher {

struct Host {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t namespaces[child::kNamespaceCount] = {};
  std::uint32_t inherited_filters = 0;
  std::uint32_t last_capability = 0;
};

// Failure here concerns every cell: it is reported for each.
Result<Host> ReadHost();

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_HOST_H_
