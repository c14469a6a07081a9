// Files that C libraries and language runtimes look for by themselves, at any time, and do without:
// a program that only computes is not ended for them. Child-safe.

#ifndef CLOISTER_VIOLATIONS_QUIET_PATHS_H_
#define CLOISTER_VIOLATIONS_QUIET_PATHS_H_

namespace cloister::violations {

// A slash at the end stands for all that lies below.
inline constexpr const char* kQuietPaths[] = {
    "/proc/sys/vm/overcommit_memory",  // malloc, when an arena shrinks
    "/sys/devices/system/cpu/",        // malloc, when it makes one; V8's clock
    "/sys/kernel/mm/",                 // sizes of huge pages: Go, jemalloc
    "/proc/stat",
    "/proc/cpuinfo",
    "/proc/meminfo",      // how much memory there is for a heap
    "/proc/self/maps",    // where the main thread's stack ends
    "/proc/self/exe",     // the start of a static program; Go
    "/proc/self/cgroup",  // how many processors there are
    "/proc/self/mountinfo",
    "/sys/fs/cgroup/",
    "/proc/sys/kernel/",
    "/etc/ld.so.preload",
    "/etc/localtime",  // the first local date
    "/usr/share/zoneinfo/",
    "/usr/share/locale/",
    "/etc/locale.alias",
    "/dev/null",  // libuv's spare descriptor, for a time when there is none left
};

// Whether `path` is `entry`, or lies below it where that ends with a slash.
inline bool Matches(const char* path, const char* entry) noexcept {
  unsigned long i = 0;
  while (entry[i] != '\0' && path[i] == entry[i]) {
    ++i;
  }
  return entry[i] == '\0' && (path[i] == '\0' || (i > 0 && entry[i - 1] == '/'));
}

inline bool IsQuietPath(const char* path) noexcept {
  for (const char* quiet : kQuietPaths) {
    if (Matches(path, quiet)) {
      return true;
    }
  }
  return false;
}

// Opened for writing as well, by programs that go on without.
inline bool IsQuietDevice(const char* path) noexcept {
  // Shells look for the terminal that they belong to.
  return Matches(path, "/dev/tty") || Matches(path, "/dev/null");
}

}  // namespace cloister::violations

#endif  // CLOISTER_VIOLATIONS_QUIET_PATHS_H_
