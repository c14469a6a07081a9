// Words for a refused call: its name, and the promise that would have allowed it.

#ifndef CLOISTER_VIOLATIONS_DESCRIPTIONS_H_
#define CLOISTER_VIOLATIONS_DESCRIPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cloister::violations {

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

// The layout of describeCalls in lib/filter/descriptions.ts.
std::optional<Descriptions> DecodeDescriptions(std::span<const std::uint8_t> bytes);

struct RefusedCall {
  std::uint32_t number;
  // Of this machine's own architecture: others have other names for the numbers.
  bool native;
  std::uint64_t args[6];
  // Who made it, and what that number is of.
  int id;
  const char* id_kind;
};

// The line, without allocating. Returns its length.
std::size_t DescribeCall(const Descriptions& descriptions, const RefusedCall& call, char* line,
                         std::size_t size) noexcept;

}  // namespace cloister::violations

#endif  // CLOISTER_VIOLATIONS_DESCRIPTIONS_H_
