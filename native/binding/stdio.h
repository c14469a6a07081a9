// The descriptors of a new cell: which ends it gets, and which ends stay here.

#ifndef CLOISTER_BINDING_STDIO_H_
#define CLOISTER_BINDING_STDIO_H_

#include <cstdint>
#include <span>
#include <vector>

#include "native/base/unique_fd.h"
#include "native/plan/result.h"

namespace cloister::binding {

// StdioKind in lib/native/functions.ts.
inline constexpr int kIgnore = -1;
inline constexpr int kPipeToCell = -2;
inline constexpr int kPipeFromCell = -3;
inline constexpr int kDuplex = -4;
inline constexpr int kTerminal = -5;

struct Stdio {
  // In order, what the launcher gets: one for each entry that is not a terminal. Not owned here.
  std::vector<int> for_cell;
  std::uint32_t terminal_mask = 0;
  // One for each entry; invalid where nothing stays here.
  std::vector<UniqueFd> ours;
  // Where there is a terminal: the end of the socket that gets connected to it. Its other end is
  // ours[0].
  UniqueFd terminal;
  // Those of for_cell that were made here, to be closed once they were sent.
  std::vector<UniqueFd> theirs;
};

Result<Stdio> MakeStdio(std::span<const int> entries, int null_device);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_STDIO_H_
