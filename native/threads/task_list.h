// The threads of this process, as /proc lists them. No memory is allocated: threads that hold the
// allocator's locks may be standing still. Child-safe.

#ifndef CLOISTER_THREADS_TASK_LIST_H_
#define CLOISTER_THREADS_TASK_LIST_H_

#include <cstddef>
#include <cstdint>

namespace cloister::threads {

class TaskList {
 public:
  // `directory`: /proc/self/task, opened by this process.
  explicit TaskList(int directory) noexcept : directory_(directory) {}

  // Starts over. False, with a negative error number in `error`, when it cannot be read.
  bool Rewind(long* error) noexcept;
  // The next thread's number; 0 at the end; a negative error number.
  long Next() noexcept;

  // Threads that the kernel counts, from the directory's links: two more than threads (proc(5)).
  [[nodiscard]] long Count() const noexcept;

  // Opens a file of a thread for reading; a negative error number.
  [[nodiscard]] long Open(int tid, const char* file) const noexcept;
  // Reads the start of a file of a thread as text; empty when it cannot be read.
  void Read(int tid, const char* file, char* text, std::size_t size) const noexcept;

 private:
  int directory_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_TASK_LIST_H_
