// Conditions on arguments, and what is left of them once one half of the argument is known.

#ifndef CLOISTER_SECCOMP_CONDITION_H_
#define CLOISTER_SECCOMP_CONDITION_H_

#include <cstdint>

#include "native/seccomp/policy.h"

namespace cloister::seccomp {

// The operators of the request; lib/filter/encode.ts has the same numbers.
enum class Operator : std::uint8_t {
  kEqual = 0,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kMaskedEqual
};

enum class Truth : std::uint8_t { kFalse, kTrue, kOpen };

// A condition, or the fact that it always or never holds.
struct Residue {
  Truth truth;
  Condition condition;  // meaningful where truth is kOpen
};

// Brings a written comparison to a Condition. `wide` compares all 64 bits; where registers are
// short the upper half is known to be zero.
[[nodiscard]] Residue Normalize(std::uint8_t argument, Operator op, bool wide, bool short_registers,
                                std::uint64_t value, std::uint64_t mask);

[[nodiscard]] bool Holds(const Condition& condition, std::uint64_t argument);

// A word that a program can load: one half of one argument.
struct Word {
  std::uint8_t argument;
  bool high;

  bool operator==(const Word&) const = default;
};

[[nodiscard]] bool Touches(const Condition& condition, Word word);

// The condition's own question about one word. Meaningful where the condition touches the word.
// A condition on both halves that asks for "at least" splits the upper half in three: below, equal,
// above.
struct WordTest {
  Condition::Test test;
  std::uint32_t mask;   // kMasked
  std::uint32_t value;  // kMasked, kAtLeast
  bool three_way;       // kAtLeast: value + 1 is a boundary too
};
[[nodiscard]] WordTest TestOn(const Condition& condition, Word word);

// What remains when the word's value is known. Exact for every value that answers the condition's
// WordTest in the same way.
[[nodiscard]] Residue Restrict(const Condition& condition, Word word, std::uint32_t value);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_CONDITION_H_
