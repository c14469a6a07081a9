// Hands the listener of a filter to the process that answers for it (seccomp_unotify(2)).
//
// The thread that installs the filter has the listener's descriptor only when the filter holds for
// it, and the filter may not let it send anything. Another process can, which shares memory and
// descriptors with this one and is no thread of it: the filter does not reach it.

#ifndef CLOISTER_THREADS_HANDOVER_H_
#define CLOISTER_THREADS_HANDOVER_H_

#include <cstdint>

#include "native/threads/apply.h"

namespace cloister::threads {

class Handover {
 public:
  Handover() = default;
  ~Handover();
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  // `socket`: where the other side waits for it.
  Problem Start(int socket);
  [[nodiscard]] bool Started() const { return pid_ > 0; }

  // The next system call of this thread installs the filter.
  void Begin() noexcept;
  // Waits, without a system call, until the listener was sent. False: it could not be.
  bool Finish(int listener) noexcept;

 private:
  struct Shared {
    int socket;
    // A futex(2) word.
    std::int32_t phase;
    std::int32_t listener;
  };
  static int Main(void* argument);

  Shared shared_ = {};
  void* stack_ = nullptr;
  int pid_ = -1;
};

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_HANDOVER_H_
