// The launcher: a small static program, started once by the addon, that makes the cells and watches
// over them.
//
// Being small and single-threaded is its point. Its copies are cheap, hold no secret of the caller,
// and may use clone3(2), credentials and parent-death signals in ways that a process with threads
// cannot.

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "native/base/unique_fd.h"
#include "native/launcher/enter.h"
#include "native/launcher/server.h"
#include "native/launcher/watch.h"
#include "native/linux/launcher_signals.h"
#include "native/linux/syscalls.h"
#include "native/probe/probe.h"

namespace {

// fs.nr_open's usual value (proc(5)).
constexpr rlim_t kManyDescriptors = 1024 * 1024;

void TakeSignals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  struct sigaction action = {};
  for (int signal = 1; signal < NSIG; ++signal) {
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  for (const int signal : cloister::kLauncherIgnored) {
    action.sa_handler = SIG_IGN;
    sigaction(signal, &action, nullptr);
  }
}

// Each cell takes a few descriptors here; the commands get their own limit.
void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  // Root may go beyond the hard limit, up to fs.nr_open: its cells bring a descriptor for each
  // id-mapped tree.
  const rlimit wide = {kManyDescriptors, kManyDescriptors};
  if (limit.rlim_max < kManyDescriptors && setrlimit(RLIMIT_NOFILE, &wide) == 0) {
    return;
  }
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// A service that the kernel spares when memory runs out (proc_pid_oom_score_adj(5)) hands that
// down. With -1000 not even the limit of a control group ends a process: it hangs in its
// allocation. While this process is dumpable, the file is its own.
void BeAnOrdinaryVictim() {
  constexpr char kFile[] = "/proc/self/oom_score_adj";
  const cloister::UniqueFd score(open(kFile, O_RDWR | O_CLOEXEC));
  char text[16] = {};
  // Without /proc there is nothing to be had. Raising it needs no privilege.
  if (score.Valid() && read(score.Get(), text, sizeof(text) - 1) > 0 && text[0] == '-') {
    [[maybe_unused]] const ssize_t written = write(score.Get(), "0", 1);
  }
}

int Serve() {
  TakeSignals();
  BeAnOrdinaryVictim();
  // Out of the caller's session and process group: Ctrl-C at its terminal is not for us.
  setsid();
  if (chdir("/") != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) {
    return 1;
  }
  // Should the keeper of a cell be killed, what it kept comes here (native/launcher/orphans.h).
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, "cloister");
  RaiseDescriptorLimit();
  cloister::sys::CloseRange(cloister::wire::kLauncherSocket + 1, ~0U);
  return cloister::launcher::Server(cloister::wire::kLauncherSocket).Run();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "serve") == 0) {
    return Serve();
  }
  if (argc == 2 && std::strcmp(argv[1], "probe") == 0) {
    return cloister::probe::PrintProbe();
  }
  if (argc == 2 && std::strcmp(argv[1], "watch") == 0) {
    TakeSignals();
    setsid();
    const bool alone = chdir("/") == 0 && prctl(PR_SET_DUMPABLE, 0) == 0;
    return alone ? cloister::launcher::Watch(cloister::wire::kLauncherSocket) : 1;
  }
  if (argc == 4 && std::strcmp(argv[1], "enter") == 0) {
    TakeSignals();
    cloister::launcher::Enter(std::atoi(argv[2]), std::atoi(argv[3]), Serve);
  }
  constexpr char kUse[] =
      "cloister-launcher is started by cloister's addon and does nothing by itself\n";
  [[maybe_unused]] const ssize_t written = write(2, kUse, sizeof(kUse) - 1);
  return 64;
}
