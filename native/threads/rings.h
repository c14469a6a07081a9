// The io_uring rings of this process. What is submitted to a ring never passes a system call
// filter, and a ring with a kernel thread of its own, or with registered credentials, does not even
// pass Landlock. Node.js 22 and newer hold rings from their start, which only batch epoll_ctl(2).

#ifndef CLOISTER_THREADS_RINGS_H_
#define CLOISTER_THREADS_RINGS_H_

namespace cloister::threads {

// `call`: null when there is none.
struct RingProblem {
  const char* call = nullptr;
  int error = 0;
  const char* detail = "";
  // A thread may just be making or ending the ring: another moment may be a better one.
  bool passing = false;
};

// Whether a ring would carry more than the threads that use it: a reason to restrict nothing.
// No memory is allocated; the other threads stand still.
RingProblem CheckRings() noexcept;

// Puts a ring in the place of each one that can do nothing but epoll_ctl(2); who uses it notices
// nothing. The other threads stand still. Needs Linux 6.6.
RingProblem ConfineRings() noexcept;

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_RINGS_H_
