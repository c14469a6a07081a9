// The command's process, between init's clone(2) and execve(2): stages filter and exec.

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>

#include "native/child/context.h"
#include "native/child/text.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

// This process shares its memory with init, which waits until exec or exit (vfork(2)): init reads
// the report and sends it.
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

void InstallFilter(const plan::Plan& plan, wire::ChildReport* report) noexcept {
  if (plan.filter.size == 0) {
    return;
  }
  sock_fprog program = {static_cast<unsigned short>(plan.filter.size),
                        const_cast<sock_filter*>(plan.filter.data)};
  Require(report, Stage::k_filter,
          sys::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, sys::Arg(&program)), "seccomp", "");
  report->confirmed.filters += 1;
  report->confirmed.filter_instructions = static_cast<std::uint32_t>(plan.filter.size);
}

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
      // The file is there: its `#!` interpreter or dynamic loader is not.
      Refuse(report, Stage::k_exec, ENOENT, "execve (interpreter)", path);
    } else if (result != -ENOENT && result != -ENOTDIR) {
      Refuse(report, Stage::k_exec, -result, "execve", path);
    }
  }
  if (refused != nullptr) {
    Refuse(report, Stage::k_exec, EACCES, "execve", refused);
  }
  Refuse(report, Stage::k_exec, ENOENT, "execve", plan.command);
}

}  // namespace

void ExecuteCommand(Context* context, wire::ChildReport* report) noexcept {
  const plan::Plan& plan = context->plan;
  ResetSignals(report);
  JoinSession(plan, report);
  for (std::size_t i = 0; i < plan.limits.size; ++i) {
    if (plan.limits[i].resource == RLIMIT_NOFILE) {
      SetLimit(*context, plan.limits[i]);
    }
  }
  Require(report, Stage::k_exec, sys::Call(SYS_chdir, sys::Arg(plan.cwd)), "chdir", plan.cwd);
  ReadBack(*context, report);
  InstallFilter(plan, report);
  report->time_ns = sys::MonotonicNow();
  // From here on the end of this process is the command's.
  report->kind = wire::ReportKind::kStarted;
  Execute(plan, report);
}

}  // namespace cloister::child
