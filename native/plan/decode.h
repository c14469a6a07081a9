// From bytes to a plan. The bytes come from another process: every length, count, flag and index is
// checked here, and nowhere later. Child-safe: no memory but the arena's.

#ifndef CLOISTER_PLAN_DECODE_H_
#define CLOISTER_PLAN_DECODE_H_

#include <cstdint>

#include "native/plan/arena.h"
#include "native/plan/plan.h"

namespace cloister::plan {

// Enough arena for any plan of this many bytes: the shortest operation takes 16 of them and becomes
// one MountOperation.
constexpr std::size_t ArenaSizeFor(std::size_t plan_size) {
  return plan_size * (sizeof(MountOperation) / 8) + 64 * 1024;
}

// False when the bytes are no plan of this version. The layout is that of lib/native/encode.ts.
// Texts of the plan point into `data`, arrays into the arena; both must outlive it.
[[nodiscard]] bool Decode(const std::uint8_t* data, std::size_t size, Arena* arena, Plan* plan);

// The same for the mounts alone (Plan::mounts_bytes); everything else of the plan stays as it is.
[[nodiscard]] bool DecodeMounts(const std::uint8_t* data, std::size_t size, Arena* arena,
                                Plan* plan);

}  // namespace cloister::plan

#endif  // CLOISTER_PLAN_DECODE_H_
