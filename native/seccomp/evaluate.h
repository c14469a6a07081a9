// The kernel's side of a filter: its checker, its interpreter, and the emulation that fills its
// cache.

#ifndef CLOISTER_SECCOMP_EVALUATE_H_
#define CLOISTER_SECCOMP_EVALUATE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "native/seccomp/bpf.h"

namespace cloister::seccomp {

// What seccomp(2) would object to, or an empty text. Instructions that the compiler never writes
// are objected to as well.
[[nodiscard]] std::string CheckStructure(const std::vector<Instruction>& program);

struct Execution {
  std::uint32_t answer;
  // Instructions run, the answer included.
  std::uint32_t executed;
};

// Runs a program as the kernel would run it once it has passed CheckStructure.
[[nodiscard]] Execution Run(const std::vector<Instruction>& program, const CallData& call);

// Whether the kernel, knowing number and architecture alone, finds out that the call is allowed
// whatever its arguments; it then keeps that answer and runs the filter no more for this number
// (seccomp_is_const_allow, Linux 5.11).
[[nodiscard]] bool IsConstantAllow(const std::vector<Instruction>& program, std::uint32_t nr,
                                   std::uint32_t arch);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_EVALUATE_H_
