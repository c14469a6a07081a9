// Where the tests of a graph need a load in front of them, and the instructions that this comes to.

#ifndef CLOISTER_SECCOMP_LAYOUT_H_
#define CLOISTER_SECCOMP_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/seccomp/bpf.h"
#include "native/seccomp/graph.h"

namespace cloister::seccomp {

// What the accumulator holds: a word of the call with some bits taken away, or nothing known.
struct Accumulator {
  bool known = false;
  Subject subject{};
};

// A test may be entered in front of its load, between load and AND, or behind both, as the
// accumulator allows.
enum class Entry : std::uint8_t { kTest = 0, kMask = 1, kLoad = 2 };

[[nodiscard]] Entry EntryFor(const Node& node, const Accumulator& accumulator);
// What the accumulator holds behind a node.
[[nodiscard]] Accumulator AfterNode(const Node& node);

struct ProgramShape {
  std::size_t instructions = 0;
  // Of the longest way.
  std::size_t depth = 0;
  // Of all ways, as if both outcomes of a test were as frequent; in parts of 1024.
  std::uint64_t mean = 0;
};

// Instructions of all tests below a node that is entered with the number of the call loaded.
// Answers are shared by the whole program and not counted.
[[nodiscard]] ProgramShape Measure(const Graph& graph, NodeId root);

// The depth of Measure for each of several roots.
[[nodiscard]] std::vector<std::size_t> LongestWays(const Graph& graph,
                                                   const std::vector<NodeId>& roots);

// The program for a graph. Longer than kMaxInstructions when it does not fit.
[[nodiscard]] std::vector<Instruction> Emit(const Graph& graph, NodeId root);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_LAYOUT_H_
