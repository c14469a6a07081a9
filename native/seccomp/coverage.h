// Whether rules allow a call whatever its arguments are: also where that takes several of them.

#ifndef CLOISTER_SECCOMP_COVERAGE_H_
#define CLOISTER_SECCOMP_COVERAGE_H_

#include <cstddef>
#include <vector>

#include "native/seccomp/policy.h"

namespace cloister::seccomp {

// One rule of a list of which the first that matches decides.
struct CoveringRule {
  const std::vector<Condition>* conditions;
  bool allows;
  bool limit;
};

// True when no call escapes to anything but ALLOW. False when one does, and when that cannot be
// found out by looking at so many conditions and bits: the question is that of satisfiability,
// which is hard for masks.
[[nodiscard]] bool AlwaysAllows(const std::vector<CoveringRule>& rules, bool fallback_allows,
                                std::size_t budget);

inline constexpr std::size_t kCoverageBudget = 400'000;

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_COVERAGE_H_
