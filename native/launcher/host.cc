#include "native/launcher/host.h"

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

Failure HostFailure(const char* syscall, const char* path) {
  return {Stage::k_clone, errno, syscall, path};
}

Result<std::string> ReadSmallFile(const char* path) {
  const UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  if (!fd.Valid()) {
    return HostFailure("open", path);
  }
  char text[8192];
  const ssize_t count = read(fd.Get(), text, sizeof(text));
  if (count < 0) {
    return HostFailure("read", path);
  }
  return std::string(text, static_cast<std::size_t>(count));
}

}  // namespace

Result<Host> ReadHost() {
  Host host;
  host.uid = geteuid();
  host.gid = getegid();
  for (std::size_t i = 0; i < child::kNamespaceCount; ++i) {
    struct stat info = {};
    if (stat(child::kNamespaces[i].path, &info) != 0) {
      // A kernel without this kind has no file for it; a plan that asks for it fails at clone3(2).
      if (errno == ENOENT && access("/proc/self/ns", F_OK) == 0) {
        continue;
      }
      return HostFailure("stat", child::kNamespaces[i].path);
    }
    host.namespaces[i] = info.st_ino;
  }
  Result<std::string> status = ReadSmallFile("/proc/self/status");
  if (!status.Ok()) {
    return status.Error();
  }
  // Seccomp_filters: since 5.9, present where filters are built in.
  const char* filters = std::strstr(status.Value().c_str(), "Seccomp_filters:");
  if (filters != nullptr) {
    host.inherited_filters = static_cast<std::uint32_t>(
        std::strtoul(filters + std::strlen("Seccomp_filters:"), nullptr, 10));
  }
  Result<std::string> last = ReadSmallFile("/proc/sys/kernel/cap_last_cap");
  if (!last.Ok()) {
    return last.Error();
  }
  host.last_capability =
      static_cast<std::uint32_t>(std::strtoul(last.Value().c_str(), nullptr, 10));
  return host;
}

}  // namespace cloister::launcher
