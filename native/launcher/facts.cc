#include "native/launcher/facts.h"

#include <fcntl.h>
#include <sys/prctl.h>
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

// Seccomp_filters of proc_pid_status(5), since 5.9. Within a cell this file may be out of reach:
// then it is only known whether there are any.
std::uint32_t CountFilters() {
  const UniqueFd fd(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  char text[8192] = {};
  const ssize_t count = fd.Valid() ? read(fd.Get(), text, sizeof(text) - 1) : -1;
  constexpr char kFilters[] = "Seccomp_filters:";
  const char* filters = count > 0 ? std::strstr(text, kFilters) : nullptr;
  return filters != nullptr
             ? static_cast<std::uint32_t>(std::strtoul(filters + sizeof(kFilters) - 1, nullptr, 10))
             : (prctl(PR_GET_SECCOMP) > 0 ? 1 : 0);
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
  facts.filters = CountFilters();
  // The bounding set knows the capabilities that there are (prctl(2)).
  while (prctl(PR_CAPBSET_READ, facts.last_capability + 1) >= 0) {
    ++facts.last_capability;
  }
  return facts;
}

}  // namespace cloister::launcher
