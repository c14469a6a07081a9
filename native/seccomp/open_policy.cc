#include "native/seccomp/open_policy.h"

#include <array>
#include <cstddef>
#include <utility>

namespace cloister::seccomp {
namespace {

// Limits bind what follows them, unconditional rules end the list, and rules at its end that say
// what would be said anyway are dropped.
OpenPolicy Normalized(OpenPolicy policy) {
  std::vector<OpenRule> open;
  bool limited = false;
  Verdict limit{};
  const auto bound = [&](Verdict verdict) { return limited ? Stricter(limit, verdict) : verdict; };
  for (OpenRule& rule : policy.rules) {
    rule.verdict = bound(rule.verdict);
    if (!rule.conditions.empty()) {
      open.push_back(std::move(rule));
    } else if (rule.limit) {
      limit = rule.verdict;
      limited = true;
    } else {
      policy.fallback = rule.verdict;
      limited = false;
      break;
    }
  }
  policy.fallback = bound(policy.fallback);
  while (!open.empty()) {
    const OpenRule& last = open.back();
    const Verdict verdict = last.limit ? Stricter(last.verdict, policy.fallback) : last.verdict;
    if (!(verdict == policy.fallback)) {
      break;
    }
    open.pop_back();
  }
  policy.rules = std::move(open);
  return policy;
}

}  // namespace

Verdict Stricter(Verdict left, Verdict right) {
  const auto left_action = static_cast<std::int32_t>(left.answer & kActionMask);
  const auto right_action = static_cast<std::int32_t>(right.answer & kActionMask);
  if (left_action != right_action) {
    return left_action < right_action ? left : right;
  }
  return right.owner < left.owner ? right : left;
}

// Policies that are decided bind those that are not; then they need not be looked at again.
std::vector<OpenPolicy> Settled(std::vector<OpenPolicy> state) {
  for (OpenPolicy& policy : state) {
    policy = Normalized(std::move(policy));
  }
  bool decided = false;
  Verdict strictest{};
  for (const OpenPolicy& policy : state) {
    if (policy.rules.empty()) {
      strictest = decided ? Stricter(strictest, policy.fallback) : policy.fallback;
      decided = true;
    }
  }
  if (!decided) {
    return state;
  }
  std::vector<OpenPolicy> open;
  for (OpenPolicy& policy : state) {
    if (policy.rules.empty()) {
      continue;
    }
    for (OpenRule& rule : policy.rules) {
      rule.verdict = Stricter(rule.verdict, strictest);
    }
    policy.fallback = Stricter(policy.fallback, strictest);
    policy = Normalized(std::move(policy));
    if (!policy.rules.empty()) {
      open.push_back(std::move(policy));
    } else {
      strictest = Stricter(strictest, policy.fallback);
    }
  }
  if (open.empty()) {
    open.push_back({{}, strictest});
  }
  return open;
}

std::string Describe(const std::vector<OpenPolicy>& state, const Facts& facts) {
  std::string text;
  const auto add = [&](auto part) {
    text.append(reinterpret_cast<const char*>(&part), sizeof part);
  };
  std::array<bool, 12> touched{};
  for (const OpenPolicy& policy : state) {
    add(policy.fallback.answer);
    add(policy.fallback.owner);
    add(policy.rules.size());
    for (const OpenRule& rule : policy.rules) {
      add(rule.verdict.answer);
      add(rule.verdict.owner);
      add(rule.limit);
      add(rule.conditions.size());
      for (const Condition& condition : rule.conditions) {
        add(condition.argument);
        add(condition.part);
        add(condition.test);
        add(condition.negated);
        add(condition.mask);
        add(condition.value);
        touched[IndexOf({condition.argument, false})] = true;
        touched[IndexOf({condition.argument, true})] = true;
      }
    }
  }
  // Facts about words that no condition asks for cannot change the outcome.
  for (std::size_t i = 0; i < touched.size(); ++i) {
    if (touched[i] && !facts[i].Empty()) {
      add(i);
      facts[i].Describe(text);
    }
  }
  return text;
}

}  // namespace cloister::seccomp
