#include "native/probe/text.h"

#include <fcntl.h>
#include <unistd.h>

#include "native/base/unique_fd.h"

namespace cloister::probe {

std::optional<std::string> ReadText(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.Valid()) {
    return std::nullopt;
  }
  std::string text;
  char part[4096];
  for (;;) {
    const ssize_t count = read(fd.Get(), part, sizeof(part));
    if (count < 0) {
      return std::nullopt;
    }
    if (count == 0) {
      return text;
    }
    text.append(part, static_cast<std::size_t>(count));
  }
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (;;) {
    const std::size_t end = text.find(separator, start);
    parts.push_back(text.substr(start, end - start));
    if (end == std::string::npos) {
      return parts;
    }
    start = end + 1;
  }
}

std::string Trim(const std::string& text) {
  constexpr const char* kSpace = " \t\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string::npos) {
    return "";
  }
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace cloister::probe
