// Trees that the launcher clones and id-maps for the cell of a real-root caller: only root of the
// initial user namespace may do that, and the cell's own processes no longer are.

#ifndef CLOISTER_MOUNTS_PREPARED_TREES_H_
#define CLOISTER_MOUNTS_PREPARED_TREES_H_

#include <vector>

#include "native/base/unique_fd.h"
#include "native/namespaces/host_ids.h"
#include "native/plan/plan.h"
#include "native/plan/result.h"

namespace cloister {

// One entry for each mount operation: a detached tree, or an invalid descriptor where the cell does
// it itself (or an optional source is gone; the cell will not find it either).
Result<std::vector<UniqueFd>> PrepareTrees(const plan::Plan& plan, HostId* id);

}  // namespace cloister

#endif  // CLOISTER_MOUNTS_PREPARED_TREES_H_
