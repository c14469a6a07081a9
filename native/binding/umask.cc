#include "native/binding/umask.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "native/base/unique_fd.h"
#include "native/wire/messages.h"

namespace cloister::binding {

// umask(2) only tells the mask by setting another one, for all threads at once: what they create
// meanwhile would be open to everybody. The line is among the first (proc_pid_status(5), 4.7).
std::uint32_t CurrentUmask() {
  const UniqueFd status(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  char text[512] = {};
  if (!status.Valid() || read(status.Get(), text, sizeof(text) - 1) <= 0) {
    return wire::kKeepUmask;
  }
  constexpr char kLine[] = "\nUmask:";
  const char* const line = std::strstr(text, kLine);
  if (line == nullptr) {
    return wire::kKeepUmask;
  }
  char* end = nullptr;
  const char* const digits = line + sizeof(kLine) - 1;
  const unsigned long mask = std::strtoul(digits, &end, 8);
  return end != digits && *end == '\n' && mask <= 0777 ? static_cast<std::uint32_t>(mask)
                                                       : wire::kKeepUmask;
}

}  // namespace cloister::binding
