// Stage ids: the maps of the new user namespace, and taking on the ids of the cell.

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cerrno>

#include "native/child/context.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_ids;

void WriteFile(const Context& context, const char* path, const char* text,
               std::size_t length) noexcept {
  const int fd = static_cast<int>(
      Check(context, kStage, sys::Openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC), "open", path));
  // A map counts as a whole, in one write (user_namespaces(7)).
  Check(context, kStage, sys::Write(fd, text, length), "write", path);
  sys::Close(fd);
}

// A map of one id, the inner one to the caller's own, needs no privilege once setgroups(2) is given
// up (user_namespaces(7), 3.19): with it, a program could leave a group that a file's mode denies.
void WriteOwnMaps(const Context& context) noexcept {
  // The launcher is not dumpable, and so is its copy: /proc/self would belong to root. The copy
  // holds nothing secret by now.
  Check(context, kStage, sys::Prctl(PR_SET_DUMPABLE, 1), "prctl", "PR_SET_DUMPABLE");
  WriteFile(context, "/proc/self/setgroups", "deny", 4);
  TextBuffer<64> uids;
  uids.Add(std::uint64_t{context.preparation.uid}).Add(" ").Add(std::uint64_t{context.facts.uid});
  uids.Add(" 1\n");
  WriteFile(context, "/proc/self/uid_map", uids.Text(), uids.Length());
  TextBuffer<64> gids;
  gids.Add(std::uint64_t{context.preparation.gid}).Add(" ").Add(std::uint64_t{context.facts.gid});
  gids.Add(" 1\n");
  WriteFile(context, "/proc/self/gid_map", gids.Text(), gids.Length());
}

// No further user namespace can be made in the cell, with it none of the others either (ENOSPC,
// user.max_user_namespaces, 4.9).
void ForbidUserNamespaces(const Context& context) noexcept {
  const char* path = "/proc/self/ns/user";
  struct stat own = {};
  Check(context, kStage, sys::Call(SYS_newfstatat, AT_FDCWD, sys::Arg(path), sys::Arg(&own), 0),
        "stat", path);
  // Outside of a namespace of its own this would switch them off for the whole machine.
  if (own.st_ino == context.facts.user_namespace) {
    Fail(context, kStage, EPERM, "clone3", "CLONE_NEWUSER had no effect");
  }
  WriteFile(context, "/proc/sys/user/max_user_namespaces", "0", 1);
  // What the cell takes counts for the caller as well, whose own limit is 128 of them by default
  // (inotify(7), user.max_inotify_instances, 4.13).
  WriteFile(context, "/proc/sys/user/max_inotify_instances", "16", 2);
  WriteFile(context, "/proc/sys/user/max_inotify_watches", "8192", 4);
}

void TakeOn(const Context& context, std::uint32_t uid, std::uint32_t gid) noexcept {
  const long user = static_cast<long>(uid);
  const long group = static_cast<long>(gid);
  Check(context, kStage, sys::Call(SYS_setresgid, group, group, group), "setresgid", "");
  Check(context, kStage, sys::Call(SYS_setresuid, user, user, user), "setresuid", "");
}

// Leaving uid 0 keeps the permitted set (PR_SET_KEEPCAPS) and empties the effective one: stage
// privileges needs it to drop the rest (capabilities(7)).
void RaisePermitted(const Context& context) noexcept {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  Check(context, kStage, sys::Call(SYS_capget, sys::Arg(&header), sys::Arg(data)), "capget", "");
  for (__user_cap_data_struct& half : data) {
    half.effective = half.permitted;
  }
  Check(context, kStage, sys::Call(SYS_capset, sys::Arg(&header), sys::Arg(data)), "capset", "");
}

}  // namespace

void EnterIds(Context* context) noexcept {
  const wire::Preparation& wanted = context->preparation;
  // clone3(2) refuses a flag that it cannot honour: that this process runs says that they are its
  // own.
  context->confirmed.namespaces = static_cast<std::uint32_t>(wanted.namespaces);
  if ((wanted.namespaces & CLONE_NEWUSER) == 0) {
    return;
  }
  // For a real-root caller the launcher has written the maps: they lead to an unprivileged id that
  // is not its own.
  if (wanted.unprivileged_host_ids != 0) {
    // Root's supplementary groups would still open files.
    Check(*context, kStage, sys::Call(SYS_setgroups, 0, 0), "setgroups", "");
  } else {
    WriteOwnMaps(*context);
  }
  Check(*context, kStage, sys::Prctl(PR_SET_KEEPCAPS, 1), "prctl", "PR_SET_KEEPCAPS");
  TakeOn(*context, wanted.uid, wanted.gid);
  ForbidUserNamespaces(*context);
  // From here on nobody else with these ids may look into this process.
  Check(*context, kStage, sys::Prctl(PR_SET_DUMPABLE, 0), "prctl", "PR_SET_DUMPABLE");
}

void ChangeIds(Context* context) noexcept {
  const wire::Preparation& wanted = context->preparation;
  if ((wanted.namespaces & CLONE_NEWUSER) != 0) {
    return;
  }
  if (wanted.unprivileged_host_ids == 0) {
    // A process that runs with borrowed ids would otherwise keep its own behind them.
    TakeOn(*context, context->facts.uid, context->facts.gid);
  } else {
    // 0 is what a launcher leaves that has none to give: never to be taken on as an id.
    if (context->host_id == 0) {
      Fail(*context, kStage, EPERM, "setresuid", "no host id");
    }
    Check(*context, kStage, sys::Call(SYS_setgroups, 0, 0), "setgroups", "");
    Check(*context, kStage, sys::Prctl(PR_SET_KEEPCAPS, 1), "prctl", "PR_SET_KEEPCAPS");
    TakeOn(*context, context->host_id, context->host_id);
    RaisePermitted(*context);
  }
  Check(*context, kStage, sys::Prctl(PR_SET_DUMPABLE, 0), "prctl", "PR_SET_DUMPABLE");
}

}  // namespace cloister::child
