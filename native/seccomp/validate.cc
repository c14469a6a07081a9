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
constexpr std::size_t kMostCandidates = 240;
// Where one argument alone is looked at.
constexpr std::size_t kMostOfOne = 4096;
constexpr std::size_t kMostForProgram = 200'000;

using Halves = std::vector<std::uint32_t>;
using Candidates = std::array<std::vector<std::uint64_t>, 6>;

void Unique(Halves& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

void AddAround(Halves& halves, std::uint32_t value, std::uint32_t mask) {
  for (const std::uint32_t near : {value, value - 1, value + 1}) {
    halves.push_back(near);
  }
  if (mask != kAllBits) {
    halves.push_back(value | ~mask);
    halves.push_back(value ^ (mask & (~mask + 1)));
  }
}

// Values of an argument on both sides of everything that its conditions could tell apart. A program
// looks at the halves one after the other, so each half of interest stands beside each of the
// other: also those that no condition looks at.
std::vector<std::uint64_t> CandidatesFor(const std::vector<Condition>& conditions,
                                         bool short_registers, std::size_t most) {
  Halves low;
  Halves high;
  for (const Condition& condition : conditions) {
    const bool masked = condition.test == Condition::Test::kMasked;
    const auto mask_of = [&](std::uint64_t mask) {
      return masked ? static_cast<std::uint32_t>(mask) : kAllBits;
    };
    if (condition.part == Condition::Part::kHigh) {
      AddAround(high, static_cast<std::uint32_t>(condition.value), mask_of(condition.mask));
      continue;
    }
    AddAround(low, static_cast<std::uint32_t>(condition.value), mask_of(condition.mask));
    if (condition.part == Condition::Part::kBoth) {
      AddAround(high, static_cast<std::uint32_t>(condition.value >> 32),
                mask_of(condition.mask >> 32));
    }
  }
  for (Halves* halves : {&low, &high}) {
    halves->insert(halves->end(), {0U, 1U, 0x80000000U, kAllBits});
    Unique(*halves);
  }
  if (short_registers) {
    // The kernel never shows anything in the upper half.
    high = {0};
  }
  std::vector<std::uint64_t> candidates;
  const std::size_t stride = 1 + low.size() * high.size() / most;
  for (std::size_t i = 0; i < low.size() * high.size(); i += stride) {
    candidates.push_back(std::uint64_t{high[i % high.size()]} << 32 | low[i / high.size()]);
  }
  return candidates;
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
    std::array<std::vector<Condition>, 6> conditions;
    std::vector<const Rule*> conditional;
    rules.ForEachRule([&](const Rule& rule) {
      for (const Condition& condition : rule.conditions) {
        conditions[condition.argument].push_back(condition);
      }
      if (!rule.conditions.empty()) {
        conditional.push_back(&rule);
      }
    });
    if (conditional.empty()) {
      return;
    }
    Candidates candidates;
    const auto looked_at =
        std::count_if(conditions.begin(), conditions.end(),
                      [](const std::vector<Condition>& some) { return !some.empty(); });
    const std::size_t most = looked_at == 1 ? kMostOfOne : kMostCandidates;
    for (std::size_t argument = 0; argument < candidates.size(); ++argument) {
      if (!conditions[argument].empty()) {
        candidates[argument] = CandidatesFor(conditions[argument], HasShortRegisters(audit), most);
      }
    }
    CompareCandidates(rules, audit, first, conditional, candidates);
  }

  // All combinations of candidates where these are few. Else calls that match a rule, calls that
  // differ from them in one argument, and combinations in no order, the same at every run.
  void CompareCandidates(const CallRules& rules, std::uint32_t audit, std::uint32_t nr,
                         const std::vector<const Rule*>& conditional,
                         const Candidates& candidates) {
    std::size_t combinations = 1;
    for (const std::vector<std::uint64_t>& values : candidates) {
      combinations =
          std::min(combinations * std::max<std::size_t>(values.size(), 1), kMostForNumber + 1);
    }
    if (combinations <= kMostForNumber && compared_ < kMostForProgram) {
      for (std::size_t i = 0; i < combinations; ++i) {
        CompareCall(rules, Combination(i, audit, nr, candidates));
      }
      return;
    }
    CompareAround(rules, audit, nr, conditional, candidates);
    std::uint64_t state = nr;
    for (std::size_t i = 0; i < kMostForNumber && compared_ < kMostForProgram; ++i) {
      CallData call{nr, audit, 0, {}};
      for (std::size_t argument = 0; argument < candidates.size(); ++argument) {
        const std::vector<std::uint64_t>& values = candidates[argument];
        // Knuth's constants for a linear congruential generator; its upper bits are the good ones.
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        call.args[argument] = values.empty() ? 0 : values[(state >> 33) % values.size()];
      }
      CompareCall(rules, call);
    }
  }

  static CallData Combination(std::size_t index, std::uint32_t audit, std::uint32_t nr,
                              const Candidates& candidates) {
    CallData call{nr, audit, 0, {}};
    for (std::size_t argument = 0; argument < candidates.size(); ++argument) {
      const std::vector<std::uint64_t>& values = candidates[argument];
      if (!values.empty()) {
        call.args[argument] = values[index % values.size()];
        index /= values.size();
      }
    }
    return call;
  }

  void CompareAround(const CallRules& rules, std::uint32_t audit, std::uint32_t nr,
                     const std::vector<const Rule*>& conditional, const Candidates& candidates) {
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
                           const Candidates& candidates) {
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
