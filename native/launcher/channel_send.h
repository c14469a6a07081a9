// What the launcher sends to the first process of a cell, over the cell's channel.

#ifndef CLOISTER_LAUNCHER_CHANNEL_SEND_H_
#define CLOISTER_LAUNCHER_CHANNEL_SEND_H_

#include <sys/uio.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "native/base/unique_fd.h"
#include "native/plan/result.h"

namespace cloister::launcher {

// One packet with its descriptors. Waits a moment where the process on the other side has to make
// room; it does nothing else meanwhile.
std::optional<Failure> SendToCell(int channel, const iovec* parts, std::size_t count,
                                  const std::vector<int>& fds);

// Prepared trees, by mount operation; the invalid ones are left out.
std::optional<Failure> SendTrees(int channel, const std::vector<UniqueFd>& trees);
std::uint32_t CountTrees(const std::vector<UniqueFd>& trees);

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_CHANNEL_SEND_H_
