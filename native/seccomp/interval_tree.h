// Turns "these ranges of a word go there" into few and shallow tests.

#ifndef CLOISTER_SECCOMP_INTERVAL_TREE_H_
#define CLOISTER_SECCOMP_INTERVAL_TREE_H_

#include <cstddef>
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
  // Instructions executed on the longest way below the goal, where price.depth_parts is given.
  std::size_t below = 0;
};

// What is traded for the mean number of instructions executed.
struct Price {
  // What one more instruction in the program may cost, in the unit of the weights.
  std::uint64_t instruction;
  // The cost may grow by this many 1024ths if the longest way becomes shorter.
  std::uint64_t depth_parts = 0;
};

[[nodiscard]] NodeId LowerPieces(Graph& graph, Subject subject, std::vector<Piece> pieces,
                                 const Price& price);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_INTERVAL_TREE_H_
