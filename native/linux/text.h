// Text without the C library's string and formatting functions. Child-safe.

#ifndef CLOISTER_LINUX_TEXT_H_
#define CLOISTER_LINUX_TEXT_H_

#include <cstddef>
#include <cstdint>

namespace cloister {

// Builds text in a buffer of fixed size. What does not fit is cut off and remembered.
template <std::size_t Size>
class TextBuffer {
 public:
  TextBuffer& Add(const char* text) noexcept {
    for (; *text != '\0'; ++text) {
      if (length_ + 1 >= Size) {
        complete_ = false;
        return *this;
      }
      data_[length_++] = *text;
    }
    return *this;
  }

  TextBuffer& Add(std::uint64_t number, unsigned base = 10) noexcept {
    char digits[24];
    std::size_t count = 0;
    do {
      digits[count++] = "0123456789abcdef"[number % base];
      number /= base;
    } while (number != 0);
    while (count > 0) {
      const char digit[2] = {digits[--count], '\0'};
      Add(digit);
    }
    return *this;
  }

  [[nodiscard]] const char* Text() noexcept {
    data_[length_] = '\0';
    return data_;
  }
  [[nodiscard]] std::size_t Length() const noexcept { return length_; }
  [[nodiscard]] bool Complete() const noexcept { return complete_; }

 private:
  char data_[Size] = {};
  std::size_t length_ = 0;
  bool complete_ = true;
};

inline void CopyText(char* to, std::size_t size, const char* from) noexcept {
  std::size_t i = 0;
  for (; from[i] != '\0' && i + 1 < size; ++i) {
    to[i] = from[i];
  }
  to[i] = '\0';
}

inline std::size_t TextLength(const char* text) noexcept {
  std::size_t length = 0;
  while (text[length] != '\0') {
    ++length;
  }
  return length;
}

inline bool SameText(const char* a, const char* b) noexcept {
  for (; *a == *b; ++a, ++b) {
    if (*a == '\0') {
      return true;
    }
  }
  return false;
}

}  // namespace cloister

#endif  // CLOISTER_LINUX_TEXT_H_
