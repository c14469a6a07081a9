// Builds a confined ring and puts it in the place of another one.

#ifndef CLOISTER_THREADS_RING_SWAP_H_
#define CLOISTER_THREADS_RING_SWAP_H_

#include <cstdint>

#include "native/threads/rings.h"

namespace cloister::threads {

struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t size = 0;
};

// A ring of this process: its descriptor, and where its two parts are mapped.
struct Ring {
  int fd = -1;
  std::uint64_t inode = 0;
  Mapping rings;
  Mapping entries;
};

// Everything that can fail comes before anything is changed. The other threads stand still.
[[nodiscard]] RingProblem SwapRing(const Ring& ring) noexcept;

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_RING_SWAP_H_
