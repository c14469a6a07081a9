// Compares a program with the policies that it was made from. Nothing here looks at the graph: a
// mistake in it must not be repeated.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "native/seccomp/compile.h"
#include "native/seccomp/condition.h"
#include "native/seccomp/evaluate.h"
#include "native/seccomp/numbers.h"

namespace cloister::seccomp {
namespace {

// Comparisons for one number and for one program. Policies that would take more are compared in a
// part of the ways, spread evenly.
constexpr std::size_t kMostForNumber = 4096;
constexpr std::size_t kMostCandidates = 96;
constexpr std::size_t kMostForProgram = 400'000;

constexpr std::uint64_t kUpperHalf = 0xffffffff00000000ULL;

struct NumberRules {
  std::vector<const Rule*> rules;
  bool always_allowed = true;
};

// The rules of all policies for a number, and whether their wording alone allows it whatever the
// arguments.
NumberRules RulesFor(const std::vector<Policy>& policies, std::uint32_t audit, std::uint32_t nr) {
  NumberRules found;
  for (const Policy& policy : policies) {
    const ArchPolicy* section = policy.Find(audit, nr);
    if (section == nullptr) {
      found.always_allowed = found.always_allowed && policy.foreign_answer == kAllow;
      continue;
    }
    bool decided = false;
    for (const Rule& rule : section->rules) {
      if (!rule.Names(nr)) {
        continue;
      }
      found.rules.push_back(&rule);
      found.always_allowed = found.always_allowed && (decided || rule.answer == kAllow);
      decided = decided || (rule.conditions.empty() && !rule.limit);
    }
    const std::uint32_t rest = section->Knows(nr) ? policy.default_answer : policy.unknown_answer;
    found.always_allowed = found.always_allowed && (decided || rest == kAllow);
  }
  return found;
}

// Values on both sides of everything that a condition could tell apart, with bits changed that it
// must not look at.
void AddCandidates(const Condition& condition, std::vector<std::uint64_t>& candidates) {
  const std::uint64_t value =
      condition.part == Condition::Part::kHigh ? condition.value << 32 : condition.value;
  const std::uint64_t mask =
      condition.part == Condition::Part::kHigh ? condition.mask << 32 : condition.mask;
  const std::uint64_t step = condition.part == Condition::Part::kHigh ? 1ULL << 32 : 1;
  const std::array<std::uint64_t, 8> around{value,
                                            value - step,
                                            value + step,
                                            value ^ (std::uint64_t{1} << 31),
                                            value ^ (std::uint64_t{1} << 32),
                                            value ^ (std::uint64_t{1} << 63),
                                            value | kUpperHalf,
                                            value & ~kUpperHalf};
  candidates.insert(candidates.end(), around.begin(), around.end());
  if (condition.test == Condition::Test::kMasked) {
    candidates.push_back(value | ~mask);
    candidates.push_back(value ^ (mask & (~mask + 1)));
    candidates.push_back(~value);
  }
}

void Unique(std::vector<std::uint64_t>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

class Comparison {
 public:
  Comparison(const Request& request, const std::vector<Instruction>& program)
      : request_(request), program_(program) {}

  std::string Run() {
    for (const std::uint32_t audit : AuditArchs(request_.policies)) {
      const std::vector<std::uint32_t> starts = RunStarts(request_.policies, audit);
      for (std::size_t i = 0; i < starts.size() && problem_.empty(); ++i) {
        const std::uint32_t last = i + 1 < starts.size() ? starts[i + 1] - 1 : kSkippedCall;
        CompareNumber(audit, starts[i]);
        CompareCall({last, audit, 0, {}});
        CompareCall({last, audit, ~0ULL, {~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL}});
      }
    }
    for (const std::uint32_t audit : {0U, 1U, kAuditX8664, kAuditX86, kAuditAarch64, kAuditArm,
                                      kAuditRiscv64, kAuditX8664 ^ 1U, ~0U}) {
      for (const std::uint32_t nr : {0U, 1U, kX32Bit, kSkippedCall}) {
        CompareCall({nr, audit, 0, {}});
      }
    }
    return problem_;
  }

 private:
  void CompareCall(const CallData& call) {
    if (!problem_.empty()) {
      return;
    }
    ++compared_;
    const std::uint32_t expected = Evaluate(request_.policies, call);
    const std::uint32_t answer = seccomp::Run(program_, call).answer;
    if (answer != expected) {
      problem_ = "answers " + std::to_string(answer) + " instead of " + std::to_string(expected) +
                 " to call " + std::to_string(call.nr) + " of architecture " +
                 std::to_string(call.arch) + " with arguments";
      for (const std::uint64_t argument : call.args) {
        problem_ += ' ' + std::to_string(argument);
      }
    }
  }

  void CompareNumber(std::uint32_t audit, std::uint32_t nr) {
    const NumberRules found = RulesFor(request_.policies, audit, nr);
    if (found.always_allowed && !IsConstantAllow(program_, nr, audit)) {
      problem_ = "allows call " + std::to_string(nr) + " of architecture " + std::to_string(audit) +
                 " always, but not in a way that can be cached";
      return;
    }
    CompareCall({nr, audit, 0, {}});
    std::array<std::vector<std::uint64_t>, 6> candidates;
    for (const Rule* rule : found.rules) {
      for (const Condition& condition : rule->conditions) {
        AddCandidates(condition, candidates[condition.argument]);
      }
    }
    for (std::vector<std::uint64_t>& values : candidates) {
      // Registers of 32 bits: the kernel never shows anything in the upper half.
      for (std::uint64_t& value : values) {
        value = HasShortRegisters(audit) ? value & ~kUpperHalf : value;
      }
      Unique(values);
      Thin(values);
    }
    CompareAround(audit, nr, found.rules, candidates);
  }

  static void Thin(std::vector<std::uint64_t>& values) {
    if (values.size() <= kMostCandidates) {
      return;
    }
    std::vector<std::uint64_t> kept;
    for (std::size_t i = 0; i < kMostCandidates; ++i) {
      kept.push_back(values[i * values.size() / kMostCandidates]);
    }
    values = std::move(kept);
  }

  // Calls that match a rule, and calls that differ from them in one argument.
  void CompareAround(std::uint32_t audit, std::uint32_t nr, const std::vector<const Rule*>& rules,
                     const std::array<std::vector<std::uint64_t>, 6>& candidates) {
    std::size_t per_rule = 1;
    for (const std::vector<std::uint64_t>& values : candidates) {
      per_rule += values.size();
    }
    if (per_rule == 1) {
      return;
    }
    const std::size_t most = std::min(
        kMostForNumber, compared_ < kMostForProgram ? kMostForProgram - compared_ : per_rule);
    const std::size_t stride = 1 + rules.size() * per_rule / most;
    for (std::size_t r = 0; r < rules.size(); r += stride) {
      const CallData base = Matching(*rules[r], audit, nr, candidates);
      CompareCall(base);
      for (std::size_t argument = 0; argument < candidates.size(); ++argument) {
        for (const std::uint64_t value : candidates[argument]) {
          CallData call = base;
          call.args[argument] = value;
          CompareCall(call);
        }
      }
    }
  }

  static CallData Matching(const Rule& rule, std::uint32_t audit, std::uint32_t nr,
                           const std::array<std::vector<std::uint64_t>, 6>& candidates) {
    CallData call{nr, audit, 0, {}};
    for (std::size_t argument = 0; argument < candidates.size(); ++argument) {
      for (const std::uint64_t value : candidates[argument]) {
        const bool fits = std::all_of(
            rule.conditions.begin(), rule.conditions.end(), [&](const Condition& condition) {
              return condition.argument != argument || Holds(condition, value);
            });
        if (fits) {
          call.args[argument] = value;
          break;
        }
      }
    }
    return call;
  }

  const Request& request_;
  const std::vector<Instruction>& program_;
  std::size_t compared_ = 0;
  std::string problem_;
};

}  // namespace

std::string Validate(const Request& request, const std::vector<Instruction>& program) {
  std::string problem = CheckStructure(program);
  return problem.empty() ? Comparison(request, program).Run() : problem;
}

}  // namespace cloister::seccomp
