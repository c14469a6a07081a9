#include "native/seccomp/condition.h"

#include <limits>

namespace cloister::seccomp {
namespace {

using Part = Condition::Part;
using Test = Condition::Test;

constexpr std::uint64_t kLowHalf = 0xffffffffULL;
constexpr std::uint32_t kAllBits = 0xffffffffU;

constexpr std::uint32_t High(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}
constexpr std::uint32_t Low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}

constexpr Residue Constant(bool holds) {
  return {holds ? Truth::kTrue : Truth::kFalse, {}};
}

constexpr Residue Open(const Condition& condition) {
  return {Truth::kOpen, condition};
}

constexpr Residue Negate(Residue residue, bool negate) {
  if (!negate) {
    return residue;
  }
  if (residue.truth == Truth::kOpen) {
    residue.condition.negated = !residue.condition.negated;
    return residue;
  }
  return Constant(residue.truth == Truth::kFalse);
}

Residue Masked(std::uint8_t argument, Part part, std::uint64_t mask, std::uint64_t value) {
  if ((value & ~mask) != 0) {
    return Constant(false);
  }
  if (mask == 0) {
    return Constant(true);
  }
  if (part == Part::kBoth && High(mask) == 0) {
    part = Part::kLow;
  } else if (part == Part::kBoth && Low(mask) == 0) {
    part = Part::kHigh;
    mask >>= 32;
    value >>= 32;
  }
  return Open({argument, part, Test::kMasked, false, mask, value});
}

Residue AtLeast(std::uint8_t argument, Part part, std::uint64_t value) {
  if (value == 0) {
    return Constant(true);
  }
  if (part == Part::kBoth && Low(value) == 0) {
    part = Part::kHigh;
    value >>= 32;
  }
  return Open({argument, part, Test::kAtLeast, false, 0, value});
}

Residue Above(std::uint8_t argument, Part part, std::uint64_t value) {
  const std::uint64_t largest =
      part == Part::kBoth ? std::numeric_limits<std::uint64_t>::max() : kLowHalf;
  return value == largest ? Constant(false) : AtLeast(argument, part, value + 1);
}

// Conditions on both halves, once the upper one is known. The comparison is decided by it unless it
// equals that of the value.
Residue RestrictHigh(const Condition& condition, std::uint32_t known) {
  const std::uint32_t high = High(condition.value);
  if (condition.test == Test::kMasked) {
    if ((known & High(condition.mask)) != high) {
      return Constant(false);
    }
    return Masked(condition.argument, Part::kLow, Low(condition.mask), Low(condition.value));
  }
  if (known != high) {
    return Constant(known > high);
  }
  return AtLeast(condition.argument, Part::kLow, Low(condition.value));
}

Residue RestrictLow(const Condition& condition, std::uint32_t known) {
  const std::uint32_t high = High(condition.value);
  if (condition.test == Test::kMasked) {
    if ((known & Low(condition.mask)) != Low(condition.value)) {
      return Constant(false);
    }
    return Masked(condition.argument, Part::kHigh, High(condition.mask), high);
  }
  return known >= Low(condition.value) ? AtLeast(condition.argument, Part::kHigh, high)
                                       : Above(condition.argument, Part::kHigh, high);
}

}  // namespace

Residue Normalize(std::uint8_t argument, Operator op, bool wide, bool short_registers,
                  std::uint64_t value, std::uint64_t mask) {
  const Part part = wide && !short_registers ? Part::kBoth : Part::kLow;
  if (wide && short_registers) {
    // The upper half is zero: it decides alone where the value has bits there.
    const bool beyond = value > kLowHalf;
    switch (op) {
      case Operator::kEqual:
      case Operator::kGreater:
      case Operator::kGreaterOrEqual:
      case Operator::kMaskedEqual:
        if (beyond) {
          return Constant(false);
        }
        break;
      case Operator::kNotEqual:
      case Operator::kLess:
      case Operator::kLessOrEqual:
        if (beyond) {
          return Constant(true);
        }
        break;
    }
    mask &= kLowHalf;
  }
  const std::uint64_t all = part == Part::kBoth ? ~0ULL : kLowHalf;
  switch (op) {
    case Operator::kEqual:
      return Masked(argument, part, all, value);
    case Operator::kNotEqual:
      return Negate(Masked(argument, part, all, value), true);
    case Operator::kLess:
      return Negate(AtLeast(argument, part, value), true);
    case Operator::kLessOrEqual:
      return Negate(Above(argument, part, value), true);
    case Operator::kGreater:
      return Above(argument, part, value);
    case Operator::kGreaterOrEqual:
      return AtLeast(argument, part, value);
    case Operator::kMaskedEqual:
      return Masked(argument, part, mask, value);
  }
  return Constant(false);
}

bool Holds(const Condition& condition, std::uint64_t argument) {
  std::uint64_t seen = argument;
  if (condition.part == Part::kLow) {
    seen = Low(argument);
  } else if (condition.part == Part::kHigh) {
    seen = High(argument);
  }
  const bool holds = condition.test == Test::kMasked ? (seen & condition.mask) == condition.value
                                                     : seen >= condition.value;
  return holds != condition.negated;
}

bool Touches(const Condition& condition, Word word) {
  return condition.argument == word.argument &&
         (condition.part == Part::kBoth || (condition.part == Part::kHigh) == word.high);
}

WordTest TestOn(const Condition& condition, Word word) {
  const bool both = condition.part == Part::kBoth;
  const bool upper = both && word.high;
  const std::uint32_t value = upper ? High(condition.value) : Low(condition.value);
  if (condition.test == Test::kMasked) {
    return {Test::kMasked, upper ? High(condition.mask) : Low(condition.mask), value, false};
  }
  return {Test::kAtLeast, kAllBits, value, upper};
}

Residue Restrict(const Condition& condition, Word word, std::uint32_t value) {
  Condition plain = condition;
  plain.negated = false;
  Residue residue = Constant(false);
  if (condition.part != Part::kBoth) {
    const std::uint64_t seen = value;
    residue = Constant(condition.test == Test::kMasked ? (seen & condition.mask) == condition.value
                                                       : seen >= condition.value);
  } else {
    residue = word.high ? RestrictHigh(plain, value) : RestrictLow(plain, value);
  }
  return Negate(residue, condition.negated);
}

}  // namespace cloister::seccomp
