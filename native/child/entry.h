// The first process of a cell, from its creation to its end. Child-safe.

#ifndef CLOISTER_CHILD_ENTRY_H_
#define CLOISTER_CHILD_ENTRY_H_

#include "native/child/context.h"

namespace cloister::child {

// Runs in the process that clone3(2) made, with a copy of the launcher's memory.
[[noreturn]] void RunCell(const Facts& facts, int channel) noexcept;

}  // namespace cloister::child

#endif  // CLOISTER_CHILD_ENTRY_H_
