// One test after the other, as the rules are written: for rules that cannot be merged into less.
// Its size grows with that of the rules, not faster.

#include <map>
#include <tuple>
#include <utility>

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

}  // namespace

std::optional<NodeId> ArgumentTree::Chain(const State& state) {
  // For every verdict that earlier policies and limits may have come to, where the search goes on.
  std::map<Verdict, NodeId, InSomeOrder> next;
  const Verdict open{kAllow, ~0U};
  next.emplace(open, graph_.Answer(kAllow));
  for (const OpenPolicy& policy : state) {
    next.emplace(policy.fallback, graph_.Answer(policy.fallback.answer));
    for (const OpenRule& rule : policy.rules) {
      next.emplace(rule.verdict, graph_.Answer(rule.verdict.answer));
    }
  }
  for (std::size_t p = state.size(); p-- > 0;) {
    const std::map<Verdict, NodeId, InSomeOrder> decided = next;
    for (auto& [bound, node] : next) {
      node = decided.at(Stricter(bound, state[p].fallback));
    }
    for (std::size_t r = state[p].rules.size(); r-- > 0;) {
      const OpenRule& rule = state[p].rules[r];
      const std::map<Verdict, NodeId, InSomeOrder> later = next;
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
