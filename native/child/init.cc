// Stage init: the first process of the cell. It starts the command, reaps whatever is orphaned,
// reports the command's end and ends. As process 1 of a pid namespace it takes every other process
// of that along (pid_namespaces(7)); without one it is the keeper, and ends them first.

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>

#include "native/child/context.h"
#include "native/child/keeper.h"
#include "native/linux/launcher_signals.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_init;
constexpr std::size_t kStackSize = 64 * 1024;
constexpr unsigned kStandardError = 2;

// struct sigaction as the kernel has it on both architectures; all zero is SIG_DFL.
struct KernelSigaction {
  std::uint64_t handler;
  std::uint64_t flags;
  std::uint64_t restorer;
  std::uint64_t mask;
};

CommandStart g_start;
alignas(16) char g_command_stack[kStackSize];

int CommandMain(void* start) noexcept {
  auto* command = static_cast<CommandStart*>(start);
  command->context->failure = &command->report;
  ExecuteCommand(command);
}

void ResetDispositions(const Context& context) noexcept {
  // Ignored signals stay ignored over execve(2).
  const KernelSigaction standard = {};
  for (const int signal : kLauncherIgnored) {
    Check(context, kStage,
          sys::Call(SYS_rt_sigaction, signal, sys::Arg(&standard), 0, sizeof(std::uint64_t)),
          "rt_sigaction", "");
  }
}

// Dies with the launcher. The signal is set only now, since a change of credentials clears it
// (prctl(2)); a launcher that died before shows as a closed channel, one that dies later sends the
// signal.
void BindToLauncher(const Context& context) noexcept {
  Check(context, kStage, sys::Prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl", "PR_SET_PDEATHSIG");
  pollfd channel = {context.channel, 0, 0};
  struct {
    long seconds;
    long nanoseconds;
  } at_once = {0, 0};
  Check(context, kStage, sys::Call(SYS_ppoll, sys::Arg(&channel), 1, sys::Arg(&at_once), 0, 0),
        "ppoll", "");
  if ((channel.revents & (POLLHUP | POLLERR)) != 0) {
    sys::Exit(1);
  }
}

int OpenChildSignals(const Context& context) noexcept {
  // Process 1 is safe from signals that it does not handle; a keeper is not, whoever sends them.
  const std::uint64_t all = ~std::uint64_t{0};
  Check(context, kStage, sys::Call(SYS_rt_sigprocmask, SIG_SETMASK, sys::Arg(&all), 0, sizeof(all)),
        "rt_sigprocmask", "");
  const std::uint64_t mask = std::uint64_t{1} << (SIGCHLD - 1) | std::uint64_t{1} << (SIGHUP - 1);
  return static_cast<int>(Check(context, kStage,
                                sys::Call(SYS_signalfd4, -1, sys::Arg(&mask), sizeof(mask),
                                          02000000 | 04000 /* SFD_CLOEXEC | SFD_NONBLOCK */),
                                "signalfd4", ""));
}

void SendReport(const Context& context, const wire::ChildReport& report, const int* fds,
                std::size_t count) noexcept {
  iovec part = {const_cast<wire::ChildReport*>(&report), sizeof(report)};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (std::size_t i = 0; i < count; ++i) {
      reinterpret_cast<int*>(CMSG_DATA(header))[i] = fds[i];
    }
  }
  // Without a launcher to hear it there is nothing left to do here.
  if (sys::Call(SYS_sendmsg, context.channel, sys::Arg(&message), MSG_NOSIGNAL) < 0) {
    Leave(context, 1, true);
  }
}

std::int32_t Phase() noexcept {
  return __atomic_load_n(&g_start.phase, __ATOMIC_ACQUIRE);
}

int Listener() noexcept {
  return __atomic_load_n(&g_start.listener, __ATOMIC_ACQUIRE);
}

// Waits while the phase is this one. A wake-up without a change is possible.
void WaitInPhase(const Context& context, std::int32_t phase) noexcept {
  constexpr long kLookAgainNs = 50L * 1000 * 1000;
  struct {
    long seconds;
    long nanoseconds;
  } time = {0, kLookAgainNs}, at_once = {0, 0};
  sys::Call(SYS_futex, sys::Arg(&g_start.phase), 0 /* FUTEX_WAIT */, phase, sys::Arg(&time));
  // An init is killed; a keeper has to see for itself that the cell is to end.
  pollfd channel = {context.channel, POLLIN, 0};
  if (context.plan.NeedsKeeper() &&
      sys::Call(SYS_ppoll, sys::Arg(&channel), 1, sys::Arg(&at_once), 0, 0) > 0) {
    Leave(context, 1, (channel.revents & (POLLHUP | POLLERR)) != 0);
  }
}

// The listener goes to the launcher before anything else happens: the filter asks about the
// command's own execve(2) already. The process that installs the filter cannot send it, since the
// filter holds for it as well; init has it through the shared table of descriptors.
void HandOverListener(const Context& context) noexcept {
  while (Phase() == kPreparing) {
    WaitInPhase(context, kPreparing);
  }
  // One system call is left to the other until its descriptor shows, so that waiting is not worth a
  // way to be woken, which that filter would have to allow.
  while (Listener() < 0 && Phase() == kInstalling) {
    sys::Call(SYS_sched_yield);
  }
  // Once more: it may have come this far and been executed between the two looks.
  const int listener = Listener();
  if (listener < 0) {
    return;  // it has ended, and its report says why
  }
  wire::ChildReport report = {};
  report.kind = wire::ReportKind::kListener;
  SendReport(context, report, &listener, 1);
  sys::Close(listener);
  for (std::int32_t phase = Phase(); phase != 0; phase = Phase()) {
    WaitInPhase(context, phase);
  }
}

// Memory is shared until exec, so that no page is copied. Whether the exec worked is known once the
// memory is given up: at the return of clone(2), which waits for that (CLONE_VFORK), or by the
// phase.
int CloneCommand(Context* context, int* pidfd) noexcept {
  const bool listens = WantsListener(context->plan);
  g_start.context = context;
  g_start.phase = kPreparing;
  g_start.listener = -1;
  const int how = listens ? CLONE_FILES | CLONE_CHILD_CLEARTID : CLONE_VFORK;
  const int pid =
      clone(CommandMain, g_command_stack + kStackSize, CLONE_VM | CLONE_PIDFD | how | SIGCHLD,
            &g_start, pidfd, nullptr, &g_start.phase);
  if (pid < 0) {
    // The kernel's number is only in errno here; nothing else of the C library is used.
    Fail(*context, kStage, errno, "clone", context->plan.command);
  }
  if (listens) {
    HandOverListener(*context);
  }
  return pid;
}

bool LeavesLine(const plan::Plan& plan) noexcept {
  return plan.violation_answer == plan::ViolationAnswer::kKill;
}

// The command's ends of the pipes are the command's alone: who reads them sees their end. Only
// standard error is kept where a last line may have to be written to it.
void CloseStdio(const Context& context) noexcept {
  const unsigned last = static_cast<unsigned>(context.stdio_count) - 1;
  if (!LeavesLine(context.plan)) {
    sys::CloseRange(0, last);
    return;
  }
  sys::CloseRange(0, kStandardError - 1);
  if (last > kStandardError) {
    sys::CloseRange(kStandardError + 1, last);
  }
}

// Starts the command and reports it.
int StartCommand(Context* context) noexcept {
  int pidfd = -1;
  const int pid = CloneCommand(context, &pidfd);
  context->failure = nullptr;
  wire::ChildReport* report = &g_start.report;
  if (report->kind == wire::ReportKind::kFailed) {
    SendReport(*context, *report, nullptr, 0);
    sys::Exit(1);
  }
  if (report->kind != wire::ReportKind::kStarted) {
    Fail(*context, kStage, ESRCH, "clone", "the command's process ended before it was executed");
  }
  report->value = pid;
  const int fds[] = {pidfd, context->terminal_master};
  SendReport(*context, *report, fds, context->terminal_master >= 0 ? 2 : 1);
  sys::Close(pidfd);
  CloseStdio(*context);
  if (context->terminal_master >= 0) {
    sys::Close(context->terminal_master);
  }
  // Only then is the command reaped: while the launcher looks up the process behind the descriptor,
  // it is there.
  char seen = 0;
  const long size = sys::Read(context->channel, &seen, 1);
  if (size != 1 || seen != wire::kStartSeen) {
    Leave(*context, 1, size != 1);
  }
  return pid;
}

// Init needs few calls: whatever might take it over from inside the cell has no others.
void FilterSelf(const Context& context) noexcept {
#if defined(__x86_64__)
  constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
#else
  constexpr std::uint32_t kArch = AUDIT_ARCH_AARCH64;
#endif
  constexpr std::uint32_t kAllowed[] = {
      // A keeper's, for ending others and for removing the scratch directory.
      uapi::kSysPidfdOpen, uapi::kSysPidfdSendSignal, SYS_openat, SYS_close, SYS_getdents64,
      SYS_unlinkat, SYS_fstat, SYS_fchmod, SYS_fchmodat, SYS_getppid,
      // Everybody's.
      SYS_kill, SYS_getpid, SYS_ppoll, SYS_read, SYS_waitid, SYS_sendmsg, SYS_getrusage,
      SYS_exit_group, SYS_exit, SYS_clock_gettime, SYS_rt_sigreturn, SYS_restart_syscall,
      SYS_write};
  constexpr std::size_t kAll = sizeof(kAllowed) / sizeof(kAllowed[0]);
  constexpr std::size_t kKeepersAlone = 9;
  const std::size_t first = context.plan.NeedsKeeper() ? 0 : kKeepersAlone;
  const std::size_t count = kAll - first;
  sock_filter program[kAll + 6] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),  // seccomp_data.arch
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),  // seccomp_data.nr
  };
  for (std::size_t i = 0; i < count; ++i) {
    program[4 + i] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAllowed[first + i],
                              static_cast<unsigned char>(count - i), 0);
  }
  program[4 + count] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  program[5 + count] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  sock_fprog filter = {static_cast<unsigned short>(count + 6), program};
  Check(context, Stage::k_filter,
        sys::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, sys::Arg(&filter)), "seccomp", "init");
}

std::uint64_t Microseconds(const timeval& time) noexcept {
  return static_cast<std::uint64_t>(time.tv_sec) * 1000000U +
         static_cast<std::uint64_t>(time.tv_usec);
}

// Whether process 1 has children, ended or not: who is orphaned becomes one.
bool HasChildren() noexcept {
  siginfo_t info = {};
  return sys::Call(SYS_waitid, P_ALL, 0, sys::Arg(&info), WEXITED | WNOHANG | WNOWAIT | __WALL,
                   0) == 0;
}

// What the command left behind. The end of process 1 would end it as well, but the kernel reaps
// without counting then: its processor time would be nobody's.
void EndOthers() noexcept {
  // Where this is not process 1 of a pid namespace, "all" would be the host's.
  if (sys::Call(SYS_getpid) != 1 || !HasChildren() || sys::Call(SYS_kill, -1, SIGKILL) != 0) {
    return;
  }
  for (;;) {
    siginfo_t info = {};
    const long result = sys::Call(SYS_waitid, P_ALL, 0, sys::Arg(&info), WEXITED | __WALL, 0);
    if (result < 0 && result != -EINTR) {
      return;
    }
  }
}

[[noreturn]] void ReportEnd(const Context& context, const siginfo_t& info) noexcept {
  wire::ChildReport report = {};
  report.kind = wire::ReportKind::kExited;
  report.time_ns = sys::MonotonicNow();
  report.signaled = info.si_code == CLD_EXITED ? 0 : 1;
  report.value = info.si_status;
  rusage own = {};
  sys::Call(SYS_getrusage, RUSAGE_SELF, sys::Arg(&own));
  report.init_user_us = Microseconds(own.ru_utime);
  report.init_system_us = Microseconds(own.ru_stime);
  SendReport(context, report, nullptr, 0);
  if (!context.plan.NeedsKeeper()) {
    EndOthers();
  }
  Leave(context, 0, false);
}

// Reaps what has ended; does not return when the command has.
void Reap(const Context& context, int command) noexcept {
  for (;;) {
    siginfo_t info = {};
    const long result = sys::Call(SYS_waitid, P_ALL, 0, sys::Arg(&info), WEXITED | WNOHANG, 0);
    if (result == -EINTR) {
      continue;
    }
    if (result < 0 || info.si_pid == 0) {
      return;
    }
    if (info.si_pid == command) {
      ReportEnd(context, info);
    }
  }
}

// A pipe with room for a whole line of kLineSize, which is less than PIPE_BUF (pipe(7)).
bool CanWrite(int fd) noexcept {
  struct {
    long seconds;
    long nanoseconds;
  } at_once = {0, 0};
  pollfd output = {fd, POLLOUT, 0};
  return sys::Call(SYS_ppoll, sys::Arg(&output), 1, sys::Arg(&at_once), 0, 0) == 1 &&
         (output.revents & POLLOUT) != 0;
}

// The launcher's last word on a cell that is to end: kEndAll, or for a violation a line for the
// command's standard error. It waits here, where nothing but the cell is held up, if nobody reads
// the pipe; the launcher does not wait for long.
[[noreturn]] void LeaveLine(const Context& context) noexcept {
  char line[wire::kLineSize];
  const long size = sys::Read(context.channel, line, sizeof(line));
  const bool wanted = size > 1 && LeavesLine(context.plan);
  if (context.plan.NeedsKeeper()) {
    // Nobody would end a keeper that waits: it writes if it can at once, when all others have
    // ended.
    EndDescendants();
    if (wanted && CanWrite(kStandardError)) {
      sys::Write(kStandardError, line, static_cast<std::size_t>(size));
    }
    Leave(context, 1, false);
  }
  if (wanted) {
    sys::Write(kStandardError, line, static_cast<std::size_t>(size));
  }
  // With process 1 the kernel ends all others.
  sys::Exit(1);
}

}  // namespace

void RunInit(Context* context) noexcept {
  ResetDispositions(*context);
  BindToLauncher(*context);
  Check(*context, kStage,
        sys::Prctl(PR_SET_NAME, reinterpret_cast<std::uintptr_t>("cloister-init")), "prctl",
        "PR_SET_NAME");
  const int signals = OpenChildSignals(*context);
  const long launcher = sys::Call(SYS_getppid);
  if (context->plan.NeedsKeeper()) {
    BecomeKeeper(context);
  }
  const int command = StartCommand(context);
  FilterSelf(*context);
  pollfd watched[] = {{signals, POLLIN, 0}, {context->channel, POLLIN, 0}};
  for (;;) {
    Reap(*context, command);
    sys::Call(SYS_ppoll, sys::Arg(watched), 2, 0, 0, 0);
    if ((watched[1].revents & (POLLHUP | POLLERR)) != 0 ||
        (context->plan.NeedsKeeper() && sys::Call(SYS_getppid) != launcher)) {
      Leave(*context, 1, true);
    }
    if ((watched[1].revents & POLLIN) != 0) {
      LeaveLine(*context);
    }
    if ((watched[0].revents & POLLIN) != 0) {
      char drained[128 * 4];
      sys::Read(signals, drained, sizeof(drained));
    }
  }
}

}  // namespace cloister::child
