// Policies in, one checked program out.

#ifndef CLOISTER_SECCOMP_COMPILE_H_
#define CLOISTER_SECCOMP_COMPILE_H_

#include <optional>
#include <variant>
#include <vector>

#include "native/seccomp/bpf.h"
#include "native/seccomp/policy.h"

namespace cloister::seccomp {

// The same request gives the same program on every machine. A program that is handed out has been
// compared with the policies.
[[nodiscard]] std::variant<std::vector<Instruction>, Error> Compile(const Request& request);

// The same, not yet compared: for tests of the comparison and of what it does not ask about.
[[nodiscard]] std::variant<std::vector<Instruction>, Error> CompileUnchecked(
    const Request& request);

// What is wrong with a program for these policies, or an empty text: its structure, answers that
// differ from those of the policies, calls that are always allowed and yet not cached.
[[nodiscard]] std::string Validate(const Request& request, const std::vector<Instruction>& program);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_COMPILE_H_
