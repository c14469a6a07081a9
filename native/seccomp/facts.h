// What tests that were already made say about a word.

#ifndef CLOISTER_SECCOMP_FACTS_H_
#define CLOISTER_SECCOMP_FACTS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "native/seccomp/condition.h"

namespace cloister::seccomp {

class WordFacts {
 public:
  [[nodiscard]] bool Empty() const {
    return known_ == 0 && low_ == 0 && high_ == 0xffffffffU && excluded_.empty();
  }

  [[nodiscard]] Truth Masked(std::uint32_t mask, std::uint32_t value) const;
  [[nodiscard]] Truth AtLeast(std::uint32_t value) const;

  void LearnMasked(std::uint32_t mask, std::uint32_t value, bool holds);
  void LearnAtLeast(std::uint32_t value, bool holds);

  // Appends a text that is equal for equal facts.
  void Describe(std::string& text) const;

 private:
  struct Excluded {
    std::uint32_t mask;
    std::uint32_t value;
  };

  std::uint32_t known_ = 0;
  std::uint32_t bits_ = 0;
  std::uint32_t low_ = 0;
  std::uint32_t high_ = 0xffffffffU;
  std::vector<Excluded> excluded_;
};

using Facts = std::array<WordFacts, 12>;

inline constexpr std::size_t IndexOf(Word word) {
  return std::size_t{word.argument} * 2 + (word.high ? 1 : 0);
}

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_FACTS_H_
