// The first process of a cell without a pid namespace. The kernel does not end the others with it,
// so it does that itself: it is the subreaper of everything that the command starts (prctl(2)), and
// before it ends, all of that has ended. Child-safe.

#ifndef CLOISTER_CHILD_KEEPER_H_
#define CLOISTER_CHILD_KEEPER_H_

#include "native/child/context.h"

namespace cloister::child {

// Before the command starts.
void BecomeKeeper(Context* context) noexcept;

// Ends every process of the cell but this one, and waits until that is done.
void EndDescendants() noexcept;

// The last thing that a first process does, keeper or not: nothing of the cell is left behind.
// `orphaned`: the launcher is gone, and with it whoever would remove the scratch directory.
[[noreturn]] void Leave(const Context& context, int status, bool orphaned) noexcept;

}  // namespace cloister::child

#endif  // CLOISTER_CHILD_KEEPER_H_
