// Stops the other threads of this process, has each of them do something once, and lets them go on.
//
// Landlock domains, capabilities and no_new_privs belong to threads, and there is no system call
// that gives them to another thread (before Landlock ABI 8). So every thread is sent a signal whose
// handler waits. Only once all of them wait, and none can appear any more, does anything happen.
// A walk that lets each thread act as soon as it is reached is wrong in two ways: a thread that is
// created by one that was not yet reached, and listed too late, stays free; one that is created by
// a thread that acted already inherits the domain and then takes a second one.
//
// While the others stand still they may hold any lock of the C library. The thread that stopped
// them must not allocate, print, or take a lock until it lets them go.

#ifndef CLOISTER_THREADS_WORLD_H_
#define CLOISTER_THREADS_WORLD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "native/linux/signals.h"
#include "native/threads/apply.h"
#include "native/threads/task_list.h"

namespace cloister::threads {

inline constexpr std::size_t kMostThreads = 1U << 16;
inline constexpr std::size_t kCommSize = 17;
inline constexpr std::size_t kMostNamed = 8;

// Why the others could not be stopped.
enum class StopProblem { kNone, kSystem, kUnreachable, kTooMany };

struct StopFailure {
  StopProblem problem = StopProblem::kNone;
  // kSystem
  Problem cause = {};
  // kUnreachable: the first few, by number and name.
  std::size_t unreachable = 0;
  int tids[kMostNamed] = {};
  char names[kMostNamed][kCommSize] = {};
};

struct alignas(64) Slot {
  std::atomic<std::uint32_t> state;
  std::int32_t tid;
  // /proc/self/task/TID/status, or -1.
  std::int32_t status;
  Applied applied;
};

class World {
 public:
  // The memory for it, taken once. Null when there is none.
  static World* Prepare() noexcept;

  // All signals stay blocked in this thread from here until Release.
  [[nodiscard]] bool Stop(int task_directory, StopFailure* failure) noexcept;
  // Has each stopped thread apply the restriction. False: at least one reported a problem, or did
  // less than it was told; the first one is in `failed`.
  [[nodiscard]] bool ApplyToOthers(const Restriction& restriction, const Slot** failed) noexcept;
  void Release() noexcept;

  // While stopped: the slots of all threads but this one.
  template <typename F>
  void ForEach(F&& visit) noexcept {
    for (std::size_t i = 0; i < used_; ++i) {
      if (IsParked(slots_[i])) {
        visit(slots_[i]);
      }
    }
  }

 private:
  enum State : std::uint32_t { kFree, kSent, kParked, kApplied, kGone, kDead };
  enum Phase : std::uint32_t { kWait, kApply, kRelease };

  struct Known {
    std::uint32_t generation;
    std::uint32_t index;
  };

  static void OnSignal(int signal, siginfo_t* info, void* context);
  void Park(std::uint32_t generation, std::uint32_t index) noexcept;

  [[nodiscard]] bool InstallHandler(StopFailure* failure) noexcept;
  [[nodiscard]] bool TryOnce(TaskList* tasks, StopFailure* failure) noexcept;
  [[nodiscard]] bool Pass(TaskList* tasks, bool* calm, StopFailure* failure) noexcept;
  [[nodiscard]] bool AwaitParked(const TaskList& tasks, std::uint64_t deadline) noexcept;
  void NameUnreachable(const TaskList& tasks, StopFailure* failure) noexcept;
  Slot* Find(int tid) noexcept;
  Slot* Add(int tid) noexcept;
  [[nodiscard]] long Send(Slot* slot) noexcept;
  void SetState(Slot* slot, State state) noexcept;
  [[nodiscard]] bool Is(const Slot& slot, State state) const noexcept;
  [[nodiscard]] bool IsParked(const Slot& slot) const noexcept;
  void SetPhase(Phase phase) noexcept;

  Slot* slots_ = nullptr;
  Known* known_ = nullptr;
  std::size_t used_ = 0;
  int self_ = 0;
  int process_ = 0;
  std::uint32_t generation_ = 0;
  // The generation, and what its threads are to do.
  std::atomic<std::uint32_t> phase_{0};
  // Changes whenever a thread has something to tell.
  std::atomic<std::uint32_t> news_{0};
  const Restriction* restriction_ = nullptr;
  // Trying again would change nothing.
  bool hopeless_ = false;
  sys::SignalMask mask_ = 0;
  // Whose signal it is when we do not need it.
  sys::KernelAction previous_ = {};
};

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_WORLD_H_
