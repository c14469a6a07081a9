#include "native/child/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdint>

#include "native/child/remove_tree.h"
#include "native/landlock/ruleset.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_init;
// A round that finds nobody new is the last; more than this, and somebody starts processes faster
// than they can be stopped.
constexpr int kRounds = 1000;

// Whether a signal to all processes (kill(2), -1) reaches those of the cell and no others.
bool g_contained = false;

// A domain of its own that lets signals reach its own members only. The command's domain lies
// within it: from there the keeper cannot be signalled, while the keeper reaches all of them.
bool ScopeSignals(const Context& context) noexcept {
  if ((context.plan.landlock_scoped & uapi::kLandlockScopeSignal) == 0) {
    return false;
  }
  const landlock::Rights scope = {0, 0, uapi::kLandlockScopeSignal};
  const int ruleset = static_cast<int>(
      Check(context, kStage, landlock::Create(scope), "landlock_create_ruleset", "keeper"));
  Check(context, kStage, landlock::Restrict(ruleset, 0), "landlock_restrict_self", "keeper");
  sys::Close(ruleset);
  return true;
}

struct Status {
  long parent;
  char state;
};

// From proc_pid_stat(5). The name may hold brackets and spaces: what counts comes after the last
// bracket.
bool ReadStatus(const char* pid, Status* status) noexcept {
  TextBuffer<48> path;
  path.Add("/proc/").Add(pid).Add("/stat");
  const long fd = sys::Openat(AT_FDCWD, path.Text(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  char text[512];
  const long size = sys::Read(static_cast<int>(fd), text, sizeof(text) - 1);
  sys::Close(static_cast<int>(fd));
  long at = size > 0 ? size : 0;
  text[at] = '\0';
  while (at > 0 && text[at] != ')') {
    --at;
  }
  if (at == 0 || at + 4 >= size) {
    return false;
  }
  status->state = text[at + 2];
  status->parent = 0;
  for (const char* digit = text + at + 4; *digit >= '0' && *digit <= '9'; ++digit) {
    status->parent = status->parent * 10 + (*digit - '0');
  }
  return true;
}

bool IsOurs(long pid, long keeper, Status* status) noexcept {
  TextBuffer<24> name;
  name.Add(static_cast<std::uint64_t>(pid));
  if (!ReadStatus(name.Text(), status)) {
    return false;
  }
  for (Status above = *status; above.parent > 1;) {
    if (above.parent == keeper) {
      return true;
    }
    TextBuffer<24> parent;
    parent.Add(static_cast<std::uint64_t>(above.parent));
    if (!ReadStatus(parent.Text(), &above)) {
      return false;
    }
  }
  return false;
}

// Sends the signal to a descendant that it would change something for. The descriptor comes before
// the question whose it is: the number may be somebody else's a moment later.
bool Signal(long pid, long keeper, int signal) noexcept {
  const long pidfd = sys::Call(uapi::kSysPidfdOpen, pid, 0);
  if (pidfd < 0) {
    return false;
  }
  Status status = {};
  const bool ours = IsOurs(pid, keeper, &status) && status.state != 'Z' && status.state != 'X' &&
                    (signal != SIGSTOP || status.state != 'T');
  const bool sent = ours && sys::PidfdSendSignal(static_cast<int>(pidfd), signal) == 0;
  sys::Close(static_cast<int>(pidfd));
  return sent;
}

using Entry = uapi::DirectoryEntry;

// How many descendants got the signal.
long SignalAll(int signal) noexcept {
  const long keeper = sys::Call(SYS_getpid);
  const long listing = sys::Openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (listing < 0) {
    return 0;
  }
  long count = 0;
  alignas(Entry) char buffer[4096] = {};
  for (;;) {
    const long size =
        sys::Call(SYS_getdents64, listing, sys::Arg(buffer), static_cast<long>(sizeof(buffer)));
    if (size <= 0) {
      break;
    }
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->size;
      long pid = 0;
      for (const char* digit = entry->name; *digit >= '0' && *digit <= '9'; ++digit) {
        pid = pid * 10 + (*digit - '0');
      }
      count += pid > 1 && Signal(pid, keeper, signal) ? 1 : 0;
    }
  }
  sys::Close(static_cast<int>(listing));
  return count;
}

// Waits for the children there are; true when there are none left. `block`: until then.
bool ReapAll(bool block) noexcept {
  for (;;) {
    siginfo_t info = {};
    const long result =
        sys::Call(SYS_waitid, P_ALL, 0, sys::Arg(&info), WEXITED | (block ? 0 : WNOHANG), 0);
    if (result == -EINTR) {
      continue;
    }
    if (result < 0 || info.si_pid == 0) {
      return result < 0;
    }
  }
}

}  // namespace

void EndDescendants() noexcept {
  if (g_contained) {
    // One pass of the kernel under the lock that fork(2) takes to add a process, and fork(2) gives
    // up when a signal is pending: nobody gets away, however fast he forks.
    sys::Call(SYS_kill, -1, SIGKILL);
    ReapAll(true);
    return;
  }
  for (int round = 0; round < kRounds && !ReapAll(false); ++round) {
    // A stopped process starts no further one: once nobody is left to be stopped, all are known.
    for (int stop = 0; stop < kRounds && SignalAll(SIGSTOP) > 0; ++stop) {
    }
    SignalAll(SIGKILL);
  }
  // Whoever is left now is dying, or got away; then the launcher finds him among its own children.
  ReapAll(false);
}

void BecomeKeeper(Context* context) noexcept {
  Check(*context, kStage, sys::Prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl", "PR_SET_CHILD_SUBREAPER");
  const bool scoped = ScopeSignals(*context);
  const bool own_id = context->host_id != 0;
  // Proven on a process that is not of the cell: the launcher, to which this one could send signals
  // otherwise.
  const long launcher = sys::Call(SYS_getppid);
  const bool refused = launcher > 1 && sys::Call(SYS_kill, launcher, 0) == -EPERM;
  if (scoped && !refused) {
    Fail(*context, kStage, EPERM, "kill", "Landlock's signal scope has no effect");
  }
  g_contained = (scoped || own_id) && refused;
  // From here on the launcher's death must not kill this process before it has ended the others: a
  // signal that is only read.
  Check(*context, kStage, sys::Prctl(PR_SET_PDEATHSIG, SIGHUP), "prctl", "PR_SET_PDEATHSIG");
}

void Leave(const Context& context, int status, bool orphaned) noexcept {
  if (context.plan.NeedsKeeper()) {
    EndDescendants();
    if (orphaned && *context.plan.scratch != '\0') {
      RemoveTree(context.plan.scratch);
    }
  }
  sys::Exit(status);
}

}  // namespace cloister::child
