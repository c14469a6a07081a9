// Chains of tests for equality: the leaves of the trees that tell ranges of a word apart.

#ifndef CLOISTER_SECCOMP_EQUALITY_CHAIN_H_
#define CLOISTER_SECCOMP_EQUALITY_CHAIN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "native/seccomp/graph.h"
#include "native/seccomp/interval_tree.h"

namespace cloister::seccomp {

// One test for equality, or one for a set of values that a single JSET tells from all others.
struct Exception {
  bool many;
  std::uint32_t value;  // many: the bits that none of the values has
  NodeId goal;
  std::uint64_t weight;
  std::uint32_t order;  // position, to break ties the same way on every machine
  std::size_t below;
};

// Tests for single values in front of one background goal.
struct EqualityChain {
  bool possible = false;
  NodeId background = 0;
  std::uint64_t cost = 0;
  // Instructions on the longest way, those below the goals included.
  std::size_t depth = 0;
  std::vector<Exception> exceptions;
};

[[nodiscard]] EqualityChain ChainFor(std::span<const Piece> pieces, Subject subject,
                                     std::uint64_t instruction_cost);
[[nodiscard]] NodeId Write(Graph& graph, Subject subject, const EqualityChain& chain);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_EQUALITY_CHAIN_H_
