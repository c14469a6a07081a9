// Turns "these ranges of a word go there" into few and shallow tests.

#ifndef CLOISTER_SECCOMP_INTERVAL_TREE_H_
#define CLOISTER_SECCOMP_INTERVAL_TREE_H_

#include <cstdint>
#include <vector>

#include "native/seccomp/graph.h"

namespace cloister::seccomp {

// A run of values with one goal. Pieces are ascending and leave no gap.
struct Piece {
  std::uint32_t first;
  std::uint32_t last;
  NodeId goal;
  // How often a value of this piece is met, in any unit.
  std::uint64_t weight;
  // Whether `first` is the only value of the piece that can occur, so that one test for equality
  // tells it.
  bool single;
};

// What one more instruction in the program may cost, in the unit of the weights.
[[nodiscard]] NodeId LowerPieces(Graph& graph, Subject subject, std::vector<Piece> pieces,
                                 std::uint64_t node_cost);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_INTERVAL_TREE_H_
