#include "native/seccomp/facts.h"

#include <algorithm>
#include <bit>

namespace cloister::seccomp {

Truth WordFacts::Masked(std::uint32_t mask, std::uint32_t value) const {
  if (((bits_ ^ value) & known_ & mask) != 0) {
    return Truth::kFalse;
  }
  if ((mask & ~known_) == 0) {
    return Truth::kTrue;
  }
  if (low_ == high_) {
    return (low_ & mask) == value ? Truth::kTrue : Truth::kFalse;
  }
  if (mask == 0xffffffffU && (value < low_ || value > high_)) {
    return Truth::kFalse;
  }
  // Whoever has these bits would have those of a test that is known to fail.
  const bool ruled_out =
      std::any_of(excluded_.begin(), excluded_.end(), [&](const Excluded& other) {
        return (other.mask & ~(mask | known_)) == 0 &&
               ((value | (bits_ & ~mask)) & other.mask) == other.value;
      });
  return ruled_out ? Truth::kFalse : Truth::kOpen;
}

Truth WordFacts::AtLeast(std::uint32_t value) const {
  const std::uint32_t smallest = std::max(low_, bits_);
  const std::uint32_t largest = std::min(high_, bits_ | ~known_);
  if (smallest >= value) {
    return Truth::kTrue;
  }
  return largest < value ? Truth::kFalse : Truth::kOpen;
}

void WordFacts::LearnMasked(std::uint32_t mask, std::uint32_t value, bool holds) {
  if (holds) {
    known_ |= mask;
    bits_ = (bits_ & ~mask) | value;
    return;
  }
  const std::uint32_t open = mask & ~known_;
  if (std::popcount(open) == 1 && ((bits_ ^ value) & known_ & mask) == 0) {
    known_ |= open;
    bits_ |= ~value & open;
    return;
  }
  excluded_.push_back({mask, value});
}

void WordFacts::LearnAtLeast(std::uint32_t value, bool holds) {
  if (holds) {
    low_ = std::max(low_, value);
  } else {
    high_ = std::min(high_, value - 1);
  }
}

void WordFacts::Describe(std::string& text) const {
  const auto add = [&](std::uint32_t part) {
    text.append(reinterpret_cast<const char*>(&part), sizeof part);
  };
  for (const std::uint32_t part :
       {known_, bits_, low_, high_, static_cast<std::uint32_t>(excluded_.size())}) {
    add(part);
  }
  for (const Excluded& other : excluded_) {
    add(other.mask);
    add(other.value);
  }
}

}  // namespace cloister::seccomp
