#include "native/seccomp/coverage.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace cloister::seccomp {
namespace {

using Part = Condition::Part;

// Each rule that allows is one level of recursion.
constexpr std::size_t kMostRules = 2'000;

std::uint64_t MaskOf(Part part) {
  switch (part) {
    case Part::kLow:
      return 0xffffffffULL;
    case Part::kHigh:
      return 0xffffffffULL << 32;
    case Part::kBoth:
      break;
  }
  return ~0ULL;
}

// A value within the part, moved to where the part is in the register.
std::uint64_t Placed(Part part, std::uint64_t value) {
  return part == Part::kHigh ? value << 32 : value;
}

// Looks for a value of one argument for which all conditions hold: bits are fixed from the top, as
// long as some condition is neither certain nor impossible.
class ValueSearch {
 public:
  ValueSearch(const std::vector<Condition>& conditions, std::size_t& budget) : budget_(budget) {
    for (const Condition& condition : conditions) {
      const std::uint64_t value = Placed(condition.part, condition.value);
      if (condition.test == Condition::Test::kMasked) {
        const Pattern pattern{Placed(condition.part, condition.mask), value};
        (condition.negated ? excluded_ : required_).push_back(pattern);
      } else if (condition.negated) {
        ranges_.push_back({MaskOf(condition.part), 0, value - Placed(condition.part, 1)});
      } else {
        ranges_.push_back({MaskOf(condition.part), value, MaskOf(condition.part)});
      }
    }
  }

  // Also true when the budget is used up.
  bool Finds() {
    std::uint64_t known = 0;
    std::uint64_t bits = 0;
    for (const Pattern& pattern : required_) {
      if (((bits ^ pattern.value) & known & pattern.mask) != 0) {
        return false;
      }
      known |= pattern.mask;
      bits |= pattern.value;
    }
    return Finds(known, bits);
  }

 private:
  struct Pattern {
    std::uint64_t mask;
    std::uint64_t value;
  };
  struct Range {
    std::uint64_t mask;
    std::uint64_t low;
    std::uint64_t high;
  };

  bool Finds(std::uint64_t known, std::uint64_t bits) {
    const std::size_t work = 1 + excluded_.size() + ranges_.size();
    if (budget_ < work) {
      budget_ = 0;
      return true;
    }
    budget_ -= work;
    std::uint64_t open = 0;
    std::uint64_t avoided = 0;
    for (const Range& range : ranges_) {
      const std::uint64_t least = bits & range.mask;
      const std::uint64_t most = (bits | ~known) & range.mask;
      if (most < range.low || least > range.high) {
        return false;
      }
      if (least < range.low || most > range.high) {
        open |= range.mask & ~known;
      }
    }
    for (const Pattern& pattern : excluded_) {
      if (((bits ^ pattern.value) & known & pattern.mask) != 0) {
        continue;
      }
      const std::uint64_t left = pattern.mask & ~known;
      if (left == 0) {
        return false;
      }
      // The condition that leaves the fewest bits to choose decides soonest.
      if (open == 0 || std::popcount(left) < std::popcount(open)) {
        open = left;
        avoided = pattern.value;
      }
    }
    if (open == 0) {
      return true;
    }
    const std::uint64_t bit = std::bit_floor(open);
    // First the bit that settles the condition.
    const std::uint64_t first = ~avoided & bit;
    return Finds(known | bit, bits | first) || Finds(known | bit, bits | (first ^ bit));
  }

  std::size_t& budget_;
  std::vector<Pattern> required_;
  std::vector<Pattern> excluded_;
  std::vector<Range> ranges_;
};

// Looks for a call that ends in something else than ALLOW.
class EscapeSearch {
 public:
  EscapeSearch(const std::vector<CoveringRule>& rules, bool fallback_allows, std::size_t budget)
      : rules_(rules), fallback_allows_(fallback_allows), budget_(budget) {}

  // The call as far as it is known has passed by all rules before this one.
  bool Escapes(std::size_t rule) {
    for (; rule < rules_.size(); ++rule) {
      const CoveringRule& next = rules_[rule];
      if (next.allows && !next.limit) {
        return PassesBy(*next.conditions, rule);
      }
      if (!next.allows && CanMatch(*next.conditions)) {
        return true;
      }
    }
    return !fallback_allows_;
  }

 private:
  bool PassesBy(const std::vector<Condition>& conditions, std::size_t rule) {
    std::size_t assumed = 0;
    bool escapes = false;
    for (const Condition& condition : conditions) {
      // Those before this one hold, this one does not.
      std::vector<Condition>& of_argument = assumed_[condition.argument];
      of_argument.push_back(condition);
      of_argument.back().negated = !condition.negated;
      escapes = IsPossible(condition.argument) && Escapes(rule + 1);
      of_argument.back().negated = condition.negated;
      ++assumed;
      if (escapes || !IsPossible(condition.argument)) {
        break;
      }
    }
    Forget(conditions, assumed);
    return escapes;
  }

  bool CanMatch(const std::vector<Condition>& conditions) {
    for (const Condition& condition : conditions) {
      assumed_[condition.argument].push_back(condition);
    }
    const bool possible =
        std::all_of(conditions.begin(), conditions.end(),
                    [&](const Condition& condition) { return IsPossible(condition.argument); });
    Forget(conditions, conditions.size());
    return possible;
  }

  void Forget(const std::vector<Condition>& conditions, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      assumed_[conditions[i].argument].pop_back();
    }
  }

  bool IsPossible(std::uint8_t argument) {
    return ValueSearch(assumed_[argument], budget_).Finds();
  }

  const std::vector<CoveringRule>& rules_;
  bool fallback_allows_;
  std::size_t budget_;
  std::array<std::vector<Condition>, 6> assumed_;
};

}  // namespace

bool AlwaysAllows(const std::vector<CoveringRule>& rules, bool fallback_allows,
                  std::size_t budget) {
  return rules.size() <= kMostRules && !EscapeSearch(rules, fallback_allows, budget).Escapes(0);
}

}  // namespace cloister::seccomp
