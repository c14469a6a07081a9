#include "native/limits/control_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "native/base/unique_fd.h"

namespace cloister::limits {

namespace {

constexpr std::size_t kFirst = 4096;
constexpr std::size_t kMost = 4UL * 1024 * 1024;

}  // namespace

std::optional<std::string> ReadFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.Valid()) {
    return std::nullopt;
  }
  std::string text(kFirst, '\0');
  std::size_t size = 0;
  for (;;) {
    if (size == text.size()) {
      if (size == kMost) {
        break;
      }
      text.resize(size * 2);
    }
    const ssize_t count = read(fd.Get(), text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return std::nullopt;
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  text.resize(size);
  return text;
}

int WriteFile(const std::string& path, std::string_view text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.Valid()) {
    return errno;
  }
  // One write: these files take each as a whole.
  return write(fd.Get(), text.data(), text.size()) < 0 ? errno : 0;
}

std::optional<std::uint64_t> ReadNumber(const std::string& path) {
  const std::optional<std::string> text = ReadFile(path);
  if (!text || text->empty() || (*text)[0] < '0' || (*text)[0] > '9') {
    return std::nullopt;
  }
  return std::strtoull(text->c_str(), nullptr, 10);
}

std::optional<std::uint64_t> NumberAfter(const std::string& text, std::string_view word) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const std::size_t number = at + word.size();
    if (text.compare(at, word.size(), word) == 0 && number < text.size() &&
        (text[number] == ' ' || text[number] == ':' || text[number] == '\t')) {
      return std::strtoull(text.c_str() + number + 1, nullptr, 10);
    }
    if (end == std::string::npos) {
      break;
    }
    at = end + 1;
  }
  return std::nullopt;
}

std::vector<std::string> Words(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::string word;
  for (const char character : text) {
    if (character != separator && character != '\n') {
      word += character;
      continue;
    }
    if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) {
    words.push_back(std::move(word));
  }
  return words;
}

bool HasWord(const std::string& list, std::string_view word) {
  for (const std::string& entry : Words(list)) {
    for (const std::string& name : Words(entry, ',')) {
      if (name == word) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace cloister::limits
