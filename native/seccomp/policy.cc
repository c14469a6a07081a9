#include "native/seccomp/policy.h"

#include <algorithm>

#include "native/seccomp/condition.h"

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

std::uint32_t Evaluate(const Policy& policy, const CallData& call) {
  const ArchPolicy* section = policy.Find(call.arch, call.nr);
  if (section == nullptr) {
    return policy.foreign_answer;
  }
  const auto matches = [&](const Rule& rule) {
    return rule.Names(call.nr) &&
           std::all_of(rule.conditions.begin(), rule.conditions.end(),
                       [&](const Condition& condition) {
                         return Holds(condition, call.args[condition.argument]);
                       });
  };
  // Stricter than every limit met so far, and ALLOW as long as there was none.
  std::uint32_t limit = kAllow;
  for (const Rule& rule : section->rules) {
    if (!matches(rule)) {
      continue;
    }
    if (!rule.limit) {
      return Strictest(limit, rule.answer);
    }
    limit = Strictest(limit, rule.answer);
  }
  return Strictest(limit, section->Knows(call.nr) ? policy.default_answer : policy.unknown_answer);
}

std::uint32_t Evaluate(const std::vector<Policy>& policies, const CallData& call) {
  std::uint32_t answer = kAllow;
  for (const Policy& policy : policies) {
    answer = Strictest(answer, Evaluate(policy, call));
  }
  return answer;
}

}  // namespace cloister::seccomp
