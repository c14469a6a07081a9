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
        CompareRun(audit, starts[i], last);
      }
    }
    for (const std::uint32_t audit : {0U, 1U, kAuditX8664, kAuditX86, kAuditAarch64, kAuditArm,
                                      kAuditRiscv64, kAuditX8664 ^ 1U, ~0U}) {
      for (const std::uint32_t nr : {0U, 1U, kX32Bit, kSkippedCall}) {
        CompareCall(CallRules(request_.policies, audit, nr), {nr, audit, 0, {}});
      }
    }
    return problem_;
  }

 private:
  void CompareCall(const CallRules& rules, const CallData& call) {
    if (!problem_.empty()) {
      return;
    }
    ++compared_;
    const std::uint32_t expected = rules.Answer(call);
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

  // Numbers from `first` to `last`, for which the policies have the same rules.
  void CompareRun(std::uint32_t audit, std::uint32_t first, std::uint32_t last) {
    const CallRules rules(request_.policies, audit, first);
    if (rules.AlwaysAllow() && !IsConstantAllow(program_, first, audit)) {
      problem_ = "allows call " + std::to_string(first) + " of architecture " +
                 std::to_string(audit) + " always, but not in a way that can be cached";
      return;
    }
    CompareCall(rules, {first, audit, 0, {}});
    CompareCall(rules, {last, audit, ~0ULL, {~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL}});
    std::array<std::vector<std::uint64_t>, 6> candidates;
    std::vector<const Rule*> conditional;
    rules.ForEachRule([&](const Rule& rule) {
      for (const Condition& condition : rule.conditions) {
        AddCandidates(condition, candidates[condition.argument]);
      }
      if (!rule.conditions.empty()) {
        conditional.push_back(&rule);
      }
    });
    if (conditional.empty()) {
      return;
    }
    for (std::vector<std::uint64_t>& values : candidates) {
      // Registers of 32 bits: the kernel never shows anything in the upper half.
      for (std::uint64_t& value : values) {
        value = HasShortRegisters(audit) ? value & ~kUpperHalf : value;
      }
      Unique(values);
      Thin(values);
    }
    CompareAround(rules, audit, first, conditional, candidates);
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
  void CompareAround(const CallRules& rules, std::uint32_t audit, std::uint32_t nr,
                     const std::vector<const Rule*>& conditional,
                     const std::array<std::vector<std::uint64_t>, 6>& candidates) {
    std::size_t for_rule = 1;
    for (const std::vector<std::uint64_t>& values : candidates) {
      for_rule += values.size();
    }
    const std::size_t left = compared_ < kMostForProgram ? kMostForProgram - compared_ : for_rule;
    const std::size_t stride = 1 + conditional.size() * for_rule / std::min(kMostForNumber, left);
    for (std::size_t r = 0; r < conditional.size(); r += stride) {
      const CallData base = Matching(*conditional[r], audit, nr, candidates);
      CompareCall(rules, base);
      for (std::size_t argument = 0; argument < candidates.size(); ++argument) {
        for (const std::uint64_t value : candidates[argument]) {
          CallData call = base;
          call.args[argument] = value;
          CompareCall(rules, call);
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
