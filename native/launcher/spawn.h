// From a request to a cell that is on its way.

#ifndef CLOISTER_LAUNCHER_SPAWN_H_
#define CLOISTER_LAUNCHER_SPAWN_H_

#include <memory>
#include <vector>

#include "native/launcher/cell.h"
#include "native/launcher/groups.h"
#include "native/launcher/spare.h"

namespace cloister::launcher {

struct Request {
  std::uint64_t cell = 0;
  const std::uint8_t* plan = nullptr;
  std::size_t plan_size = 0;
  // The plan's own memfd, where it came in one.
  UniqueFd plan_memfd;
  std::uint32_t umask = wire::kKeepUmask;
  // Sources of the command's descriptors; an invalid one stands for the terminal.
  std::vector<UniqueFd> stdio;
};

Result<std::unique_ptr<Cell>> Spawn(const Request& request, const child::Facts& facts,
                                    HostIdPool* ids, SpareMaker* spares, Groups* groups);

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_SPAWN_H_
