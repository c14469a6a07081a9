// From rules on the arguments of one system call to tests of words.

#ifndef CLOISTER_SECCOMP_ARGUMENT_TREE_H_
#define CLOISTER_SECCOMP_ARGUMENT_TREE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/seccomp/condition.h"
#include "native/seccomp/facts.h"
#include "native/seccomp/graph.h"
#include "native/seccomp/open_policy.h"

namespace cloister::seccomp {

class ArgumentTree {
 public:
  explicit ArgumentTree(Graph& graph);

  // The node that decides about a call to which these rules apply; the same node for the same
  // rules. Nothing when that would take more nodes than a program can have.
  [[nodiscard]] std::optional<NodeId> Build(std::vector<OpenPolicy> policies);

 private:
  using State = std::vector<OpenPolicy>;
  // In which order words are looked at, and how many of them before what is left of the rules is
  // tested as it is written: no way is best for all rules, so a few are tried. Looking at words
  // first is quick, but the number of states to tell apart may grow exponentially with the words.
  struct Strategy {
    bool upper_first;
    bool most_used_first;
    int words;
  };
  // Words come first, each at most once; deeper nesting is of tests of single bits.
  static constexpr int kDeepest = 96;
  static constexpr std::array<Strategy, 6> kFurtherStrategies{{{false, false, kDeepest},
                                                               {true, true, kDeepest},
                                                               {false, true, kDeepest},
                                                               {true, true, 1},
                                                               {false, true, 1},
                                                               {true, false, 2}}};
  // One of a word's ranges needs to be compared with these rules alone: the others ask for another
  // value of it.
  struct Candidates;

  NodeId Decide(State state, const Facts& facts, int depth);
  NodeId DecideByRanges(const State& state, const Facts& facts, Word word, std::uint32_t mask,
                        int depth);
  NodeId DecideByTest(const State& state, const Facts& facts, Word word, int depth);
  [[nodiscard]] Word Choose(const State& state) const;
  [[nodiscard]] State RestrictTo(const State& state, const Candidates& candidates, Word word,
                                 std::uint32_t value);
  [[nodiscard]] State Assume(const State& state, Word word, const Facts& facts);
  std::optional<NodeId> Try(const State& state, Strategy strategy);
  std::optional<NodeId> Chain(const State& state);
  NodeId Exhausted();
  [[nodiscard]] bool Spend(std::size_t work);

  Graph& result_;
  // By the text of the rules: many numbers have the same ones.
  std::unordered_map<std::string, NodeId> built_;
  // Work that may still be done for all numbers together.
  std::size_t budget_;

  // Of the strategy that is being tried. The nodes are its own: most strategies are given up.
  Graph graph_;
  Strategy strategy_{};
  std::size_t strategy_budget_ = 0;
  std::size_t node_limit_ = 0;
  bool exhausted_ = false;
  std::unordered_map<std::string, NodeId> known_;
};

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_ARGUMENT_TREE_H_
