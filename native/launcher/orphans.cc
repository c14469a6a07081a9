#include "native/launcher/orphans.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "native/limits/process_tree.h"

namespace cloister::launcher {

namespace {

// More than this, and somebody starts processes faster than they can be ended; the next end of a
// cell is the next try.
constexpr int kRounds = 1000;

// The children that are not known.
std::vector<pid_t> Strangers(const std::vector<pid_t>& known) {
  std::vector<pid_t> children = limits::ChildrenOf(getpid());
  std::erase_if(children, [&known](pid_t child) {
    return std::find(known.begin(), known.end(), child) != known.end();
  });
  return children;
}

// False when some do not end: they sleep in the kernel, and the launcher has others to look after.
bool AwaitEnds(std::vector<pid_t> strangers) {
  constexpr int kPatienceMs = 1000;
  constexpr timespec kMillisecond = {0, 1000000};
  for (int waited = 0; waited < kPatienceMs; ++waited) {
    std::erase_if(strangers,
                  [](pid_t pid) { return waitpid(pid, nullptr, __WALL | WNOHANG) != 0; });
    if (strangers.empty()) {
      return true;
    }
    nanosleep(&kMillisecond, nullptr);
  }
  return false;
}

}  // namespace

void EndOrphans(const std::vector<pid_t>& known) {
  std::vector<pid_t> strangers = Strangers(known);
  for (int round = 0; round < kRounds && !strangers.empty(); ++round) {
    // Their numbers are theirs until they are waited for here.
    for (const pid_t stranger : strangers) {
      kill(stranger, SIGKILL);
    }
    if (!AwaitEnds(strangers)) {
      return;
    }
    strangers = Strangers(known);
  }
}

}  // namespace cloister::launcher
