#include "native/threads/rings.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "native/linux/io_uring.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"
#include "native/threads/ring_swap.h"

namespace cloister::threads {

namespace {

constexpr char kRingName[] = "anon_inode:[io_uring]";
constexpr std::size_t kMostRings = 256;

// Kept open: once files are restricted they could not be opened again. One thread at a time uses
// any of this.
int g_descriptors = -1;  // /proc/self/fd
int g_maps = -1;         // /proc/self/maps
Ring g_rings[kMostRings];
std::size_t g_count = 0;
// Rings that were put in place here. Their memory is no mapping of the ring.
std::uint64_t g_confined[kMostRings];
std::size_t g_confined_count = 0;
alignas(8) char g_buffer[32 * 1024];

bool IsConfined(std::uint64_t inode) noexcept {
  for (std::size_t i = 0; i < g_confined_count; ++i) {
    if (g_confined[i] == inode) {
      return true;
    }
  }
  return false;
}

bool IsRing(const char* name) noexcept {
  char target[sizeof(kRingName) + 1] = {};
  const long length = sys::Call(SYS_readlinkat, g_descriptors, sys::Arg(name), sys::Arg(target),
                                sizeof(target) - 1);
  return length == sizeof(kRingName) - 1 && SameText(target, kRingName);
}

int NumberOf(const char* name) noexcept {
  int number = 0;
  for (; *name >= '0' && *name <= '9'; ++name) {
    number = number * 10 + (*name - '0');
  }
  return *name == '\0' ? number : -1;
}

RingProblem AddRing(int fd) noexcept {
  struct stat status = {};
  const long result = sys::Call(SYS_fstat, fd, sys::Arg(&status));
  if (result < 0) {
    return {"fstat", static_cast<int>(-result), "an io_uring ring"};
  }
  if (g_count == kMostRings) {
    return {"getdents64", EMFILE, "more than 256 io_uring rings"};
  }
  if (!IsConfined(status.st_ino)) {
    g_rings[g_count] = {};
    g_rings[g_count].fd = fd;
    g_rings[g_count].inode = status.st_ino;
    ++g_count;
  }
  return {};
}

RingProblem FindRings() noexcept {
  g_count = 0;
  long count = sys::Call(SYS_lseek, g_descriptors, 0, 0);
  while (count >= 0) {
    count = sys::Call(SYS_getdents64, g_descriptors, sys::Arg(g_buffer), sizeof(g_buffer));
    if (count <= 0) {
      break;
    }
    // struct linux_dirent64: the length at 16, the name at 19.
    for (long at = 0; at < count;) {
      const char* name = g_buffer + at + 19;
      at += *reinterpret_cast<const std::uint16_t*>(g_buffer + at + 16);
      if (NumberOf(name) >= 0 && *name != '.' && IsRing(name)) {
        const RingProblem problem = AddRing(NumberOf(name));
        if (problem.call != nullptr) {
          return problem;
        }
      }
    }
  }
  return count < 0 ? RingProblem{"getdents64", static_cast<int>(-count), "/proc/self/fd"}
                   : RingProblem{};
}

bool Contains(const char* text, const char* part) noexcept {
  for (; *text != '\0'; ++text) {
    std::size_t length = 0;
    while (part[length] != '\0' && text[length] == part[length]) {
      ++length;
    }
    if (part[length] == '\0') {
      return true;
    }
  }
  return false;
}

// A number in hexadecimal; moves past it.
std::uint64_t Hexadecimal(const char** at) noexcept {
  std::uint64_t number = 0;
  for (;; ++*at) {
    const char character = **at;
    if (character >= '0' && character <= '9') {
      number = number * 16 + static_cast<std::uint64_t>(character - '0');
    } else if (character >= 'a' && character <= 'f') {
      number = number * 16 + static_cast<std::uint64_t>(character - 'a') + 10;
    } else {
      return number;
    }
  }
}

void SkipWord(const char** at) noexcept {
  while (**at != ' ' && **at != '\0') {
    ++*at;
  }
  while (**at == ' ') {
    ++*at;
  }
}

// START-END MODE OFFSET DEVICE INODE   NAME (proc_pid_maps(5))
void NoteMapping(const char* line) noexcept {
  if (!Contains(line, kRingName)) {
    return;
  }
  const char* at = line;
  const std::uint64_t start = Hexadecimal(&at);
  ++at;
  const std::uint64_t end = Hexadecimal(&at);
  SkipWord(&at);
  SkipWord(&at);
  const std::uint64_t offset = Hexadecimal(&at);
  SkipWord(&at);
  SkipWord(&at);
  std::uint64_t inode = 0;
  for (; *at >= '0' && *at <= '9'; ++at) {
    inode = inode * 10 + static_cast<std::uint64_t>(*at - '0');
  }
  for (std::size_t i = 0; i < g_count; ++i) {
    if (g_rings[i].inode == inode) {
      Mapping& mapping = offset == uapi::kOffsetEntries ? g_rings[i].entries : g_rings[i].rings;
      mapping = {start, end - start};
    }
  }
}

RingProblem FindMappings() noexcept {
  long count = sys::Call(SYS_lseek, g_maps, 0, 0);
  std::size_t kept = 0;
  while (count >= 0) {
    count = sys::Read(g_maps, g_buffer + kept, sizeof(g_buffer) - kept - 1);
    if (count <= 0) {
      break;
    }
    const std::size_t size = kept + static_cast<std::size_t>(count);
    g_buffer[size] = '\0';
    std::size_t line = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (g_buffer[i] == '\n') {
        g_buffer[i] = '\0';
        NoteMapping(g_buffer + line);
        line = i + 1;
      }
    }
    kept = size - line;
    for (std::size_t i = 0; i < kept; ++i) {
      g_buffer[i] = g_buffer[line + i];
    }
  }
  return count < 0 ? RingProblem{"read", static_cast<int>(-count), "/proc/self/maps"}
                   : RingProblem{};
}

// What the kernel tells of a ring; nothing where files are restricted already.
RingProblem Inspect(const Ring& ring) noexcept {
  TextBuffer<40> path;
  path.Add("/proc/self/fdinfo/").Add(static_cast<std::uint64_t>(ring.fd));
  const long fd = sys::Openat(AT_FDCWD, path.Text(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return {};
  }
  const long count = sys::Read(static_cast<int>(fd), g_buffer, sizeof(g_buffer) - 1);
  sys::Close(static_cast<int>(fd));
  g_buffer[count < 0 ? 0 : count] = '\0';
  if (Contains(g_buffer, "SqThread:") && !Contains(g_buffer, "SqThread:\t-1\n")) {
    return {"io_uring_setup", EBUSY, "an io_uring ring with a kernel thread of its own (SQPOLL)"};
  }
  if (Contains(g_buffer, "Personalities:")) {
    return {"io_uring_register", EBUSY, "an io_uring ring with registered credentials"};
  }
  return {};
}

RingProblem Open(int* fd, const char* path, int flags) noexcept {
  if (*fd < 0) {
    const long result = sys::Openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | flags);
    if (result < 0) {
      return {"openat", static_cast<int>(-result), path};
    }
    *fd = static_cast<int>(result);
  }
  return {};
}

RingProblem Sources() noexcept {
  const RingProblem problem = Open(&g_descriptors, "/proc/self/fd", O_DIRECTORY);
  return problem.call != nullptr ? problem : Open(&g_maps, "/proc/self/maps", 0);
}

}  // namespace

RingProblem CheckRings() noexcept {
  RingProblem problem = Sources();
  if (problem.call == nullptr) {
    problem = FindRings();
  }
  for (std::size_t i = 0; problem.call == nullptr && i < g_count; ++i) {
    problem = Inspect(g_rings[i]);
  }
  return problem;
}

RingProblem ConfineRings() noexcept {
  RingProblem problem = CheckRings();
  if (problem.call != nullptr || g_count == 0) {
    return problem;
  }
  problem = FindMappings();
  for (std::size_t i = 0; problem.call == nullptr && i < g_count; ++i) {
    const Ring& ring = g_rings[i];
    if (ring.rings.size == 0 || ring.entries.size == 0) {
      // Its event loop begins, and has yet to map it, or ends, and has to close it.
      return {"mmap", EPROTO, "an io_uring ring that is not mapped", true};
    }
    problem = SwapRing(ring);
    struct stat status = {};
    if (problem.call == nullptr && sys::Call(SYS_fstat, ring.fd, sys::Arg(&status)) >= 0 &&
        g_confined_count < kMostRings) {
      g_confined[g_confined_count++] = status.st_ino;
    }
  }
  return problem;
}

}  // namespace cloister::threads
