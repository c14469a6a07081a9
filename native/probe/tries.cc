#include "native/probe/tries.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "native/base/unique_fd.h"
#include "native/landlock/ruleset.h"
#include "native/linux/syscalls.h"
#include "native/namespaces/host_ids.h"

namespace cloister::probe {

namespace {

constexpr std::uint64_t kMountKinds = CLONE_NEWNS | CLONE_NEWPID;

std::uint64_t MountKinds(As as) {
  return as == As::kRoot ? kMountKinds : kMountKinds | CLONE_NEWUSER;
}

// What a try's process reports, in one write to a pipe.
struct Report {
  int error;
  bool in_ids;
};

int WriteText(const char* path, const std::string& text) {
  const UniqueFd fd(open(path, O_WRONLY | O_CLOEXEC));
  if (!fd.Valid()) {
    return errno;
  }
  return write(fd.Get(), text.data(), text.size()) < 0 ? errno : 0;
}

// The caller's ids, seen before the namespace was entered: inside they have no number yet.
int MapOwnIds(uid_t uid, gid_t gid) {
  int error = WriteText("/proc/self/setgroups", "deny");
  if (error == 0) {
    error = WriteText("/proc/self/uid_map", std::to_string(uid) + " " + std::to_string(uid) + " 1");
  }
  if (error == 0) {
    error = WriteText("/proc/self/gid_map", std::to_string(gid) + " " + std::to_string(gid) + " 1");
  }
  return error;
}

using Body = int (*)();

Outcome Try(std::uint64_t flags, Body body) {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return {errno, "clone"};
  }
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  uapi::CloneArgs args = {};
  args.flags = flags;
  args.exit_signal = SIGCHLD;
  int pidfd = -1;
  const long pid = flags == 0 ? sys::Fork(&pidfd) : sys::Clone3(&args);
  const UniqueFd end(pidfd);
  if (pid < 0) {
    return {static_cast<int>(-pid), "clone"};
  }
  if (pid == 0) {
    Report report = {};
    if ((flags & CLONE_NEWUSER) != 0) {
      report.error = MapOwnIds(uid, gid);
      report.in_ids = report.error != 0;
    }
    if (report.error == 0 && body != nullptr) {
      report.error = body();
    }
    [[maybe_unused]] const ssize_t written = write(writing.Get(), &report, sizeof(report));
    sys::Exit(0);
  }
  writing.Reset();
  Report report = {EPROTO, false};
  const ssize_t count = read(reading.Get(), &report, sizeof(report));
  while (waitpid(static_cast<pid_t>(pid), nullptr, __WALL) < 0 && errno == EINTR) {
  }
  if (count != sizeof(report)) {
    return {EPROTO, "clone"};
  }
  return {report.error, report.in_ids ? "ids" : "clone"};
}

// A new mount, detached, or a negative error number. `lower`: the layers of an overlay.
long NewMount(const char* type, const char* lower) {
  const long fs = sys::Fsopen(type);
  if (fs < 0) {
    return fs;
  }
  const UniqueFd fs_fd(static_cast<int>(fs));
  if (lower != nullptr) {
    const long flag = sys::FsconfigFlag(fs_fd.Get(), "userxattr");
    const long set = flag < 0 ? flag : sys::FsconfigString(fs_fd.Get(), "lowerdir", lower);
    if (set < 0) {
      return set;
    }
  }
  const long created = sys::FsconfigCreate(fs_fd.Get());
  return created < 0 ? created : sys::Fsmount(fs_fd.Get(), uapi::kMountAttrNoSuid);
}

int ErrorOf(long result) {
  return result < 0 ? static_cast<int>(-result) : 0;
}

// Two empty directories as layers, on a tmpfs that lies where a cell's pantry does.
int MountOverlay() {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return errno;
  }
  const long tmpfs = NewMount("tmpfs", nullptr);
  const int place = open("/proc/driver", O_PATH | O_CLOEXEC);
  if (tmpfs < 0 || place < 0) {
    return tmpfs < 0 ? ErrorOf(tmpfs) : errno;
  }
  const int base = static_cast<int>(tmpfs);
  const long moved = sys::MoveMount(base, place);
  if (moved < 0) {
    return ErrorOf(moved);
  }
  std::string lower;
  for (const char* name : {"a", "b"}) {
    const int layer = mkdirat(base, name, 0755) == 0 ? openat(base, name, O_PATH | O_CLOEXEC) : -1;
    if (layer < 0) {
      return errno;
    }
    lower += (lower.empty() ? "/proc/self/fd/" : ":/proc/self/fd/") + std::to_string(layer);
  }
  return ErrorOf(NewMount("overlay", lower.c_str()));
}

// As the command of a cell without namespaces: nothing may be opened, and from Landlock's ABI 6 on
// nobody outside be signalled.
int EnterDomain() {
  const long abi = landlock::Abi();
  if (abi < 0) {
    return ErrorOf(abi);
  }
  const landlock::Rights known = landlock::KnownBy(static_cast<int>(abi));
  const long ruleset = landlock::Create({known.fs, 0, known.scoped});
  if (ruleset < 0) {
    return ErrorOf(ruleset);
  }
  if (sys::Prctl(PR_SET_NO_NEW_PRIVS, 1) < 0) {
    return EPERM;
  }
  const long restricted = landlock::Restrict(static_cast<int>(ruleset), 0);
  if (restricted < 0) {
    return ErrorOf(restricted);
  }
  const bool opens = sys::Openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) != -EACCES;
  const bool signals = (known.scoped & uapi::kLandlockScopeSignal) != 0 &&
                       sys::Call(SYS_kill, sys::Call(SYS_getppid), 0) != -EPERM;
  return opens || signals ? EOPNOTSUPP : 0;
}

}  // namespace

Outcome TryNamespaces(std::uint64_t flags) {
  return Try(flags, nullptr);
}

int TryTmpfs(As as) {
  return Try(MountKinds(as), [] { return ErrorOf(NewMount("tmpfs", nullptr)); }).error;
}

int TryProc(As as) {
  return Try(MountKinds(as), [] { return ErrorOf(NewMount("proc", nullptr)); }).error;
}

int TryOverlay(As as) {
  return Try(MountKinds(as), MountOverlay).error;
}

int TryLandlock() {
  return Try(0, EnterDomain).error;
}

int TryIdMap() {
  HostIdPool pool;
  Result<LentHostId> id = pool.Take();
  if (!id.Ok()) {
    return id.Error().error;
  }
  Result<int> user_namespace = id.Value()->MountNamespace();
  if (!user_namespace.Ok()) {
    return user_namespace.Error().error;
  }
  // Whether a file system takes part is its own affair, and told when a bind of it is asked for.
  // Here it is about the kernel: without the call it is ENOSYS, with it the descriptor is looked at
  // first.
  uapi::MountAttr attributes = {uapi::kMountAttrIdMap, 0, 0,
                                static_cast<std::uint64_t>(user_namespace.Value())};
  const long result = sys::MountSetattr(-1, AT_EMPTY_PATH, &attributes);
  return result == -EBADF ? 0 : ErrorOf(result);
}

int TryListener() {
  return Try(0,
             [] {
               sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
               sock_fprog program = {1, &allow};
               const long privileges = sys::Prctl(PR_SET_NO_NEW_PRIVS, 1);
               return privileges < 0
                          ? ErrorOf(privileges)
                          : ErrorOf(sys::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                              uapi::kSeccompNewListener, sys::Arg(&program)));
             })
      .error;
}

bool ProcessesCountPerNamespace() {
  // This process, its parent and the try itself are three of the user's processes, and one of the
  // namespace's.
  const Body body = [] {
    const rlimit limit = {2, 2};
    if (setrlimit(RLIMIT_NPROC, &limit) != 0) {
      return errno;
    }
    const pid_t pid = fork();
    if (pid < 0) {
      return errno;
    }
    if (pid == 0) {
      sys::Exit(0);
    }
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return 0;
  };
  return Try(CLONE_NEWUSER, body).error == 0;
}

}  // namespace cloister::probe
