// The first process of a cell as the launcher makes it, before it has a plan.

#ifndef CLOISTER_LAUNCHER_FIRST_PROCESS_H_
#define CLOISTER_LAUNCHER_FIRST_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>

#include "native/base/unique_fd.h"
#include "native/child/context.h"
#include "native/launcher/rehearsal.h"
#include "native/namespaces/host_ids.h"
#include "native/plan/result.h"
#include "native/wire/child_messages.h"

namespace cloister::launcher {

struct FirstProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd channel;  // launcher's side
  wire::Preparation preparation = {};
  LentHostId host_id;
  // It has made the mounts of its plan already.
  bool mounts_done = false;

  // SIGKILL, and waits until the kernel has taken it apart. Only for processes that have not been
  // told to start anything.
  void Discard();
};

struct Channel {
  UniqueFd ours;
  UniqueFd theirs;
};
Result<Channel> MakeChannel();

// clone3(2) with the new namespaces. Does not return in the new process. `extra_flags`:
// CLONE_PARENT where another process than the launcher makes it.
Result<FirstProcess> MakeFirstProcess(const child::Facts& facts, std::uint64_t namespaces,
                                      std::uint64_t extra_flags, Channel channel);

// `rehearsal`: mounts to make ahead, or null.
// Writes the id maps where that is the launcher's part, and lets the process go through its first
// stages.
std::optional<Failure> Prepare(FirstProcess* process, const wire::Preparation& preparation,
                               bool ahead, const Rehearsal* rehearsal, HostIdPool* ids);

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_FIRST_PROCESS_H_
