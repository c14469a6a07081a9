#include "native/threads/handover.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "native/linux/signals.h"
#include "native/wire/descriptor_message.h"

namespace cloister::threads {

namespace {

constexpr std::size_t kStackSize = 64UL * 1024;

constexpr std::int32_t kWaiting = 0;
constexpr std::int32_t kInstalling = 1;
constexpr std::int32_t kHere = 2;
constexpr std::int32_t kSent = 3;
constexpr std::int32_t kFailed = 4;
constexpr std::int32_t kNothingToDo = 5;

std::int32_t Load(const std::int32_t* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

void Store(std::int32_t* word, std::int32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

bool SendDescriptor(int socket, int descriptor) {
  const char byte = 0;
  const wire::DescriptorMessage message(&byte, 1, descriptor);
  return sys::Call(SYS_sendmsg, socket, sys::Arg(message.Get()), MSG_NOSIGNAL) == 1;
}

}  // namespace

// A process of its own on our memory: raw system calls only.
int Handover::Main(void* argument) {
  auto* shared = static_cast<Shared*>(argument);
  // Not to wait for ever should the others be ended in the middle.
  sys::Prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (Load(&shared->phase) == kWaiting) {
    sys::Call(SYS_futex, sys::Arg(&shared->phase), 0 /* FUTEX_WAIT */, kWaiting, 0);
  }
  while (Load(&shared->phase) == kInstalling) {
    sys::Call(SYS_sched_yield);
  }
  if (Load(&shared->phase) == kHere) {
    Store(&shared->phase, SendDescriptor(shared->socket, shared->listener) ? kSent : kFailed);
  }
  sys::Exit(0);
}

Problem Handover::Start(int socket) {
  stack_ = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack_ == MAP_FAILED) {
    stack_ = nullptr;
    return {"mmap", errno};
  }
  shared_ = {socket, kWaiting, -1};
  // No handler of this process may run in the other: it would work on our memory as somebody else.
  sys::SignalMask mask = 0;
  sys::SetMask(&sys::kAllSignals, &mask);
  // Exit signal 0: neither SIGCHLD nor a wait for any child in this process ever sees it.
  pid_ = clone(Main, static_cast<char*>(stack_) + kStackSize, CLONE_VM | CLONE_FILES, &shared_);
  const int error = errno;
  sys::SetMask(&mask, nullptr);
  return pid_ < 0 ? Problem{"clone", error} : Problem{};
}

void Handover::Begin() noexcept {
  Store(&shared_.phase, kInstalling);
  sys::Call(SYS_futex, sys::Arg(&shared_.phase), 1 /* FUTEX_WAKE */, 1);
}

bool Handover::Finish(int listener) noexcept {
  shared_.listener = listener;
  Store(&shared_.phase, kHere);
  // Counted, since the filter may not let the time be asked for. Should the other process have been
  // killed, this one is not to stand still for ever, with all of its threads: some seconds.
  constexpr std::uint64_t kMostLooks = 4000000000;
  std::int32_t phase = kHere;
  for (std::uint64_t looks = 0; phase == kHere && looks < kMostLooks; ++looks) {
    phase = Load(&shared_.phase);
  }
  return phase == kSent;
}

Handover::~Handover() {
  if (pid_ > 0) {
    std::int32_t phase = Load(&shared_.phase);
    if (phase == kWaiting || phase == kInstalling) {
      Store(&shared_.phase, kNothingToDo);
      sys::Call(SYS_futex, sys::Arg(&shared_.phase), 1 /* FUTEX_WAKE */, 1);
    }
    while (waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
  if (stack_ != nullptr) {
    munmap(stack_, kStackSize);
  }
}

}  // namespace cloister::threads
