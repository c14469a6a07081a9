// Policies that bytes select from values that meet each other often: the compiled program answers
// as the rules do, also to calls that the compiler's own check did not ask about.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <variant>
#include <vector>

#include "native/seccomp/compile.h"
#include "native/seccomp/condition.h"
#include "native/seccomp/evaluate.h"

namespace {

using namespace cloister::seccomp;  // NOLINT: there is nothing else here

class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::uint32_t Below(std::uint32_t bound) { return Byte() % bound; }

  std::uint64_t Value() {
    constexpr std::uint64_t kValues[] = {
        0,          1,           2,           3,           4,          7,
        8,          0x80,        0xff,        0x7fffffff,  0x80000000, 0xfffffffe,
        0xffffffff, 0x100000000, 0x100000001, 0x1ffffffff, 1ULL << 63, ~0ULL};
    const std::uint64_t value = kValues[Below(std::size(kValues))];
    const std::uint32_t change = Below(8);
    return change == 0   ? value + 1
           : change == 1 ? value - 1
           : change == 2 ? value ^ (1ULL << (Byte() % 64))
                         : value;
  }

  std::uint32_t Answer() {
    constexpr std::uint32_t kAnswers[] = {kAllow, kAllow,  kErrno | 1, kErrno | 2,  kLog,
                                          kTrap,  kNotify, kTrace,     kKillThread, kKillProcess};
    return kAnswers[Below(std::size(kAnswers))];
  }

 private:
  std::uint8_t Byte() { return at_ < size_ ? data_[at_++] : 0; }

  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

Rule MakeRule(Choices& choices, Arch arch) {
  const std::uint32_t bit = arch == Arch::kX32 ? kX32Bit : 0;
  Rule rule{choices.Answer(), choices.Below(6) == 0, {bit + choices.Below(3)}, {}};
  for (std::uint32_t i = choices.Below(4); i > 0; --i) {
    const auto op = static_cast<Operator>(choices.Below(7));
    const bool wide = choices.Below(2) == 0;
    const std::uint64_t kept = wide ? ~0ULL : 0xffffffffULL;
    const std::uint64_t mask = choices.Value() & kept;
    const std::uint64_t value = choices.Value() & kept;
    const Residue residue = Normalize(static_cast<std::uint8_t>(choices.Below(3)), op, wide,
                                      HasShortRegisters(AuditArch(arch)), value, mask);
    if (residue.truth == Truth::kOpen) {
      rule.conditions.push_back(residue.condition);
    } else if (residue.truth == Truth::kFalse) {
      rule.numbers = {bit + 9};
    }
  }
  return rule;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  Request request;
  for (std::uint32_t p = 1 + choices.Below(2); p > 0; --p) {
    Policy policy{choices.Answer(), choices.Answer(), choices.Answer(), {}};
    constexpr Arch kArchs[] = {Arch::kX8664, Arch::kX32, Arch::kX86};
    const std::uint32_t archs = choices.Below(4) == 0 ? 3 : 1;
    for (std::uint32_t a = 0; a < archs; ++a) {
      ArchPolicy section{kArchs[a], {}, {}};
      const std::uint32_t bit = kArchs[a] == Arch::kX32 ? kX32Bit : 0;
      section.known.push_back({bit, bit + 2});
      for (std::uint32_t r = choices.Below(6); r > 0; --r) {
        section.rules.push_back(MakeRule(choices, kArchs[a]));
      }
      policy.architectures.push_back(section);
    }
    request.policies.push_back(policy);
  }
  // The compiler's own check takes far more time than the compiler: one input in sixteen.
  const bool checked = choices.Below(16) == 0;
  const auto result = checked ? Compile(request) : CompileUnchecked(request);
  if (std::holds_alternative<Error>(result)) {
    // Nothing that fits into so few bytes is too long, and an internal error is what is looked for.
    std::abort();
  }
  const auto& program = std::get<std::vector<Instruction>>(result);
  if (!CheckStructure(program).empty()) {
    std::abort();
  }
  for (int i = 0; i < 64; ++i) {
    CallData call{choices.Below(4) + (choices.Below(3) == 0 ? kX32Bit : 0),
                  choices.Below(3) == 0 ? kAuditX86 : kAuditX8664,
                  0,
                  {}};
    for (std::uint64_t& argument : call.args) {
      argument = choices.Value() & (HasShortRegisters(call.arch) ? 0xffffffffULL : ~0ULL);
    }
    if (Run(program, call).answer != CallRules(request.policies, call.arch, call.nr).Answer(call)) {
      std::abort();
    }
  }
  return 0;
}
