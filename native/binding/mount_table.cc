#include "native/binding/mount_table.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <mutex>

#include "native/base/unique_fd.h"

namespace cloister::binding {

std::uint32_t MountGeneration() {
  static std::mutex mutex;
  static UniqueFd table;
  static pid_t owner = -1;
  static std::uint32_t generation = 0;
  const std::lock_guard<std::mutex> lock(mutex);
  // After a fork(2) or an unshare(2) of the parent the open file still tells of the parent's
  // mounts.
  if (owner != getpid()) {
    owner = getpid();
    table.Reset();
  }
  if (!table.Valid()) {
    table.Reset(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    return ++generation;
  }
  // Each open file tells of a change once (proc_pid_mountinfo(5)).
  pollfd changed = {table.Get(), POLLPRI, 0};
  if (poll(&changed, 1, 0) != 0) {
    ++generation;
  }
  return generation;
}

}  // namespace cloister::binding
