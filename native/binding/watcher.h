// Starts the process that answers for the filter of this one (native/launcher/watch.h).

#ifndef CLOISTER_BINDING_WATCHER_H_
#define CLOISTER_BINDING_WATCHER_H_

#include <string>

#include "native/base/unique_fd.h"
#include "native/plan/result.h"
#include "native/wire/messages.h"

namespace cloister::binding {

struct Watcher {
  // It waits there for the listener.
  UniqueFd socket;
  // The reading end of the pipe that it tells violations by.
  UniqueFd events;
  // pidfd. Once the filter is there it ends with the last process under it.
  UniqueFd process;
};

Result<Watcher> StartWatcher(const std::string& launcher_path, const wire::WatchRequest& request);
// One that there is no use for. Waits for its end.
void EndWatcher(UniqueFd process);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_WATCHER_H_
