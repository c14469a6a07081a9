// The stages of a cell's start as numbers and names; the list is stages.def. Child-safe.

#ifndef CLOISTER_PLAN_STAGES_H_
#define CLOISTER_PLAN_STAGES_H_

#include <cstdint>

namespace cloister {

enum class Stage : std::uint32_t {
#define CLOISTER_STAGE(name, description) k_##name,
#include "native/plan/stages.def"
#undef CLOISTER_STAGE
};

}  // namespace cloister

#endif  // CLOISTER_PLAN_STAGES_H_
