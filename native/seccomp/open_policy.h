// What is left of policies for one system call while its arguments become known.

#ifndef CLOISTER_SECCOMP_OPEN_POLICY_H_
#define CLOISTER_SECCOMP_OPEN_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "native/seccomp/facts.h"
#include "native/seccomp/policy.h"

namespace cloister::seccomp {

// An answer and the policy that it comes from. Among several policies the strictest action wins,
// and of equal actions the earliest policy's: a total order, so that it does not matter in which
// order policies are found out.
struct Verdict {
  std::uint32_t answer;
  std::uint32_t owner;

  bool operator==(const Verdict&) const = default;
};
[[nodiscard]] Verdict Stricter(Verdict left, Verdict right);

// What is left of a rule after some words are known.
struct OpenRule {
  Verdict verdict;
  bool limit;
  std::vector<Condition> conditions;
};

// What is left of one policy for one system call: rules with at least one open condition, and the
// verdict when none of them matches.
struct OpenPolicy {
  std::vector<OpenRule> rules;
  Verdict fallback;
};

// Drops what cannot matter any more: rules behind one that always matches, rules that say what
// would be said anyway, and policies that are decided, which bind those that are not. A single
// policy without rules is a decision.
[[nodiscard]] std::vector<OpenPolicy> Settled(std::vector<OpenPolicy> state);

[[nodiscard]] inline bool IsDecided(const std::vector<OpenPolicy>& state) {
  return state.size() == 1 && state.front().rules.empty();
}

// A text that is equal for states of which the outcome is the same tree.
[[nodiscard]] std::string Describe(const std::vector<OpenPolicy>& state, const Facts& facts);

template <typename Visit>
void ForEachCondition(const std::vector<OpenPolicy>& state, Visit visit) {
  for (const OpenPolicy& policy : state) {
    for (const OpenRule& rule : policy.rules) {
      for (const Condition& condition : rule.conditions) {
        visit(condition);
      }
    }
  }
}

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_OPEN_POLICY_H_
