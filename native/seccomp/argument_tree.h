// From rules on the arguments of one system call to tests of words.

#ifndef CLOISTER_SECCOMP_ARGUMENT_TREE_H_
#define CLOISTER_SECCOMP_ARGUMENT_TREE_H_

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
  explicit ArgumentTree(Graph& graph) : graph_(graph) {}

  // The node that decides about a call to which these rules apply. Nothing when that would take
  // more nodes than a program can have.
  [[nodiscard]] std::optional<NodeId> Build(std::vector<OpenPolicy> policies);

 private:
  using State = std::vector<OpenPolicy>;
  // In which order words are looked at: no order is best for all rules, so a few are tried.
  struct Strategy {
    bool upper_first;
    bool most_used_first;
  };

  NodeId Decide(State state, const Facts& facts, int depth);
  NodeId DecideByRanges(const State& state, const Facts& facts, Word word, std::uint32_t mask,
                        int depth);
  NodeId DecideByTest(const State& state, const Facts& facts, Word word, int depth);
  [[nodiscard]] Word Choose(const State& state) const;
  [[nodiscard]] State RestrictTo(const State& state, Word word, std::uint32_t value);
  [[nodiscard]] State Assume(const State& state, Word word, const Facts& facts);
  std::optional<NodeId> Chain(const State& state);
  NodeId Exhausted();

  Graph& graph_;
  Strategy strategy_{};
  // Work that may still be done before falling back on a chain of tests: merging rules can take
  // exponential time.
  std::size_t budget_ = 0;
  bool exhausted_ = false;
  std::unordered_map<std::string, NodeId> known_;
};

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_ARGUMENT_TREE_H_
