// Signals that the launcher ignores and that are set back to their default for the command.
// Child-safe.

#ifndef CLOISTER_LINUX_LAUNCHER_SIGNALS_H_
#define CLOISTER_LINUX_LAUNCHER_SIGNALS_H_

#include <signal.h>

namespace cloister {

// The terminal's and the service manager's signals are for the caller: what becomes of the cells is
// decided there. SIGPIPE is an error number here.
inline constexpr int kLauncherIgnored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

}  // namespace cloister

#endif  // CLOISTER_LINUX_LAUNCHER_SIGNALS_H_
