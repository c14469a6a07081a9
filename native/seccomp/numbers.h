// From policies to one tree of tests on the number of the call, for each value of
// seccomp_data.arch.

#ifndef CLOISTER_SECCOMP_NUMBERS_H_
#define CLOISTER_SECCOMP_NUMBERS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "native/seccomp/argument_tree.h"
#include "native/seccomp/graph.h"
#include "native/seccomp/interval_tree.h"
#include "native/seccomp/policy.h"

namespace cloister::seccomp {

// Calls of which every policy says the same, in ascending order without a gap: the first number of
// each run.
[[nodiscard]] std::vector<std::uint32_t> RunStarts(const std::vector<Policy>& policies,
                                                   std::uint32_t audit);

// The values of seccomp_data.arch that the policies name, in the order in which they name them.
[[nodiscard]] std::vector<std::uint32_t> AuditArchs(const std::vector<Policy>& policies);

// The root of the tree for one architecture. Nothing when it cannot fit into a program.
[[nodiscard]] std::optional<NodeId> NumberTree(const Request& request, std::uint32_t audit,
                                               Graph& graph, ArgumentTree& arguments);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_NUMBERS_H_
