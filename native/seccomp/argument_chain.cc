// One test after the other, as the rules are written: for rules that cannot be merged into less.
// Its size grows with that of the rules, not faster.

#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "native/seccomp/argument_tree.h"

namespace cloister::seccomp {
namespace {

NodeId LowerCondition(Graph& graph, const Condition& condition, NodeId then, NodeId otherwise) {
  if (condition.negated) {
    std::swap(then, otherwise);
  }
  const auto test = [&](bool high, std::uint32_t mask, std::uint32_t value, NodeId yes, NodeId no) {
    if (mask == 0) {
      return yes;
    }
    const std::uint32_t offset = ArgumentOffset(condition.argument, high);
    if (mask != kAllBits && value == 0) {
      return graph.Test(NodeKind::kAnyBit, {offset}, mask, no, yes);
    }
    return graph.Test(NodeKind::kEqual, {offset, mask}, value, yes, no);
  };
  const auto low_value = static_cast<std::uint32_t>(condition.value);
  const auto low_mask = static_cast<std::uint32_t>(condition.mask);
  const auto high_value = static_cast<std::uint32_t>(condition.value >> 32);
  const auto high_mask = static_cast<std::uint32_t>(condition.mask >> 32);
  const bool both = condition.part == Condition::Part::kBoth;
  const bool high = condition.part == Condition::Part::kHigh;
  if (condition.test == Condition::Test::kMasked) {
    const NodeId low = test(high, low_mask, low_value, then, otherwise);
    return both ? test(true, high_mask, high_value, low, otherwise) : low;
  }
  const NodeId low = graph.Test(NodeKind::kAtLeast, {ArgumentOffset(condition.argument, high)},
                                low_value, then, otherwise);
  if (!both) {
    return low;
  }
  const Subject upper{ArgumentOffset(condition.argument, true)};
  const NodeId not_above =
      high_value == 0 ? low : graph.Test(NodeKind::kAtLeast, upper, high_value, low, otherwise);
  return high_value == kAllBits
             ? not_above
             : graph.Test(NodeKind::kAtLeast, upper, high_value + 1, then, not_above);
}

struct InSomeOrder {
  bool operator()(const Verdict& left, const Verdict& right) const {
    const auto left_action = static_cast<std::int32_t>(left.answer & kActionMask);
    const auto right_action = static_cast<std::int32_t>(right.answer & kActionMask);
    return std::tie(left_action, left.owner, left.answer) <
           std::tie(right_action, right.owner, right.answer);
  }
};

using Bounds = std::set<Verdict, InSomeOrder>;
using Places = std::map<Verdict, NodeId, InSomeOrder>;

// For each policy, and behind the last one: the verdicts that the policies before it may have come
// to, and the limits within it. The stricter of two verdicts is one of the two, so each set has
// whatever is looked up in it.
std::vector<Bounds> BoundsOf(const std::vector<OpenPolicy>& state, Verdict open) {
  std::vector<Bounds> bounds{{open}};
  for (const OpenPolicy& policy : state) {
    Bounds& within = bounds.back();
    for (const OpenRule& rule : policy.rules) {
      if (rule.limit) {
        within.insert(rule.verdict);
      }
    }
    Bounds behind = within;
    behind.insert(policy.fallback);
    for (const OpenRule& rule : policy.rules) {
      behind.insert(rule.verdict);
    }
    bounds.push_back(std::move(behind));
  }
  return bounds;
}

// Every rule is looked at once for each verdict that it may meet. More of that takes seconds, and
// tests that no program has room for.
constexpr std::size_t kMostSteps = 1'000'000;

bool TakesTooLong(const std::vector<OpenPolicy>& state, const std::vector<Bounds>& bounds) {
  std::size_t steps = 0;
  for (std::size_t p = 0; p < state.size(); ++p) {
    steps += bounds[p].size() * state[p].rules.size();
  }
  return steps > kMostSteps;
}

}  // namespace

std::optional<NodeId> ArgumentTree::Chain(const State& state) {
  const Verdict open{kAllow, ~0U};
  const std::vector<Bounds> bounds = BoundsOf(state, open);
  if (TakesTooLong(state, bounds)) {
    return std::nullopt;
  }
  // For every verdict that may have been come to, where the search goes on.
  Places next;
  for (const Verdict bound : bounds.back()) {
    next.emplace(bound, graph_.Answer(bound.answer));
  }
  for (std::size_t p = state.size(); p-- > 0;) {
    const Places decided = std::move(next);
    next.clear();
    for (const Verdict bound : bounds[p]) {
      next.emplace(bound, decided.at(Stricter(bound, state[p].fallback)));
    }
    for (std::size_t r = state[p].rules.size(); r-- > 0;) {
      const OpenRule& rule = state[p].rules[r];
      const Places later = rule.limit ? next : Places{};
      for (auto& [bound, node] : next) {
        const Verdict verdict = Stricter(bound, rule.verdict);
        const NodeId then = rule.limit ? later.at(verdict) : decided.at(verdict);
        NodeId tested = then;
        for (std::size_t c = rule.conditions.size(); c-- > 0;) {
          tested = LowerCondition(graph_, rule.conditions[c], tested, node);
        }
        node = tested;
        if (graph_.Size() > node_limit_) {
          return std::nullopt;
        }
      }
    }
  }
  return next.at(open);
}

}  // namespace cloister::seccomp
