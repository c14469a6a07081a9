#include "native/probe/probe.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "native/linux/syscalls.h"
#include "native/probe/cgroups.h"
#include "native/probe/text.h"
#include "native/probe/tries.h"

namespace cloister::probe {

namespace {

// Names of the errors that the tries are known to meet (errno(3)); another one goes by its number.
std::string ErrorName(int error) {
  switch (error) {
    case EPERM:
      return "EPERM";
    case EACCES:
      return "EACCES";
    case ENOSPC:
      return "ENOSPC";
    case EUSERS:
      return "EUSERS";
    case EINVAL:
      return "EINVAL";
    case ENOSYS:
      return "ENOSYS";
    case ENODEV:
      return "ENODEV";
    case ENOMEM:
      return "ENOMEM";
    case EAGAIN:
      return "EAGAIN";
    case ENOENT:
      return "ENOENT";
    case EROFS:
      return "EROFS";
    case EOPNOTSUPP:
      return "EOPNOTSUPP";
    default:
      return std::to_string(error);
  }
}

void Add(std::string* out, const char* key, const std::string& value) {
  *out += key;
  *out += '=';
  *out += value;
  *out += '\n';
}

void AddFlag(std::string* out, const char* key, bool value) {
  Add(out, key, value ? "1" : "0");
}

void AddError(std::string* out, const char* key, int error) {
  Add(out, key, error == 0 ? "ok" : ErrorName(error));
}

constexpr struct {
  const char* key;
  std::uint64_t flag;
} kKinds[] = {{"user", CLONE_NEWUSER},
              {"mount", CLONE_NEWNS},
              {"pid", CLONE_NEWPID},
              {"net", CLONE_NEWNET},
              {"ipc", CLONE_NEWIPC},
              {"uts", CLONE_NEWUTS},
              {"cgroup", uapi::kCloneNewCgroup},
              {"time", uapi::kCloneNewTime}};

void AddNamespaces(std::string* out) {
  for (const auto& kind : kKinds) {
    const Outcome outcome = TryNamespaces(CLONE_NEWUSER | kind.flag);
    Add(out, (std::string(kind.key) + "ns").c_str(),
        outcome.error == 0 ? "ok" : ErrorName(outcome.error) + ":" + outcome.stage);
  }
  AddError(out, "tmpfsmount", TryTmpfs(As::kUser));
  AddError(out, "procmount", TryProc(As::kUser));
  AddError(out, "overlay", TryOverlay(As::kUser));
}

// What root can do without a user namespace.
void AddRootNamespaces(std::string* out) {
  std::string names;
  for (const auto& kind : kKinds) {
    const bool user = (kind.flag & CLONE_NEWUSER) != 0;
    if (!user && TryNamespaces(kind.flag).error == 0) {
      names += (names.empty() ? "" : ",") + std::string(kind.key);
    }
  }
  Add(out, "rootns", names);
  const int tmpfs = TryTmpfs(As::kRoot);
  AddError(out, "rootmounts", tmpfs != 0 ? tmpfs : TryProc(As::kRoot));
  AddError(out, "rootoverlay", TryOverlay(As::kRoot));
}

bool IsRealRoot() {
  if (geteuid() != 0) {
    return false;
  }
  // In the initial user namespace every id is mapped to itself.
  const std::string map = Trim(ReadText("/proc/self/uid_map").value_or(""));
  std::string words;
  for (const std::string& word : Split(map, ' ')) {
    words += word.empty() ? "" : word + " ";
  }
  return words == "0 0 4294967295 ";
}

// With a null program a known flag is EFAULT, an unknown one EINVAL (seccomp(2)).
bool FilterFlagKnown(long flags) {
  return sys::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, 0) == -EFAULT;
}

void AddSeccomp(std::string* out) {
  constexpr struct {
    const char* name;
    std::uint32_t action;
  } kActions[] = {{"allow", SECCOMP_RET_ALLOW},
                  {"log", SECCOMP_RET_LOG},
                  {"notify", 0x7fc00000U /* SECCOMP_RET_USER_NOTIF, 5.0 */},
                  {"trace", SECCOMP_RET_TRACE},
                  {"trap", SECCOMP_RET_TRAP},
                  {"errno", SECCOMP_RET_ERRNO},
                  {"kill-thread", SECCOMP_RET_KILL_THREAD},
                  {"kill-process", SECCOMP_RET_KILL_PROCESS}};
  std::string names;
  for (const auto& entry : kActions) {
    std::uint32_t action = entry.action;
    if (sys::Call(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, sys::Arg(&action)) == 0) {
      names += (names.empty() ? "" : ",") + std::string(entry.name);
    }
  }
  AddFlag(out, "seccomp_filter", FilterFlagKnown(0));
  AddFlag(out, "seccomp_tsync", FilterFlagKnown(SECCOMP_FILTER_FLAG_TSYNC));
  AddFlag(out, "seccomp_user_notification", FilterFlagKnown(1L << 3 /* NEW_LISTENER, 5.0 */));
  AddError(out, "seccomp_listener", TryListener());
  Add(out, "seccomp_actions", names);
}

void AddSysctl(std::string* out, const char* key, const char* path) {
  const auto value = ReadText(path);
  Add(out, key, value ? Trim(*value) : "absent");
}

}  // namespace

int PrintProbe() {
  std::string out;
  utsname names = {};
  if (uname(&names) == 0) {
    Add(&out, "kernel", names.release);
    Add(&out, "arch", names.machine);
  }
  AddNamespaces(&out);
  const long landlock =
      sys::Call(uapi::kSysLandlockCreate, 0, 0, uapi::kLandlockCreateRulesetVersion);
  Add(&out, "landlock_abi", std::to_string(landlock > 0 ? landlock : 0));
  AddError(&out, "landlock_domain", TryLandlock());
  AddSeccomp(&out);
  const bool real_root = IsRealRoot();
  AddFlag(&out, "real_root", real_root);
  AddError(&out, "idmap", real_root ? TryIdMap() : EPERM);
  if (real_root) {
    AddRootNamespaces(&out);
  }
  // A real-root caller's cell has a host id, and with it a count, of its own.
  AddFlag(&out, "nproc_per_namespace", real_root || ProcessesCountPerNamespace());
  const Cgroups cgroups = FindCgroups();
  Add(&out, "cgroup", cgroups.version);
  AddFlag(&out, "cgroup_writable", cgroups.writable);
  Add(&out, "cgroup_controllers", cgroups.controllers);
  Add(&out, "cgroup_usable", cgroups.usable);
  AddSysctl(&out, "apparmor_restrict_userns",
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  AddSysctl(&out, "max_user_namespaces", "/proc/sys/user/max_user_namespaces");
  AddSysctl(&out, "unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone");
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = write(STDOUT_FILENO, out.data() + done, out.size() - done);
    if (count <= 0) {
      return 1;
    }
    done += static_cast<std::size_t>(count);
  }
  return 0;
}

}  // namespace cloister::probe
