// Stage ids: the maps of the new user namespace, and taking on the ids of the cell.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cerrno>

#include "native/child/context.h"
#include "native/child/text.h"
#include "native/linux/syscalls.h"

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

// A map of one id, the inner one to the caller's own, needs no privilege once setgroups(2) is given up (user_namespaces(7), 3.19): with it, a
// program could leave a group that a file's mode denies.
void WriteOwnMaps(const Context& context) noexcept {
  // The launcher is not dumpable, and so is its copy: /proc/self would belong to root. The copy holds nothing secret by now.
  Check(context, kStage, sys::Prctl(PR_SET_DUMPABLE, 1), "prctl", "PR_SET_DUMPABLE");
  WriteFile(context, "/proc/self/setgroups", "deny", 4);
  TextBuffer<64> uids;
  uids.Add(std::uint64_t{context.plan->uid}).Add(" ").Add(std::uint64_t{context.caller_uid});
  uids.Add(" 1\n");
  WriteFile(context, "/proc/self/uid_map", uids.Text(), uids.Length());
  TextBuffer<64> gids;
  gids.Add(std::uint64_t{context.plan->gid}).Add(" ").Add(std::uint64_t{context.caller_gid});
  gids.Add(" 1\n");
  WriteFile(context, "/proc/self/gid_map", gids.Text(), gids.Length());
}

// The launcher of a real-root caller writes the maps: they lead to an unprivileged id that is not its own.
void AwaitMaps(const Context& context) noexcept {
  char byte = 0;
  const long count =
      Check(context, kStage, sys::Read(context.channel, &byte, 1), "read", "id maps");
  if (count != 1 || byte != wire::kMapsWritten) {
    Fail(context, kStage, EPROTO, "read", "id maps");
  }
}

// Which namespaces differ from the launcher's: read back, not concluded from the flags that were asked for.
std::uint64_t OwnNamespaces(const Context& context) noexcept {
  std::uint64_t own = 0;
  for (std::size_t i = 0; i < kNamespaceCount; ++i) {
    if ((context.plan->namespaces & kNamespaces[i].flag) == 0) {
      continue;
    }
    struct stat info = {};
    const char* path = kNamespaces[i].path;
    Check(context, kStage,
          sys::Call(SYS_newfstatat, AT_FDCWD, sys::Arg(path), sys::Arg(&info), 0), "stat", path);
    own |= info.st_ino != context.launcher_namespaces[i] ? kNamespaces[i].flag : 0;
  }
  return own;
}

// No further user namespace can be made in the cell, with it none of the others either (ENOSPC, user.max_user_namespaces, 4.9).
void ForbidUserNamespaces(const Context& context) noexcept {
  // Outside of a namespace of our own this would switch them off for the whole machine.
  if ((context.confirmed.namespaces & CLONE_NEWUSER) == 0) {
    Fail(context, kStage, EPERM, "clone3", "CLONE_NEWUSER had no effect");
  }
  WriteFile(context, "/proc/sys/user/max_user_namespaces", "0", 1);
}

}  // namespace

void EnterIds(Context* context) noexcept {
  if (context->plan->unprivileged_host_ids) {
    AwaitMaps(*context);
    // Root's supplementary groups would still open files.
    Check(*context, kStage, sys::Call(SYS_setgroups, 0, 0), "setgroups", "");
  } else {
    WriteOwnMaps(*context);
  }
  const long uid = static_cast<long>(context->plan->uid);
  const long gid = static_cast<long>(context->plan->gid);
  Check(*context, kStage, sys::Prctl(PR_SET_KEEPCAPS, 1), "prctl", "PR_SET_KEEPCAPS");
  Check(*context, kStage, sys::Call(SYS_setresgid, gid, gid, gid), "setresgid", "");
  Check(*context, kStage, sys::Call(SYS_setresuid, uid, uid, uid), "setresuid", "");
  context->confirmed.namespaces = static_cast<std::uint32_t>(OwnNamespaces(*context));
  ForbidUserNamespaces(*context);
  // From here on nobody else with these ids may look into this process.
  Check(*context, kStage, sys::Prctl(PR_SET_DUMPABLE, 0), "prctl", "PR_SET_DUMPABLE");
}

}  // namespace cloister::child
