#include "native/seccomp/policy.h"

#include <algorithm>
#include <utility>

#include "native/seccomp/condition.h"
#include "native/seccomp/coverage.h"

namespace cloister::seccomp {

bool Rule::Names(std::uint32_t nr) const {
  return std::binary_search(numbers.begin(), numbers.end(), nr);
}

bool ArchPolicy::Knows(std::uint32_t nr) const {
  const auto next = std::upper_bound(
      known.begin(), known.end(), nr,
      [](std::uint32_t number, const NumberRange& range) { return number < range.first; });
  return next != known.begin() && nr <= std::prev(next)->last;
}

const ArchPolicy* Policy::Find(std::uint32_t audit, std::uint32_t nr) const {
  const ArchPolicy* skipped = nullptr;
  for (const ArchPolicy& candidate : architectures) {
    if (AuditArch(candidate.arch) != audit) {
      continue;
    }
    if (audit != kAuditX8664) {
      return &candidate;
    }
    if (nr == kSkippedCall) {
      // Neither of the two: it gets the answer for unknown calls, which both sections share.
      skipped = skipped == nullptr || candidate.arch == Arch::kX8664 ? &candidate : skipped;
    } else if ((candidate.arch == Arch::kX32) == (nr >= kX32Bit)) {
      return &candidate;
    }
  }
  return skipped;
}

CallRules::CallRules(const std::vector<Policy>& policies, std::uint32_t audit, std::uint32_t nr) {
  for (const Policy& policy : policies) {
    const ArchPolicy* section = policy.Find(audit, nr);
    if (section == nullptr) {
      parts_.push_back({{}, policy.foreign_answer});
      continue;
    }
    Part part{{}, section->Knows(nr) ? policy.default_answer : policy.unknown_answer};
    for (const Rule& rule : section->rules) {
      if (rule.Names(nr)) {
        part.rules.push_back(&rule);
      }
    }
    parts_.push_back(std::move(part));
  }
}

std::uint32_t CallRules::Answer(const CallData& call) const {
  std::uint32_t strictest = kAllow;
  for (const Part& part : parts_) {
    // Stricter than every limit met so far, and ALLOW as long as there was none.
    std::uint32_t answer = kAllow;
    bool decided = false;
    for (const Rule* rule : part.rules) {
      const bool matches = std::all_of(rule->conditions.begin(), rule->conditions.end(),
                                       [&](const Condition& condition) {
                                         return Holds(condition, call.args[condition.argument]);
                                       });
      if (!matches) {
        continue;
      }
      answer = Strictest(answer, rule->answer);
      if (!rule->limit) {
        decided = true;
        break;
      }
    }
    strictest = Strictest(strictest, decided ? answer : Strictest(answer, part.fallback));
  }
  return strictest;
}

bool CallRules::AlwaysAllow() const {
  // With less patience than the compiler, which looks at what is left of the same rules: it must
  // not fail to find out what is found out here.
  return std::all_of(parts_.begin(), parts_.end(), [](const Part& part) {
    std::vector<CoveringRule> rules;
    for (const Rule* rule : part.rules) {
      rules.push_back({&rule->conditions, rule->answer == kAllow, rule->limit});
    }
    return AlwaysAllows(rules, part.fallback == kAllow, kCoverageBudget / 4);
  });
}

}  // namespace cloister::seccomp
