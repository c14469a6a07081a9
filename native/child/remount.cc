// Mount attributes on kernels before 5.12, which have no mount_setattr(2): each mount is remounted
// on its own, found in /proc/self/mountinfo. Nothing runs in the cell yet, so that it does not
// matter that the mounts are in place for a moment with the attributes of their source.

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include <cerrno>

#include "native/child/mounts.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

namespace {

constexpr std::size_t kMountInfoSize = 1024 * 1024;
constexpr std::size_t kMaxTreeMounts = 4096;
constexpr std::uint64_t kStRelatime = 4096;  // ST_RELATIME, linux/statfs.h

// The part of a mountinfo line that counts (proc_pid_mountinfo(5)).
struct Line {
  std::uint64_t id;
  std::uint64_t parent;
  char* path;
};

std::uint64_t Number(char** at) noexcept {
  std::uint64_t value = 0;
  for (; **at >= '0' && **at <= '9'; ++*at) {
    value = value * 10 + static_cast<std::uint64_t>(**at - '0');
  }
  return value;
}

void SkipField(char** at) noexcept {
  while (**at != '\0' && **at != ' ' && **at != '\n') {
    ++*at;
  }
  if (**at == ' ') {
    ++*at;
  }
}

// Ends the path field at `at` with a NUL and undoes its octal escapes in place.
char* TakePath(char** at) noexcept {
  char* start = *at;
  char* to = start;
  while (**at != '\0' && **at != ' ' && **at != '\n') {
    char c = *(*at)++;
    if (c == '\\' && (*at)[0] >= '0' && (*at)[0] <= '3' && (*at)[1] != '\0' && (*at)[2] != '\0') {
      c = static_cast<char>(((*at)[0] - '0') * 64 + ((*at)[1] - '0') * 8 + ((*at)[2] - '0'));
      *at += 3;
    }
    *to++ = c;
  }
  if (**at == ' ') {
    ++*at;
  }
  *to = '\0';
  return start;
}

bool NextLine(char** at, Line* line) noexcept {
  if (**at == '\0') {
    return false;
  }
  line->id = Number(at);
  SkipField(at);
  line->parent = Number(at);
  SkipField(at);
  SkipField(at);  // device
  SkipField(at);  // root
  char* path = *at;
  line->path = TakePath(&path);
  *at = path;
  while (**at != '\0' && **at != '\n') {
    ++*at;
  }
  if (**at == '\n') {
    ++*at;
  }
  return true;
}

void ReadMountInfo(const MountState& state, char* buffer, std::size_t size) noexcept {
  const int fd = static_cast<int>(
      MountCheck(state, sys::Openat(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), "open",
                 "/proc/self/mountinfo"));
  std::size_t length = 0;
  for (;;) {
    const long count = MountCheck(state, sys::Read(fd, buffer + length, size - 1 - length), "read",
                                  "/proc/self/mountinfo");
    if (count == 0) {
      break;
    }
    length += static_cast<std::size_t>(count);
    if (length + 1 >= size) {
      MountFail(state, E2BIG, "read", "/proc/self/mountinfo");
    }
  }
  buffer[length] = '\0';
  sys::Close(fd);
}

std::uint64_t MountId(const MountState& state, int fd) noexcept {
  uapi::Statx info = {};
  MountCheck(
      state,
      sys::Call(SYS_statx, fd, sys::Arg(""), AT_EMPTY_PATH, uapi::kStatxMountId, sys::Arg(&info)),
      "statx", "mount id");
  return info.mount_id;
}

void Remount(const MountState& state, int fd, std::uint64_t attributes,
             const char* detail) noexcept {
  struct statfs info = {};
  MountCheck(state, sys::Call(SYS_fstatfs, fd, sys::Arg(&info)), "fstatfs", detail);
  // What is set stays set: in a user namespace these flags are locked, and leaving one out is
  // refused (mount_namespaces(7)). ST_* and MS_* agree in these bits; so do MOUNT_ATTR_* in the
  // four that are asked for.
  const std::uint64_t current = static_cast<std::uint64_t>(info.f_flags);
  std::uint64_t flags =
      current & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME);
  flags |= (current & kStRelatime) != 0 ? MS_RELATIME : 0;
  flags |= attributes & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
  TextBuffer<64> path;
  path.Add("/proc/self/fd/").Add(static_cast<std::uint64_t>(fd));
  MountCheck(state,
             sys::Call(SYS_mount, 0, sys::Arg(path.Text()), 0,
                       static_cast<long>(flags | MS_REMOUNT | MS_BIND), 0),
             "mount", detail);
}

}  // namespace

void RemountAttached(const MountState& state, int mount, std::uint64_t attributes, bool recursive,
                     const char* detail) noexcept {
  Remount(state, mount, attributes, detail);
  if (!recursive) {
    return;
  }
  static char buffer[kMountInfoSize];
  static std::uint64_t tree[kMaxTreeMounts];
  ReadMountInfo(state, buffer, sizeof(buffer));
  std::size_t count = 0;
  std::size_t prefix = 0;
  tree[count++] = MountId(state, mount);
  Line line = {};
  for (char* at = buffer; NextLine(&at, &line);) {
    if (line.id == tree[0]) {
      prefix = SameText(line.path, "/") ? 0 : TextLength(line.path);
      continue;
    }
    // A mount is listed after its parent.
    bool inside = false;
    for (std::size_t i = 0; i < count && !inside; ++i) {
      inside = tree[i] == line.parent;
    }
    if (!inside) {
      continue;
    }
    if (count == kMaxTreeMounts) {
      MountFail(state, E2BIG, "mount", detail);
    }
    tree[count++] = line.id;
    const long fd = sys::Openat2(mount, line.path + prefix, O_PATH | O_CLOEXEC,
                                 uapi::kResolveInRoot | uapi::kResolveNoSymlinks);
    MountCheck(state, fd, "openat2", line.path);
    Remount(state, static_cast<int>(fd), attributes, line.path);
    sys::Close(static_cast<int>(fd));
  }
}

}  // namespace cloister::child
