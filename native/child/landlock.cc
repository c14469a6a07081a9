// Stage landlock.

#include "native/landlock/rights.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "native/child/context.h"
#include "native/landlock/ruleset.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_landlock;

// Bits of rights.def.
constexpr std::uint64_t kExecute = 1U << 0;
constexpr std::uint64_t kWriteFile = 1U << 1;
constexpr std::uint64_t kReadFile = 1U << 2;
constexpr std::uint64_t kTruncate = 1U << 14;
constexpr std::uint64_t kIoctlDevice = 1U << 15;
// Before ABI 2 every ruleset that handles files denies renaming from one directory to another.
constexpr long kFenceAbi = 2;

// Where the host's own /proc is in sight, all that the command sees of it.
constexpr const char* kOwnProcess = "/proc/self";

// A path of the host, which was free of links when the plan was made: a link that was put there
// since would be granted for what it leads to.
long OpenOnHost(const char* path) noexcept {
  const long fd = sys::Openat2(AT_FDCWD, path, O_PATH | O_CLOEXEC, uapi::kResolveNoSymlinks);
  if (fd != -ENOSYS) {
    return fd;
  }
  // A filter hides the call, as that of a cell does from a cell within it. What was opened tells
  // its path.
  const long plain = sys::Openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (plain < 0) {
    return plain;
  }
  TextBuffer<48> link;
  link.Add("/proc/self/fd/").Add(static_cast<std::uint64_t>(plain));
  char found[PATH_MAX];
  const long size = sys::Call(SYS_readlinkat, AT_FDCWD, sys::Arg(link.Text()), sys::Arg(found),
                              static_cast<long>(sizeof(found) - 1));
  found[size > 0 ? size : 0] = '\0';
  if (size > 0 && std::strcmp(found, path) == 0) {
    return plain;
  }
  sys::Close(static_cast<int>(plain));
  return -ELOOP;
}

// The paths are those of the cell, where it has a root of its own: it stands in that by now.
long OpenGranted(const Context& context, const char* path) noexcept {
  return context.plan.HasOwnTree() || std::strcmp(path, kOwnProcess) == 0
             ? landlock::OpenForRule(path)
             : OpenOnHost(path);
}

void GrantPath(const Context& context, int ruleset, const plan::PathGrant& grant) noexcept {
  const long opened = OpenGranted(context, grant.path);
  if (grant.optional && (opened == -ENOENT || opened == -ENOTDIR || opened == -EACCES)) {
    return;
  }
  const int fd = static_cast<int>(Check(context, kStage, opened, "openat", grant.path));
  std::uint64_t rights = grant.rights;
  struct stat status = {};
  Check(context, kStage,
        sys::Call(SYS_newfstatat, fd, sys::Arg(""), sys::Arg(&status), AT_EMPTY_PATH), "newfstatat",
        grant.path);
  if (!S_ISDIR(status.st_mode)) {
    rights &= landlock::FileRights();
  }
  // Nothing is left for a file when the rights concern directories alone: no rule is what it gets.
  if (rights != 0) {
    Check(context, kStage, landlock::AddPath(ruleset, fd, rights), "landlock_add_rule", grant.path);
  }
  sys::Close(fd);
}

// A descriptor of a file of the host is also its name, /proc/self/fd/N: without Landlock, a file
// that was handed over for reading could be opened once more for writing, past every mount of the
// cell, since the cell's user is the caller. What it was opened for stays possible (`>>
// /dev/stderr`).
void GrantDescriptor(const Context& context, int ruleset, std::uint64_t handled, int fd) noexcept {
  const long flags = Check(context, kStage, sys::Fcntl(fd, F_GETFL), "fcntl", "F_GETFL");
  const long mode = flags & O_ACCMODE;
  std::uint64_t rights = kIoctlDevice;
  rights |= mode != O_WRONLY ? kReadFile | kExecute : 0;
  rights |= mode != O_RDONLY ? kWriteFile | kTruncate : 0;
  const long result = landlock::AddPath(ruleset, fd, rights & handled);
  // Pipes, sockets and memory files lie in no tree, and are never asked about (EBADFD).
  if (result != -EBADFD) {
    Check(context, kStage, result, "landlock_add_rule", "stdio");
  }
}

// Whatever the cell may do with its files is up to its mounts; what lies outside of its root is
// refused, whoever hands in a descriptor that leads there.
void Fence(const Context& context, int ruleset, std::uint64_t handled) noexcept {
  GrantPath(context, ruleset, {"/", static_cast<std::uint32_t>(handled), false});
}

}  // namespace

void EnterLandlock(Context* context) noexcept {
  const plan::Plan& plan = context->plan;
  const long abi = landlock::Abi();
  if (!plan.landlock && abi < kFenceAbi) {
    return;
  }
  Check(*context, kStage, abi, "landlock_create_ruleset", "version");
  landlock::Rights handled = {plan.landlock_fs, plan.landlock_net, plan.landlock_scoped};
  // The plan was made for this kernel. Should it know less, the cell would be wider than asked.
  if (landlock::Downgrade(handled, static_cast<int>(abi)).missing != landlock::Rights{}) {
    Fail(*context, kStage, EOPNOTSUPP, "landlock_create_ruleset", "rights");
  }
  const bool fenced = handled.fs == 0 && abi >= kFenceAbi;
  if (fenced) {
    handled.fs = landlock::KnownBy(static_cast<int>(abi)).fs;
  }
  const int ruleset = static_cast<int>(
      Check(*context, kStage, landlock::Create(handled), "landlock_create_ruleset", ""));
  if (fenced) {
    Fence(*context, ruleset, handled.fs);
  }
  if (context->queues >= 0 && handled.fs != 0) {
    Check(*context, kStage, landlock::AddPath(ruleset, context->queues, handled.fs),
          "landlock_add_rule", "mqueue");
  }
  for (std::size_t i = 0; i < context->stdio_count && handled.fs != 0; ++i) {
    if (context->stdio[i] >= 0) {
      GrantDescriptor(*context, ruleset, handled.fs, context->stdio[i]);
    }
  }
  for (std::size_t i = 0; i < plan.landlock_paths.size; ++i) {
    GrantPath(*context, ruleset, plan.landlock_paths[i]);
  }
  for (std::size_t i = 0; i < plan.landlock_ports.size; ++i) {
    const plan::PortGrant& grant = plan.landlock_ports[i];
    Check(*context, kStage, landlock::AddPort(ruleset, grant.port, grant.rights),
          "landlock_add_rule", "port");
  }
  Check(*context, kStage, landlock::Restrict(ruleset, 0), "landlock_restrict_self", "");
  sys::Close(ruleset);
  context->confirmed.landlock_abi = static_cast<std::uint32_t>(abi);
  context->confirmed.landlock_fs = static_cast<std::uint32_t>(handled.fs);
  context->confirmed.landlock_net = plan.landlock_net;
  context->confirmed.landlock_scoped = plan.landlock_scoped;
}

}  // namespace cloister::child
