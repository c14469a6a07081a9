#include "native/threads/task_list.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::threads {

namespace {

// struct linux_dirent64, before the name.
struct Entry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;
  std::uint8_t type;
};
constexpr std::size_t kNameOffset = 19;

// One at a time lists threads: whoever stops the others.
alignas(8) char g_entries[32 * 1024];

// 0 for a name that is no number.
long NumberOf(const char* name) noexcept {
  long number = 0;
  for (; *name >= '0' && *name <= '9'; ++name) {
    number = number * 10 + (*name - '0');
  }
  return *name == '\0' ? number : 0;
}

}  // namespace

bool TaskList::Rewind(long* error) noexcept {
  at_ = 0;
  end_ = 0;
  const long result = sys::Call(SYS_lseek, directory_, 0, 0);
  *error = result;
  return result >= 0;
}

long TaskList::Next() noexcept {
  for (;;) {
    if (at_ == end_) {
      const long count =
          sys::Call(SYS_getdents64, directory_, sys::Arg(g_entries), sizeof(g_entries));
      if (count <= 0) {
        return count;
      }
      at_ = 0;
      end_ = static_cast<std::size_t>(count);
    }
    Entry entry = {};
    std::memcpy(&entry, g_entries + at_, kNameOffset);
    const long tid = NumberOf(g_entries + at_ + kNameOffset);
    at_ += entry.length;
    if (tid != 0) {
      return tid;
    }
  }
}

long TaskList::Count() const noexcept {
  struct stat status = {};
  const long result = sys::Call(SYS_fstat, directory_, sys::Arg(&status));
  return result < 0 ? result : static_cast<long>(status.st_nlink) - 2;
}

long TaskList::Open(int tid, const char* file) const noexcept {
  TextBuffer<48> path;
  path.Add(static_cast<std::uint64_t>(tid)).Add("/").Add(file);
  return sys::Openat(directory_, path.Text(), O_RDONLY | O_CLOEXEC);
}

void TaskList::Read(int tid, const char* file, char* text, std::size_t size) const noexcept {
  text[0] = '\0';
  const long fd = Open(tid, file);
  if (fd < 0) {
    return;
  }
  const long count = sys::Read(static_cast<int>(fd), text, size - 1);
  text[count < 0 ? 0 : count] = '\0';
  sys::Close(static_cast<int>(fd));
}

}  // namespace cloister::threads
