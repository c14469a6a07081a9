#include "native/launcher/facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "native/base/unique_fd.h"

namespace cloister::launcher {

namespace {

Failure FactsFailure(const char* syscall, const char* path) {
  return {Stage::k_clone, errno, syscall, path};
}

Result<std::string> ReadSmallFile(const char* path) {
  const UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  if (!fd.Valid()) {
    return FactsFailure("open", path);
  }
  char text[8192];
  const ssize_t count = read(fd.Get(), text, sizeof(text));
  if (count < 0) {
    return FactsFailure("read", path);
  }
  return std::string(text, static_cast<std::size_t>(count));
}

}  // namespace

Result<child::Facts> ReadFacts() {
  child::Facts facts = {};
  facts.uid = geteuid();
  facts.gid = getegid();
  struct stat info = {};
  if (stat("/proc/self/ns/user", &info) != 0) {
    return FactsFailure("stat", "/proc/self/ns/user");
  }
  facts.user_namespace = info.st_ino;
  Result<std::string> status = ReadSmallFile("/proc/self/status");
  if (!status.Ok()) {
    return status.Error();
  }
  // Seccomp_filters: since 5.9, present where filters are built in.
  constexpr char kFilters[] = "Seccomp_filters:";
  const char* filters = std::strstr(status.Value().c_str(), kFilters);
  if (filters != nullptr) {
    facts.filters =
        static_cast<std::uint32_t>(std::strtoul(filters + sizeof(kFilters) - 1, nullptr, 10));
  }
  Result<std::string> last = ReadSmallFile("/proc/sys/kernel/cap_last_cap");
  if (!last.Ok()) {
    return last.Error();
  }
  facts.last_capability =
      static_cast<std::uint32_t>(std::strtoul(last.Value().c_str(), nullptr, 10));
  return facts;
}

}  // namespace cloister::launcher
