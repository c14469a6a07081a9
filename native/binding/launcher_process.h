// Starts the launcher's program from a process with threads and a large heap.

#ifndef CLOISTER_BINDING_LAUNCHER_PROCESS_H_
#define CLOISTER_BINDING_LAUNCHER_PROCESS_H_

#include <string>

#include "native/base/unique_fd.h"
#include "native/plan/result.h"

namespace cloister::binding {

struct LauncherStart {
  const char* path;
  // The one argument: "serve", "watch" or "probe".
  const char* mode;
  // Becomes descriptor wire::kLauncherSocket, or -1.
  int socket;
  // Becomes standard output, or -1 for /dev/null.
  int output;
  // An open /dev/null.
  int null_device;
};

// The process has descriptors 0 to 2 and the socket, nothing else, and an empty environment.
// Returns its pidfd once it was executed.
Result<UniqueFd> StartLauncherProcess(const LauncherStart& start);

// Waits for the end of such a process. The exit status, or -1 when a signal ended it.
int ReapLauncherProcess(const UniqueFd& pidfd);

// Runs `path probe` and returns what it printed.
Result<std::string> RunProbe(const std::string& path);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_LAUNCHER_PROCESS_H_
