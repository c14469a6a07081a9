// Which way of looking at the arguments of one system call gives the best tests.

#include <algorithm>
#include <utility>

#include "native/seccomp/argument_tree.h"
#include "native/seccomp/coverage.h"
#include "native/seccomp/layout.h"

namespace cloister::seccomp {
namespace {

// Conditions that may be looked at while one strategy merges the rules of one system call, and for
// a whole program: a hostile policy must not take minutes.
constexpr std::size_t kFirstBudget = 400'000;
constexpr std::size_t kNextBudget = 60'000;
constexpr std::size_t kProgramBudget = 8'000'000;
// With more nodes than this times those of the chain of tests, and some, no strategy is better.
constexpr std::size_t kMoreNodes = 3;
constexpr std::size_t kSomeNodes = 300;
// Far beyond what fits into a program.
constexpr std::size_t kMostNodes = 200'000;

bool AllowAlways(const std::vector<OpenPolicy>& policies) {
  return std::all_of(policies.begin(), policies.end(), [](const OpenPolicy& policy) {
    std::vector<CoveringRule> rules;
    for (const OpenRule& rule : policy.rules) {
      rules.push_back({&rule.conditions, rule.verdict.answer == kAllow, rule.limit});
    }
    return AlwaysAllows(rules, policy.fallback.answer == kAllow, kCoverageBudget);
  });
}

// What is made small when strategies are compared. An instruction more takes the kernel some tens
// of nanoseconds when the filter is installed, and a part of one each time that it is executed.
std::uint64_t CostOf(const ProgramShape& shape) {
  constexpr std::uint64_t kForInstruction = 1024;
  constexpr std::uint64_t kForDepth = 1024;
  constexpr std::uint64_t kForMean = 2;
  // Nobody expects a check of arguments to run through hundreds of tests.
  constexpr std::uint64_t kDeep = 64;
  constexpr std::uint64_t kForDeep = 2048;
  const std::uint64_t deeper = shape.depth > kDeep ? shape.depth - kDeep : 0;
  return kForInstruction * shape.instructions + kForDepth * shape.depth + kForMean * shape.mean +
         kForDeep * deeper;
}

}  // namespace

ArgumentTree::ArgumentTree(Graph& graph) : result_(graph), budget_(kProgramBudget) {}

// Nothing when the strategy takes too much; its nodes are in graph_.
std::optional<NodeId> ArgumentTree::Try(const State& state, Strategy strategy) {
  strategy_ = strategy;
  exhausted_ = false;
  known_.clear();
  graph_ = Graph();
  const NodeId node = Decide(state, {}, 0);
  return exhausted_ ? std::nullopt : std::optional(node);
}

std::optional<NodeId> ArgumentTree::Build(std::vector<OpenPolicy> policies) {
  const State state = Settled(std::move(policies));
  if (IsDecided(state)) {
    return result_.Answer(state.front().fallback.answer);
  }
  std::string key = Describe(state, {});
  if (const auto found = built_.find(key); found != built_.end()) {
    return found->second;
  }
  if (AllowAlways(state)) {
    // The kernel can keep this answer, which it could not if an argument were looked at.
    return built_.emplace(std::move(key), result_.Answer(kAllow)).first->second;
  }
  std::optional<NodeId> best;
  Graph nodes;
  std::uint64_t least = 0;
  const auto consider = [&](Strategy strategy) {
    const std::optional<NodeId> node = Try(state, strategy);
    if (!node.has_value()) {
      return;
    }
    const std::uint64_t cost = CostOf(Measure(graph_, *node));
    if (!best.has_value() || cost < least) {
      best = node;
      least = cost;
      nodes = std::move(graph_);
    }
  };
  node_limit_ = kMostNodes;
  consider({true, false, 0});
  if (best.has_value()) {
    node_limit_ = kMoreNodes * nodes.Size() + kSomeNodes;
  }
  strategy_budget_ = kFirstBudget;
  consider({true, false, kDeepest});
  for (const Strategy strategy : kFurtherStrategies) {
    strategy_budget_ = kNextBudget;
    consider(strategy);
  }
  if (!best.has_value()) {
    return std::nullopt;
  }
  const NodeId node = result_.Adopt(nodes, *best);
  built_.emplace(std::move(key), node);
  return node;
}

}  // namespace cloister::seccomp
