#include "native/launcher/starter.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "native/base/unique_fd.h"

namespace cloister::launcher {

namespace {

// A line of /proc/PID/status (proc_pid_status(5)); 0 where there is none.
std::uint64_t Field(const char* text, const char* name) {
  const char* found = std::strstr(text, name);
  return found == nullptr ? 0 : std::strtoull(found + std::strlen(name), nullptr, 10);
}

// /proc belongs to this process's own pid namespace: numbers mean the same there.
bool NumbersAreOurs() {
  char text[24] = {};
  return readlink("/proc/self", text, sizeof(text) - 1) > 0 &&
         std::strtol(text, nullptr, 10) == getpid();
}

}  // namespace

Starter::Starter() {
  // Where /proc hides the starter now (hidepid, of a process that has changed its ids), it would do
  // so at each request.
  if (NumbersAreOurs() && Read(getppid()).told) {
    own_ = Read(getpid());
  }
}

bool Starter::HasNarrowed(pid_t process) const {
  if (!own_.told) {
    return false;
  }
  const Restraints now = Read(process);
  return !now.told || now.no_new_privileges > own_.no_new_privileges || now.mode > own_.mode ||
         now.filters > own_.filters;
}

Starter::Restraints Starter::Read(pid_t process) {
  const UniqueFd status(
      open(("/proc/" + std::to_string(process) + "/status").c_str(), O_RDONLY | O_CLOEXEC));
  char text[4096] = {};
  if (!status.Valid() || read(status.Get(), text, sizeof(text) - 1) <= 0) {
    return {};
  }
  return {Field(text, "\nNoNewPrivs:"), Field(text, "\nSeccomp:"),
          Field(text, "\nSeccomp_filters:"), true};
}

}  // namespace cloister::launcher
