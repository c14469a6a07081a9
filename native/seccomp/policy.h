// A policy as the compiler gets it: numbers instead of names, one list of rules per architecture.

#ifndef CLOISTER_SECCOMP_POLICY_H_
#define CLOISTER_SECCOMP_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "native/seccomp/bpf.h"

namespace cloister::seccomp {

// The numbers are those of the request; lib/filter/encode.ts has the same.
enum class Arch : std::uint8_t {
  kX8664 = 0,
  kX86 = 1,
  kX32 = 2,
  kAarch64 = 3,
  kArm = 4,
  kRiscv64 = 5
};
inline constexpr std::uint32_t kArchCount = 6;

// AUDIT_ARCH_* of linux/audit.h: what seccomp_data.arch holds. x32 shares that of x86_64 and is
// told apart by bit 30 of the number.
inline constexpr std::uint32_t kAuditX8664 = 0xc000003eU;
inline constexpr std::uint32_t kAuditX86 = 0x40000003U;
inline constexpr std::uint32_t kAuditAarch64 = 0xc00000b7U;
inline constexpr std::uint32_t kAuditArm = 0x40000028U;
inline constexpr std::uint32_t kAuditRiscv64 = 0xc00000f3U;

inline constexpr std::uint32_t AuditArch(Arch arch) {
  switch (arch) {
    case Arch::kX8664:
    case Arch::kX32:
      return kAuditX8664;
    case Arch::kX86:
      return kAuditX86;
    case Arch::kAarch64:
      return kAuditAarch64;
    case Arch::kArm:
      return kAuditArm;
    case Arch::kRiscv64:
      return kAuditRiscv64;
  }
  return 0;
}

// __X32_SYSCALL_BIT. Every number from here on is an x32 one, but for -1, which a tracer writes to
// skip the call.
inline constexpr std::uint32_t kX32Bit = 0x40000000U;
inline constexpr std::uint32_t kSkippedCall = 0xffffffffU;

// Registers of these have 32 bits: the kernel hands filters zero in the upper half.
inline constexpr bool HasShortRegisters(std::uint32_t audit) {
  return audit == kAuditX86 || audit == kAuditArm;
}

// A comparison of one argument, or of one half of it, brought to one of two forms; see Normalize in
// condition.cc.
struct Condition {
  enum class Part : std::uint8_t { kLow, kHigh, kBoth };
  enum class Test : std::uint8_t {
    kMasked,   // (argument & mask) == value
    kAtLeast,  // argument >= value, unsigned; mask is unused and 0
  };

  std::uint8_t argument;
  Part part;
  Test test;
  bool negated;
  std::uint64_t mask;
  std::uint64_t value;

  bool operator==(const Condition&) const = default;
};

struct Rule {
  std::uint32_t answer;
  // A limit does not end the search: the answer is the strictest of it and of what the later rules
  // say. Used for calls through a multiplexer.
  bool limit;
  // Ascending, each once.
  std::vector<std::uint32_t> numbers;
  // All must hold. A condition that is always true has been left out.
  std::vector<Condition> conditions;

  [[nodiscard]] bool Names(std::uint32_t nr) const;
};

struct NumberRange {
  std::uint32_t first;
  std::uint32_t last;
};

struct ArchPolicy {
  Arch arch;
  // Numbers that have a name, ascending and disjoint. All others get the answer for unknown calls
  // where no rule matches.
  std::vector<NumberRange> known;
  std::vector<Rule> rules;

  [[nodiscard]] bool Knows(std::uint32_t nr) const;
};

struct Policy {
  std::uint32_t default_answer;
  std::uint32_t foreign_answer;
  std::uint32_t unknown_answer;
  std::vector<ArchPolicy> architectures;

  // The rules for a call; null when its architecture is none of the policy's.
  [[nodiscard]] const ArchPolicy* Find(std::uint32_t audit, std::uint32_t nr) const;
};

struct Weight {
  Arch arch;
  std::uint32_t nr;
  std::uint32_t weight;
};

struct Request {
  // The answer of the program is the strictest of these; the first of them where actions are equal.
  std::vector<Policy> policies;
  // How often each call happens; numbers not named happen hardly ever.
  std::vector<Weight> weights;
  // Kernels before 5.11 have no cache of constant answers: every call runs the program.
  bool without_cache = false;
};

enum class ErrorKind : std::uint8_t {
  kRequest,   // the bytes are no request
  kTooLong,   // more than 4096 instructions
  kInternal,  // the program was wrong: a mistake of this compiler
};

struct Error {
  ErrorKind kind;
  std::string detail;
};

// What the policies say of calls with one number, by looking at their rules one after the other:
// what every compiled program is compared with.
class CallRules {
 public:
  CallRules(const std::vector<Policy>& policies, std::uint32_t audit, std::uint32_t nr);

  // The answer to a call with this number, or with any other for which the policies have the same
  // rules.
  [[nodiscard]] std::uint32_t Answer(const CallData& call) const;

  // Whether the rules allow the call whatever its arguments; see AlwaysAllows.
  [[nodiscard]] bool AlwaysAllow() const;

  template <typename Visit>
  void ForEachRule(Visit visit) const {
    for (const Part& part : parts_) {
      for (const Rule* rule : part.rules) {
        visit(*rule);
      }
    }
  }

 private:
  struct Part {
    std::vector<const Rule*> rules;
    std::uint32_t fallback;
  };

  std::vector<Part> parts_;
};

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_POLICY_H_
