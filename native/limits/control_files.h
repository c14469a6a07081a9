// Reading and writing the small files of control groups and of /proc.

#ifndef CLOISTER_LIMITS_CONTROL_FILES_H_
#define CLOISTER_LIMITS_CONTROL_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cloister::limits {

// A file, up to 4 MiB of it; nothing when it cannot be read, with errno set.
std::optional<std::string> ReadFile(const std::string& path);

// Returns 0 or a positive error number.
int WriteFile(const std::string& path, std::string_view text);

// The number that a file consists of. "max" is nothing, as is a file that is not there.
std::optional<std::uint64_t> ReadNumber(const std::string& path);

// The number behind a word at the beginning of a line: "oom_kill 3".
std::optional<std::uint64_t> NumberAfter(const std::string& text, std::string_view word);

// The parts between separators, empty ones left out.
std::vector<std::string> Words(const std::string& text, char separator = ' ');

// Whether a list such as "cpu memory\n" or "cpu,cpuacct" has this word.
bool HasWord(const std::string& list, std::string_view word);

}  // namespace cloister::limits

#endif  // CLOISTER_LIMITS_CONTROL_FILES_H_
