#include "native/seccomp/argument_tree.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "native/seccomp/interval_tree.h"

namespace cloister::seccomp {
namespace {

using Test = Condition::Test;
using Part = Condition::Part;

// The weight of one range of an argument's values, and of one instruction more. Which values are
// frequent is not known.
constexpr std::uint64_t kRangeWeight = 100;
constexpr std::uint64_t kNodeCost = 150;

Subject SubjectOf(Word word, std::uint32_t mask) {
  return {ArgumentOffset(word.argument, word.high), mask};
}

// The smallest value from `start` on that has no bit outside of the mask; one below `start` when
// there is none.
std::uint32_t FirstWithin(std::uint32_t mask, std::uint32_t start) {
  const std::uint32_t outside = start & ~mask;
  if (outside == 0) {
    return start;
  }
  // What has `start`'s bits above the highest one outside is smaller: the next value differs there,
  // and has no bit below.
  const std::uint32_t below = (std::bit_floor(outside) << 1) - 1;
  const std::uint32_t above = mask & ~below;
  return (((start & ~below) | ~above) + 1) & above;
}

// Keeps of a rule what the residues leave. False when it can no longer match.
template <typename Reduce>
bool Reduced(const OpenRule& rule, OpenRule& reduced, Reduce reduce) {
  reduced = {rule.verdict, rule.limit, {}};
  for (const Condition& condition : rule.conditions) {
    const Residue residue = reduce(condition);
    if (residue.truth == Truth::kFalse) {
      return false;
    }
    if (residue.truth == Truth::kOpen &&
        std::find(reduced.conditions.begin(), reduced.conditions.end(), residue.condition) ==
            reduced.conditions.end()) {
      reduced.conditions.push_back(residue.condition);
    }
  }
  return true;
}

// A value of the word that answers the condition's test as the facts do; none when they leave it
// open.
std::optional<std::uint32_t> Representative(const WordTest& test, const WordFacts& facts) {
  if (test.test == Test::kMasked) {
    const Truth truth = facts.Masked(test.mask, test.value);
    if (truth == Truth::kOpen) {
      return std::nullopt;
    }
    return truth == Truth::kTrue ? test.value : test.value ^ (test.mask & (~test.mask + 1));
  }
  const Truth reached = facts.AtLeast(test.value);
  if (!test.three_way || test.value == kAllBits || reached == Truth::kFalse) {
    if (reached == Truth::kOpen) {
      return std::nullopt;
    }
    return reached == Truth::kTrue ? test.value : test.value - 1;
  }
  const Truth passed = facts.AtLeast(test.value + 1);
  if (passed == Truth::kTrue) {
    return test.value + 1;
  }
  return reached == Truth::kTrue && passed == Truth::kFalse ? std::optional(test.value)
                                                            : std::nullopt;
}

}  // namespace

// Rules that ask for one value of the word, by that value, and those that ask for anything else of
// it. Ascending indices, one list for each policy.
struct ArgumentTree::Candidates {
  struct Rules {
    std::map<std::uint32_t, std::vector<std::size_t>> by_value;
    std::vector<std::size_t> others;
  };

  Candidates(const State& state, Word word, std::uint32_t mask) {
    for (const OpenPolicy& policy : state) {
      Rules& rules = policies.emplace_back();
      for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        const auto& conditions = policy.rules[i].conditions;
        const auto asks =
            std::find_if(conditions.begin(), conditions.end(), [&](const Condition& condition) {
              return !condition.negated && condition.test == Test::kMasked &&
                     Touches(condition, word) && TestOn(condition, word).mask == mask;
            });
        if (asks == conditions.end()) {
          rules.others.push_back(i);
        } else {
          rules.by_value[TestOn(*asks, word).value].push_back(i);
        }
      }
    }
  }

  [[nodiscard]] std::vector<std::size_t> For(std::size_t policy, std::uint32_t value) const {
    const Rules& rules = policies[policy];
    const auto same = rules.by_value.find(value);
    if (same == rules.by_value.end()) {
      return rules.others;
    }
    std::vector<std::size_t> merged(same->second.size() + rules.others.size());
    std::merge(same->second.begin(), same->second.end(), rules.others.begin(), rules.others.end(),
               merged.begin());
    return merged;
  }

  std::vector<Rules> policies;
};

bool ArgumentTree::Spend(std::size_t work) {
  if (strategy_budget_ < work || budget_ < work || graph_.Size() > node_limit_) {
    exhausted_ = true;
    return false;
  }
  strategy_budget_ -= work;
  budget_ -= work;
  return true;
}

NodeId ArgumentTree::Exhausted() {
  exhausted_ = true;
  return graph_.Answer(kKillProcess);
}

// The first condition's word is one that the writer looks at first. The word that most rules ask
// about tells most of them apart.
Word ArgumentTree::Choose(const State& state) const {
  std::array<std::size_t, 12> uses{};
  std::optional<Word> first;
  ForEachCondition(state, [&](const Condition& condition) {
    const bool high =
        condition.part == Part::kHigh || (condition.part == Part::kBoth && strategy_.upper_first);
    const Word word{condition.argument, high};
    first = first.has_value() ? first : std::optional(word);
    ++uses[IndexOf(word)];
  });
  Word chosen = first.value_or(Word{0, false});
  if (strategy_.most_used_first) {
    for (std::uint8_t argument = 0; argument < 6; ++argument) {
      for (const bool high : {false, true}) {
        const Word word{argument, high};
        chosen = uses[IndexOf(word)] > uses[IndexOf(chosen)] ? word : chosen;
      }
    }
  }
  return chosen;
}

NodeId ArgumentTree::Decide(State state, const Facts& facts, int depth) {
  state = Settled(std::move(state));
  if (IsDecided(state)) {
    return graph_.Answer(state.front().fallback.answer);
  }
  if (exhausted_ || depth > kDeepest) {
    return Exhausted();
  }
  if (depth >= strategy_.words) {
    const std::optional<NodeId> chain = Chain(state);
    return chain.has_value() ? *chain : Exhausted();
  }
  std::string key = Describe(state, facts);
  if (const auto found = known_.find(key); found != known_.end()) {
    return found->second;
  }
  const Word word = Choose(state);
  bool ranges = true;
  bool one_mask = true;
  std::optional<std::uint32_t> mask;
  std::size_t values = 0;
  std::uint32_t some_value = 0;
  ForEachCondition(state, [&](const Condition& condition) {
    if (!Touches(condition, word)) {
      return;
    }
    const WordTest test = TestOn(condition, word);
    ranges = ranges && test.mask == kAllBits;
    one_mask = one_mask && test.test == Test::kMasked && mask.value_or(test.mask) == test.mask;
    mask = test.mask;
    values += values == 0 || test.value != some_value ? 1 : 0;
    some_value = test.value;
  });
  NodeId node = 0;
  if (ranges) {
    node = DecideByRanges(state, facts, word, kAllBits, depth);
  } else if (one_mask && values > 1) {
    node = DecideByRanges(state, facts, word, *mask, depth);
  } else {
    node = DecideByTest(state, facts, word, depth);
  }
  if (!exhausted_) {
    known_.emplace(std::move(key), node);
  }
  return node;
}

// Cuts the values of the word where any condition changes, and decides for each piece.
NodeId ArgumentTree::DecideByRanges(const State& state, const Facts& facts, Word word,
                                    std::uint32_t mask, int depth) {
  std::vector<std::uint32_t> starts{0};
  ForEachCondition(state, [&](const Condition& condition) {
    if (!Touches(condition, word)) {
      return;
    }
    const WordTest test = TestOn(condition, word);
    starts.push_back(test.value);
    if ((test.test == Test::kMasked || test.three_way) && test.value != kAllBits) {
      starts.push_back(test.value + 1);
    }
  });
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  const Candidates candidates(state, word, mask);
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < starts.size() && !exhausted_; ++i) {
    const std::uint32_t last = i + 1 < starts.size() ? starts[i + 1] - 1 : kAllBits;
    const std::uint32_t value = FirstWithin(mask, starts[i]);
    if (value < starts[i] || value > last) {
      // No such value: the piece belongs to whatever is below it.
      pieces.back().last = last;
      continue;
    }
    bool single = value == last;
    if (mask != kAllBits) {
      const std::uint32_t next = ((value | ~mask) + 1) & mask;
      single = next <= value || next > last;
    }
    const NodeId goal = Decide(RestrictTo(state, candidates, word, value), facts, depth + 1);
    pieces.push_back({single ? value : starts[i], last, goal, kRangeWeight, single});
  }
  if (exhausted_) {
    return Exhausted();
  }
  return LowerPieces(graph_, SubjectOf(word, mask), std::move(pieces), {kNodeCost});
}

// Asks one condition's question and remembers the answer for the others.
NodeId ArgumentTree::DecideByTest(const State& state, const Facts& facts, Word word, int depth) {
  std::optional<WordTest> asked;
  bool past = false;
  ForEachCondition(state, [&](const Condition& condition) {
    if (asked.has_value() || !Touches(condition, word)) {
      return;
    }
    asked = TestOn(condition, word);
    past = asked->three_way && facts[IndexOf(word)].AtLeast(asked->value) == Truth::kTrue;
  });
  if (!asked.has_value()) {
    return Exhausted();
  }
  Facts when_true = facts;
  Facts when_false = facts;
  const std::uint32_t value = asked->value + (past ? 1 : 0);
  if (asked->test == Test::kMasked) {
    when_true[IndexOf(word)].LearnMasked(asked->mask, value, true);
    when_false[IndexOf(word)].LearnMasked(asked->mask, value, false);
  } else {
    when_true[IndexOf(word)].LearnAtLeast(value, true);
    when_false[IndexOf(word)].LearnAtLeast(value, false);
  }
  const NodeId then = Decide(Assume(state, word, when_true), when_true, depth + 1);
  const NodeId otherwise = Decide(Assume(state, word, when_false), when_false, depth + 1);
  const Subject whole = SubjectOf(word, kAllBits);
  if (asked->test == Test::kAtLeast) {
    return graph_.Test(NodeKind::kAtLeast, whole, value, then, otherwise);
  }
  if (asked->mask == kAllBits) {
    return graph_.Test(NodeKind::kEqual, whole, value, then, otherwise);
  }
  if (value == 0) {
    return graph_.Test(NodeKind::kAnyBit, whole, asked->mask, otherwise, then);
  }
  if (value == asked->mask && (value & (value - 1)) == 0) {
    return graph_.Test(NodeKind::kAnyBit, whole, value, then, otherwise);
  }
  return graph_.Test(NodeKind::kEqual, SubjectOf(word, asked->mask), value, then, otherwise);
}

ArgumentTree::State ArgumentTree::RestrictTo(const State& state, const Candidates& candidates,
                                             Word word, std::uint32_t value) {
  State restricted;
  restricted.reserve(state.size());
  for (std::size_t p = 0; p < state.size(); ++p) {
    OpenPolicy left{{}, state[p].fallback};
    OpenRule reduced;
    for (const std::size_t r : candidates.For(p, value)) {
      const OpenRule& rule = state[p].rules[r];
      if (!Spend(rule.conditions.size() + 1)) {
        return state;
      }
      const bool possible = Reduced(rule, reduced, [&](const Condition& condition) {
        return Touches(condition, word) ? Restrict(condition, word, value)
                                        : Residue{Truth::kOpen, condition};
      });
      if (!possible) {
        continue;
      }
      const bool ends = reduced.conditions.empty() && !reduced.limit;
      left.rules.push_back(std::move(reduced));
      if (ends) {
        break;
      }
    }
    restricted.push_back(std::move(left));
  }
  return restricted;
}

ArgumentTree::State ArgumentTree::Assume(const State& state, Word word, const Facts& facts) {
  State restricted;
  const WordFacts& here = facts[IndexOf(word)];
  for (const OpenPolicy& policy : state) {
    OpenPolicy left{{}, policy.fallback};
    OpenRule reduced;
    for (const OpenRule& rule : policy.rules) {
      if (!Spend(rule.conditions.size() + 1)) {
        return state;
      }
      const bool possible = Reduced(rule, reduced, [&](const Condition& condition) {
        if (!Touches(condition, word)) {
          return Residue{Truth::kOpen, condition};
        }
        const auto value = Representative(TestOn(condition, word), here);
        return value.has_value() ? Restrict(condition, word, *value)
                                 : Residue{Truth::kOpen, condition};
      });
      if (possible) {
        left.rules.push_back(std::move(reduced));
      }
    }
    restricted.push_back(std::move(left));
  }
  return restricted;
}

}  // namespace cloister::seccomp
