// The command's process, between init's clone(2) and execve(2): stages filter and exec.

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>

#include "native/child/context.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

namespace {

// This process shares its memory with init, which waits until exec or exit: init reads the report
// and sends it.
[[noreturn]] void Refuse(wire::ChildReport* report, Stage stage, long error, const char* syscall,
                         const char* detail) noexcept {
  report->stage = static_cast<std::uint32_t>(stage);
  report->error = static_cast<std::int32_t>(error);
  CopyText(report->syscall, sizeof(report->syscall), syscall);
  CopyText(report->detail, sizeof(report->detail), detail);
  report->kind = wire::ReportKind::kFailed;
  sys::Exit(127);
}

void Require(wire::ChildReport* report, Stage stage, long result, const char* syscall,
             const char* detail) noexcept {
  if (result < 0) {
    Refuse(report, stage, -result, syscall, detail);
  }
}

void ResetSignals(wire::ChildReport* report) noexcept {
  const std::uint64_t none = 0;
  Require(report, Stage::k_init,
          sys::Call(SYS_rt_sigprocmask, SIG_SETMASK, sys::Arg(&none), 0, sizeof(none)),
          "rt_sigprocmask", "");
}

void JoinSession(const plan::Plan& plan, wire::ChildReport* report) noexcept {
  // Out of reach of the caller's terminal and its job control signals.
  Require(report, Stage::k_stdio, sys::Call(SYS_setsid), "setsid", "");
  if (plan.terminal) {
    Require(report, Stage::k_stdio, sys::Call(SYS_ioctl, 0, TIOCSCTTY, 0), "ioctl", "TIOCSCTTY");
  }
}

// What the kernel says of this process, for the enforcement report.
void ReadBack(const Context& context, wire::ChildReport* report) noexcept {
  report->confirmed = context.confirmed;
  report->confirmed.no_new_privileges = sys::Prctl(PR_GET_NO_NEW_PRIVS) == 1 ? 1 : 0;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  Require(report, Stage::k_privileges, sys::Call(SYS_capget, sys::Arg(&header), sys::Arg(data)),
          "capget", "");
  report->confirmed.capabilities = std::uint64_t{data[1].permitted} << 32 | data[0].permitted;
  report->confirmed.filters = context.facts.filters;
}

// Nothing but execve(2) may be called from here on, or the filter decides about it.
void InstallFilter(CommandStart* start) noexcept {
  const plan::Plan& plan = start->context->plan;
  wire::ChildReport* report = &start->report;
  if (plan.filter.size == 0) {
    return;
  }
  sock_fprog program = {static_cast<unsigned short>(plan.filter.size),
                        const_cast<sock_filter*>(plan.filter.data)};
  const auto install = [&program](std::uint32_t flags) {
    return sys::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, sys::Arg(&program));
  };
  if (!WantsListener(plan)) {
    Require(report, Stage::k_filter, install(0), "seccomp", "");
  } else {
    __atomic_store_n(&start->phase, kInstalling, __ATOMIC_RELEASE);
    sys::Call(SYS_futex, sys::Arg(&start->phase), 1 /* FUTEX_WAKE */, 1);
    // A call that waits for the answer is not begun anew by a signal that has a handler: that would
    // be a second question.
    long listener = install(uapi::kSeccompNewListener | uapi::kSeccompWaitKillable);
    if (listener == -EINVAL) {
      listener = install(uapi::kSeccompNewListener);
    }
    Require(report, Stage::k_filter, listener, "seccomp", "SECCOMP_FILTER_FLAG_NEW_LISTENER");
    __atomic_store_n(&start->listener, static_cast<std::int32_t>(listener), __ATOMIC_RELEASE);
  }
  report->confirmed.filters += 1;
  report->confirmed.filter_instructions = static_cast<std::uint32_t>(plan.filter.size);
}

[[noreturn]] void RefuseCommand(wire::ChildReport* report, const plan::Plan& plan,
                                const char* refused) noexcept {
  if (refused != nullptr) {
    Refuse(report, Stage::k_exec, EACCES, "execve", refused);
  }
  Refuse(report, Stage::k_exec, ENOENT, "execve", plan.command);
}

// The file is there: its `#!` interpreter or dynamic loader is not.
constexpr char kNoInterpreter[] = "execve (interpreter)";

// As execvp(3) goes through PATH: what is not there is passed over, EACCES is remembered, anything
// else decides.
[[noreturn]] void Execute(const plan::Plan& plan, wire::ChildReport* report) noexcept {
  const char* refused = nullptr;
  for (std::size_t i = 0; i < plan.candidates.size; ++i) {
    const char* path = plan.candidates[i];
    const long result = sys::Call(SYS_execve, sys::Arg(path), sys::Arg(plan.argv.data),
                                  sys::Arg(plan.environment.data));
    if (result == -EACCES) {
      refused = refused == nullptr ? path : refused;
    } else if (result == -ENOENT && sys::Call(SYS_faccessat, AT_FDCWD, sys::Arg(path), 0) == 0) {
      Refuse(report, Stage::k_exec, ENOENT, kNoInterpreter, path);
    } else if (result != -ENOENT && result != -ENOTDIR) {
      Refuse(report, Stage::k_exec, -result, "execve", path);
    }
  }
  RefuseCommand(report, plan, refused);
}

// The one that execvp(3) would come to. Under a filter that lets one program be executed there is
// one try.
const char* FindCommand(const plan::Plan& plan, wire::ChildReport* report) noexcept {
  const char* refused = nullptr;
  for (std::size_t i = 0; i < plan.candidates.size; ++i) {
    const char* path = plan.candidates[i];
    struct stat status = {};
    long result = sys::Call(SYS_newfstatat, AT_FDCWD, sys::Arg(path), sys::Arg(&status), 0);
    if (result == 0) {
      result =
          S_ISREG(status.st_mode) ? sys::Call(SYS_faccessat, AT_FDCWD, sys::Arg(path), 1) : -EACCES;
    }
    if (result == 0) {
      return path;
    }
    if (result == -EACCES) {
      refused = refused == nullptr ? path : refused;
    } else if (result != -ENOENT && result != -ENOTDIR) {
      Refuse(report, Stage::k_exec, -result, "execve", path);
    }
  }
  RefuseCommand(report, plan, refused);
}

[[noreturn]] void ExecuteOnce(const plan::Plan& plan, const char* path,
                              wire::ChildReport* report) noexcept {
  const long result = sys::Call(SYS_execve, sys::Arg(path), sys::Arg(plan.argv.data),
                                sys::Arg(plan.environment.data));
  Refuse(report, Stage::k_exec, -result, result == -ENOENT ? kNoInterpreter : "execve", path);
}

}  // namespace

void ExecuteCommand(CommandStart* start) noexcept {
  Context* context = start->context;
  wire::ChildReport* report = &start->report;
  const plan::Plan& plan = context->plan;
  ResetSignals(report);
  JoinSession(plan, report);
  if (plan.NeedsKeeper()) {
    // Here and not before: the keeper stays outside.
    EnterLandlock(context);
  }
  for (std::size_t i = 0; i < plan.limits.size; ++i) {
    if (plan.limits[i].resource == RLIMIT_NOFILE) {
      SetLimit(*context, plan.limits[i]);
    }
  }
  if (context->umask != wire::kKeepUmask) {
    sys::Call(SYS_umask, static_cast<long>(context->umask));
  }
  Require(report, Stage::k_exec, sys::Call(SYS_chdir, sys::Arg(plan.cwd)), "chdir", plan.cwd);
  ReadBack(*context, report);
  const char* found = WantsListener(plan) ? FindCommand(plan, report) : nullptr;
  report->time_ns = sys::MonotonicNow();
  InstallFilter(start);
  // From here on the end of this process is the command's.
  report->kind = wire::ReportKind::kStarted;
  if (found != nullptr) {
    ExecuteOnce(plan, found, report);
  }
  Execute(plan, report);
}

}  // namespace cloister::child
