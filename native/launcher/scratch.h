// The directory that a cell without a mount namespace gets for itself: its /tmp, on the host's
// disk.
//
// Its name is random and chosen when the plan is made. As long as this process lives it holds a
// lock on the directory (flock(2)), which the kernel drops with it, however it ends: so the next
// launcher can tell what was left behind from what is in use.

#ifndef CLOISTER_LAUNCHER_SCRATCH_H_
#define CLOISTER_LAUNCHER_SCRATCH_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "native/base/unique_fd.h"
#include "native/plan/result.h"

namespace cloister::launcher {

// A process that does something for this one meanwhile. To be waited for.
struct Aside {
  pid_t pid = -1;
  UniqueFd pidfd;  // invalid: there is none
};

class Scratch {
 public:
  // Mode 0700, and given to `owner` unless that is 0.
  static Result<std::unique_ptr<Scratch>> Make(const std::string& path, uid_t owner);

  // At once when it is empty. Else in a process of its own, so that no other cell waits meanwhile.
  Aside Remove();
  void RemoveAndWait();

  // Removes what launchers that are gone left in the same place, in a process of its own if there
  // is anything.
  [[nodiscard]] Aside SweepBeside() const;

 private:
  Scratch(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  UniqueFd lock_;
};

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_SCRATCH_H_
