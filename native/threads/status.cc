#include "native/threads/status.h"

#include <cstddef>

#include "native/linux/syscalls.h"

namespace cloister::threads {

namespace {

// The text behind `key` at the start of a line, tabs skipped; null when there is none.
const char* ValueOf(const char* text, const char* key) noexcept {
  while (*text != '\0') {
    const char* at = text;
    const char* wanted = key;
    while (*wanted != '\0' && *at == *wanted) {
      ++at;
      ++wanted;
    }
    if (*wanted == '\0') {
      while (*at == '\t' || *at == ' ') {
        ++at;
      }
      return at;
    }
    while (*text != '\0' && *text++ != '\n') {
    }
  }
  return nullptr;
}

unsigned DigitOf(char character) noexcept {
  if (character >= '0' && character <= '9') {
    return static_cast<unsigned>(character - '0');
  }
  return character >= 'a' && character <= 'f' ? static_cast<unsigned>(character - 'a') + 10 : 255;
}

bool Number(const char* text, const char* key, unsigned base, std::uint64_t* number) noexcept {
  const char* at = ValueOf(text, key);
  if (at == nullptr || DigitOf(*at) >= base) {
    return false;
  }
  *number = 0;
  for (; DigitOf(*at) < base; ++at) {
    *number = *number * base + DigitOf(*at);
  }
  return true;
}

}  // namespace

bool ParseStatus(const char* text, Status* status) noexcept {
  std::uint64_t no_new_privileges = 0;
  std::uint64_t seccomp = 0;
  std::uint64_t filters = 0;
  const bool complete = Number(text, "CapPrm:", 16, &status->permitted) &&
                        Number(text, "CapEff:", 16, &status->effective) &&
                        Number(text, "CapInh:", 16, &status->inheritable) &&
                        Number(text, "CapAmb:", 16, &status->ambient) &&
                        Number(text, "SigPnd:", 16, &status->pending) &&
                        Number(text, "NoNewPrivs:", 10, &no_new_privileges) &&
                        Number(text, "Seccomp:", 10, &seccomp);
  // Absent before 5.9.
  static_cast<void>(Number(text, "Seccomp_filters:", 10, &filters));
  status->no_new_privileges = static_cast<std::uint32_t>(no_new_privileges);
  status->seccomp = static_cast<std::uint32_t>(seccomp);
  status->filters = static_cast<std::uint32_t>(filters);
  return complete;
}

bool ReadStatus(int fd, Status* status) noexcept {
  char text[4096];
  const long count = sys::Call(SYS_pread64, fd, sys::Arg(text), sizeof(text) - 1, 0);
  if (count <= 0) {
    return false;
  }
  text[count] = '\0';
  return ParseStatus(text, status);
}

}  // namespace cloister::threads
