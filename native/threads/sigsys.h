// What happens in this process at a call that its filter answers with SIGSYS: one line on standard
// error says what was refused and what would have allowed it, then the process ends by that signal.

#ifndef CLOISTER_THREADS_SIGSYS_H_
#define CLOISTER_THREADS_SIGSYS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace cloister::threads {

struct NamedCall {
  std::uint32_t number;
  std::string name;
};

enum class Comparison : std::uint32_t {
  kEqual = 0,
  kNotEqual = 1,
  kLess = 2,
  kLessOrEqual = 3,
  kGreater = 4,
  kGreaterOrEqual = 5,
  kMaskedEqual = 6,
};

// As ArgCondition of the policy.
struct Condition {
  std::uint32_t index;
  Comparison comparison;
  bool wide;  // 64 bits; else the low half
  std::uint64_t value;
  std::uint64_t mask;
};

// A call that a promise allows. All conditions must hold.
struct Allowance {
  std::uint32_t number;
  std::uint32_t promise;
  std::vector<Condition> conditions;
};

// For people: nothing is decided by it.
struct Descriptions {
  std::vector<NamedCall> calls;
  std::vector<std::string> promises;
  std::vector<Allowance> allowances;
};

struct CallOfThread {
  std::uint32_t number;
  std::uint64_t args[6];
  int tid;
};

// The line, without allocating. Returns its length.
std::size_t DescribeCall(const Descriptions& descriptions, const CallOfThread& call, char* line,
                         std::size_t size) noexcept;

// What the handler will tell from now on. Never freed: a thread may be reading it.
void SetDescriptions(Descriptions descriptions);

// Process-wide. The filter keeps anybody else from taking the signal: its rt_sigaction for SIGSYS
// answers success and does nothing.
void InstallSigsysHandler() noexcept;

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_SIGSYS_H_
