// Stage init: process 1 of the cell. It starts the command, reaps whatever is orphaned, reports the
// command's end and ends; with it the kernel ends every process of the pid namespace
// (pid_namespaces(7)).

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
#include "native/linux/launcher_signals.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_init;
constexpr std::size_t kStackSize = 64 * 1024;

// struct sigaction as the kernel has it on both architectures; all zero is SIG_DFL.
struct KernelSigaction {
  std::uint64_t handler;
  std::uint64_t flags;
  std::uint64_t restorer;
  std::uint64_t mask;
};

// In memory that init and the command's process share until exec.
struct CommandStart {
  Context* context;
  wire::ChildReport report;
};
CommandStart g_start;
alignas(16) char g_command_stack[kStackSize];

int CommandMain(void* start) noexcept {
  auto* command = static_cast<CommandStart*>(start);
  ExecuteCommand(command->context, &command->report);
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
  const std::uint64_t mask = std::uint64_t{1} << (SIGCHLD - 1);
  Check(context, kStage,
        sys::Call(SYS_rt_sigprocmask, SIG_SETMASK, sys::Arg(&mask), 0, sizeof(mask)),
        "rt_sigprocmask", "");
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
    sys::Exit(1);
  }
}

// Starts the command and reports it. Memory is shared and init stopped until exec (CLONE_VM |
// CLONE_VFORK): no page is copied, and whether the exec worked is known when clone(2) returns.
int StartCommand(Context* context) noexcept {
  g_start.context = context;
  int pidfd = -1;
  const int pid = clone(CommandMain, g_command_stack + kStackSize,
                        CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &g_start, &pidfd);
  if (pid < 0) {
    // The kernel's number is only in errno here; nothing else of the C library is used.
    Fail(*context, kStage, errno, "clone", context->plan.command);
  }
  wire::ChildReport* report = &g_start.report;
  if (report->kind == wire::ReportKind::kFailed) {
    SendReport(*context, *report, nullptr, 0);
    sys::Exit(1);
  }
  if (report->kind != wire::ReportKind::kStarted) {
    Fail(*context, kStage, ESRCH, "clone", "the command's process ended before it was executed");
  }
  const int fds[] = {pidfd, context->terminal_master};
  SendReport(*context, *report, fds, context->terminal_master >= 0 ? 2 : 1);
  sys::Close(pidfd);
  // The command's ends of the pipes are the command's alone: who reads them sees their end.
  sys::CloseRange(0, static_cast<unsigned>(context->stdio_count) - 1);
  if (context->terminal_master >= 0) {
    sys::Close(context->terminal_master);
  }
  // Only then is the command reaped: while the launcher looks up the process behind the descriptor,
  // it is there.
  char seen = 0;
  if (sys::Read(context->channel, &seen, 1) != 1 || seen != wire::kStartSeen) {
    sys::Exit(1);
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
      SYS_ppoll,      SYS_read, SYS_waitid,        SYS_sendmsg,      SYS_getrusage,
      SYS_exit_group, SYS_exit, SYS_clock_gettime, SYS_rt_sigreturn, SYS_restart_syscall};
  constexpr std::size_t kCount = sizeof(kAllowed) / sizeof(kAllowed[0]);
  sock_filter program[kCount + 6] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),  // seccomp_data.arch
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),  // seccomp_data.nr
  };
  for (std::size_t i = 0; i < kCount; ++i) {
    program[4 + i] =
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAllowed[i], static_cast<unsigned char>(kCount - i), 0);
  }
  program[4 + kCount] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  program[5 + kCount] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  sock_fprog filter = {kCount + 6, program};
  Check(context, Stage::k_filter,
        sys::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, sys::Arg(&filter)), "seccomp", "init");
}

std::uint64_t Microseconds(const timeval& time) noexcept {
  return static_cast<std::uint64_t>(time.tv_sec) * 1000000U +
         static_cast<std::uint64_t>(time.tv_usec);
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
  sys::Exit(0);
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

}  // namespace

void RunInit(Context* context) noexcept {
  ResetDispositions(*context);
  BindToLauncher(*context);
  Check(*context, kStage,
        sys::Prctl(PR_SET_NAME, reinterpret_cast<std::uintptr_t>("cloister-init")), "prctl",
        "PR_SET_NAME");
  const int signals = OpenChildSignals(*context);
  const int command = StartCommand(context);
  FilterSelf(*context);
  pollfd watched[] = {{signals, POLLIN, 0}, {context->channel, 0, 0}};
  for (;;) {
    Reap(*context, command);
    sys::Call(SYS_ppoll, sys::Arg(watched), 2, 0, 0, 0);
    if ((watched[1].revents & (POLLHUP | POLLERR)) != 0) {
      sys::Exit(1);
    }
    if ((watched[0].revents & POLLIN) != 0) {
      char drained[128 * 4];
      sys::Read(signals, drained, sizeof(drained));
    }
  }
}

}  // namespace cloister::child
