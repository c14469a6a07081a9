#include "native/child/remove_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

using Entry = uapi::DirectoryEntry;

bool IsDots(const char* name) noexcept {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

long Unlink(int directory, const char* name, int flags) noexcept {
  return sys::Call(SYS_unlinkat, directory, sys::Arg(name), flags);
}

// Its owner may always open it and remove what is in it, whatever mode was left on it.
long OpenInner(int directory, const char* name) noexcept {
  const long fd = sys::Openat(directory, name, kOpenDirectory);
  if (fd >= 0) {
    sys::Call(SYS_fchmod, fd, 0700);
  } else if (fd == -EACCES) {
    sys::Call(SYS_fchmodat, directory, sys::Arg(name), 0700);
    return sys::Openat(directory, name, kOpenDirectory);
  }
  return fd;
}

// Removes an entry. A descriptor when it is a directory with something in it, -1 when it is gone,
// or below that a negative error number minus 1.
long RemoveEntry(int directory, const char* name) noexcept {
  long result = Unlink(directory, name, 0);
  if (result == -EISDIR || result == -EPERM) {
    result = Unlink(directory, name, AT_REMOVEDIR);
  }
  if (result == -ENOTEMPTY || result == -EEXIST || result == -EACCES) {
    result = OpenInner(directory, name);
    return result >= 0 ? result : result - 1;
  }
  return result == 0 || result == -ENOENT ? -1 : result - 1;
}

// Removes what a directory has, up to the first inner directory that has something itself: that
// one's descriptor, -1 when the directory is empty, or an error as above.
long RemoveEntries(int directory) noexcept {
  alignas(Entry) char buffer[4096] = {};
  for (;;) {
    const long size =
        sys::Call(SYS_getdents64, directory, sys::Arg(buffer), static_cast<long>(sizeof(buffer)));
    if (size <= 0) {
      return size - 1;
    }
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->size;
      const long inner = IsDots(entry->name) ? -1 : RemoveEntry(directory, entry->name);
      if (inner != -1) {
        return inner;
      }
    }
  }
}

// Which directory a descriptor is.
struct Identity {
  bool known;
  std::uint64_t device;
  std::uint64_t inode;
};

Identity IdentityOf(int directory) noexcept {
  struct stat status = {};
  if (sys::Call(SYS_fstat, directory, sys::Arg(&status)) != 0) {
    return {};
  }
  return {true, status.st_dev, status.st_ino};
}

// Two that are not known may be any two: they are never the same.
bool IsSame(const Identity& one, const Identity& other) noexcept {
  return one.known && other.known && one.device == other.device && one.inode == other.inode;
}

// The directories above the one at hand. Where it goes deeper, another round begins from the top.
constexpr long kDeepest = 1024;
Identity g_above[kDeepest];

// Empties a directory; closes it. -EAGAIN: there is more to do, from the top again.
long Empty(int top) noexcept {
  long depth = 0;
  int at = top;
  for (;;) {
    const long inner = RemoveEntries(at);
    if (inner < -1 || (inner == -1 && depth == 0)) {
      sys::Close(at);
      return inner + 1;
    }
    long next = inner;
    if (inner >= 0) {
      g_above[depth % kDeepest] = IdentityOf(at);
      ++depth;
    } else {
      // Up again: read from its beginning, where what was emptied meanwhile comes first. Somebody
      // who is still alive may have moved the directory, and ".." is a place of his choice then.
      --depth;
      next = sys::Openat(at, "..", kOpenDirectory);
      if (next >= 0 && !IsSame(IdentityOf(static_cast<int>(next)), g_above[depth % kDeepest])) {
        sys::Close(static_cast<int>(next));
        next = -EAGAIN;
      }
    }
    sys::Close(at);
    if (next < 0) {
      return next;
    }
    at = static_cast<int>(next);
  }
}

}  // namespace

long RemoveTree(const char* path) noexcept {
  // Some file systems pass over entries while others are removed: then it is not empty yet.
  constexpr int kRounds = 64;
  long result = 0;
  for (int round = 0; round < kRounds; ++round) {
    result = Unlink(AT_FDCWD, path, AT_REMOVEDIR);
    if (result == 0 || result == -ENOENT) {
      return 0;
    }
    const long top = OpenInner(AT_FDCWD, path);
    if (top < 0) {
      return top == -ENOENT ? 0 : top;
    }
    const long emptied = Empty(static_cast<int>(top));
    if (emptied < 0 && emptied != -EAGAIN) {
      return emptied;
    }
  }
  return result;
}

}  // namespace cloister::child
