// Small files and words.

#ifndef CLOISTER_PROBE_TEXT_H_
#define CLOISTER_PROBE_TEXT_H_

#include <optional>
#include <string>
#include <vector>

namespace cloister::probe {

// The whole content of a file, or nothing when it cannot be read.
std::optional<std::string> ReadText(const std::string& path);

// Parts between separators, empty ones included.
std::vector<std::string> Split(const std::string& text, char separator);

// Without spaces and line ends at either side.
std::string Trim(const std::string& text);

}  // namespace cloister::probe

#endif  // CLOISTER_PROBE_TEXT_H_
