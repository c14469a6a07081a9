#include "native/threads/world.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "native/linux/syscalls.h"
#include "native/linux/text.h"
#include "native/threads/status.h"

namespace cloister::threads {

namespace {

// The C library uses it to change user ids in all threads (glibc) or to cancel one (musl), and
// therefore never lets a program block it: the only signal that reaches Node's inspector thread,
// which blocks everything else.
constexpr int kSignal = 33;

// A queued signal carries a value: this mark, the generation and the slot.
constexpr std::uint64_t kMark = 0xc101;
constexpr unsigned kGenerationBits = 24;
constexpr std::uint32_t kGenerationMask = (1U << kGenerationBits) - 1;

constexpr std::size_t kKnownSize = kMostThreads * 2;

constexpr std::uint64_t kMillisecond = 1000000;
constexpr int kAttempts = 3;
constexpr std::uint64_t kAttemptTime = 1000 * kMillisecond;
// Looking whether a thread still lives costs a system call: not before it had time to come.
constexpr std::uint64_t kLookAfter = kMillisecond / 4;
// A thread that takes longer may be none that can run a handler, or not the one that was sent to.
constexpr std::uint64_t kSuspicious = 20 * kMillisecond;
constexpr std::uint64_t kSendAgain = 100 * kMillisecond;
constexpr sys::Timespec kPollTime = {0, static_cast<long>(kMillisecond)};
constexpr sys::Timespec kPauseTime = {0, 20 * static_cast<long>(kMillisecond)};

World* g_world = nullptr;

std::uint32_t Word(std::uint32_t generation, std::uint32_t low) noexcept {
  return generation << 8 | low;
}

void* Map(std::size_t size) noexcept {
  const long address = sys::Call(SYS_mmap, 0, static_cast<long>(size), PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address < 0 && address > -4096 ? nullptr : reinterpret_cast<void*>(address);
}

// struct siginfo for SI_QUEUE (sigqueue(3)), as rt_tgsigqueueinfo(2) takes it.
siginfo_t QueuedSignal(int process, std::uint64_t value) noexcept {
  siginfo_t info = {};
  info.si_signo = kSignal;
  info.si_code = SI_QUEUE;
  info.si_pid = process;
  info.si_value.sival_ptr = reinterpret_cast<void*>(value);
  return info;
}

bool HasHandler(const sys::KernelAction& action) noexcept {
  const auto handler = reinterpret_cast<std::uintptr_t>(action.handler);
  return handler != reinterpret_cast<std::uintptr_t>(SIG_DFL) &&
         handler != reinterpret_cast<std::uintptr_t>(SIG_IGN);
}

bool IsAlive(int process, int tid) noexcept {
  return sys::Call(SYS_tgkill, process, tid, 0) != -ESRCH;
}

// The third field of /proc/PID/stat, behind the name in parentheses (proc(5)): a zombie, such as a
// first thread that ended before the others, never runs again.
bool IsDead(const TaskList& tasks, int tid) noexcept {
  char stat[128];
  tasks.Read(tid, "stat", stat, sizeof(stat));
  const char* end = nullptr;
  for (const char* at = stat; *at != '\0'; ++at) {
    end = *at == ')' ? at : end;
  }
  return end != nullptr && (end[2] == 'Z' || end[2] == 'X');
}

// Also where it cannot be told: once files are restricted.
bool HasSignalWaiting(const TaskList& tasks, int tid) noexcept {
  const long fd = tasks.Open(tid, "status");
  if (fd < 0) {
    return true;
  }
  Status status = {};
  const bool known = ReadStatus(static_cast<int>(fd), &status);
  sys::Close(static_cast<int>(fd));
  return !known || (status.pending & sys::MaskOf(kSignal)) != 0;
}

// A kernel thread that works for an io_uring ring: it is listed, and never runs a handler.
bool IsRingWorker(const TaskList& tasks, int tid) noexcept {
  char name[kCommSize];
  tasks.Read(tid, "comm", name, sizeof(name));
  return name[0] == 'i' && name[1] == 'o' && name[2] == 'u' && name[3] == '-';
}

}  // namespace

World* World::Prepare() noexcept {
  static World world;
  if (world.slots_ == nullptr) {
    auto* slots = static_cast<Slot*>(Map(kMostThreads * sizeof(Slot)));
    auto* known = static_cast<Known*>(Map(kKnownSize * sizeof(Known)));
    if (slots == nullptr || known == nullptr) {
      return nullptr;
    }
    world.slots_ = slots;
    world.known_ = known;
    g_world = &world;
  }
  return &world;
}

// ---------------------------------------------------------------- in the threads that are stopped

void World::OnSignal(int signal, siginfo_t* info, void* context) {
  const auto value = reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr);
  World& world = *g_world;
  if (info->si_code == SI_QUEUE && value >> 48 == kMark && info->si_pid == world.process_) {
    world.Park(static_cast<std::uint32_t>(value >> 24) & kGenerationMask,
               static_cast<std::uint32_t>(value) & kGenerationMask);
    return;
  }
  // Somebody else's: the C library's own use of this signal goes on working.
  if (HasHandler(world.previous_)) {
    world.previous_.handler(signal, info, context);
  }
}

void World::Park(std::uint32_t generation, std::uint32_t index) noexcept {
  if (index >= kMostThreads) {
    return;
  }
  Slot& slot = slots_[index];
  // Fails for a signal that comes late, of a stop that was given up, and for one sent twice. The
  // generation is part of the word: the slot may belong to another thread by now.
  std::uint32_t expected = Word(generation, kSent);
  if (!slot.state.compare_exchange_strong(expected, Word(generation, kParked))) {
    return;
  }
  news_.fetch_add(1);
  sys::FutexWakeAll(&news_);
  std::uint32_t phase = phase_.load();
  for (; phase == Word(generation, kWait); phase = phase_.load()) {
    sys::FutexWait(&phase_, phase, nullptr);
  }
  if (phase != Word(generation, kApply)) {
    return;
  }
  slot.applied = Apply(*restriction_, Role::kOther);
  slot.state.store(Word(generation, kApplied));
  news_.fetch_add(1);
  sys::FutexWakeAll(&news_);
  for (; phase == Word(generation, kApply); phase = phase_.load()) {
    sys::FutexWait(&phase_, phase, nullptr);
  }
}

// -------------------------------------------------------------- in the thread that stops the
// others

void World::SetPhase(Phase phase) noexcept {
  phase_.store(Word(generation_, phase));
  sys::FutexWakeAll(&phase_);
}

void World::SetState(Slot* slot, State state) noexcept {
  slot->state.store(Word(generation_, state));
}

bool World::Is(const Slot& slot, State state) const noexcept {
  return slot.state.load() == Word(generation_, state);
}

bool World::IsParked(const Slot& slot) const noexcept {
  return Is(slot, kParked) || Is(slot, kApplied);
}

bool World::InstallHandler(StopFailure* failure) noexcept {
  // Everything blocked in the handler: another handler that ran on top could do anything.
  // SA_ONSTACK for threads with a small stack of their own (Go); SA_RESTART so that interrupted
  // calls go on.
  const sys::KernelAction action =
      sys::MakeAction(OnSignal, SA_SIGINFO | SA_RESTART | SA_ONSTACK, sys::kAllSignals);
  sys::KernelAction present = {};
  const long result = sys::SetAction(kSignal, &action, &present);
  if (result < 0) {
    failure->problem = StopProblem::kSystem;
    failure->cause = {"rt_sigaction", static_cast<int>(-result)};
    return false;
  }
  if (present.handler != OnSignal) {
    previous_ = present;
  }
  return true;
}

bool World::Stop(int task_directory, StopFailure* failure) noexcept {
  TaskList tasks(task_directory);
  process_ = sys::Getpid();
  self_ = sys::Gettid();
  sys::SetMask(&sys::kAllSignals, &mask_);
  hopeless_ = false;
  bool stopped = InstallHandler(failure);
  for (int attempt = 0; stopped && attempt < kAttempts; ++attempt) {
    *failure = {};
    stopped = TryOnce(&tasks, failure);
    if (stopped) {
      return true;
    }
    SetPhase(kRelease);
    // A thread may have waited, with all signals blocked, for one that was stopped.
    stopped = failure->problem == StopProblem::kUnreachable && !hopeless_;
    if (stopped && attempt + 1 < kAttempts) {
      sys::Call(SYS_nanosleep, sys::Arg(&kPauseTime), 0);
    }
  }
  // The handler stays: a thread that could not be reached gets the signal whenever it unblocks it,
  // and without a handler that would be the end of the process.
  sys::SetMask(&mask_, nullptr);
  return false;
}

bool World::TryOnce(TaskList* tasks, StopFailure* failure) noexcept {
  generation_ = (generation_ + 1) & kGenerationMask;
  used_ = 0;
  SetPhase(kWait);
  const std::uint64_t deadline = sys::MonotonicNow() + kAttemptTime;
  for (int calm_passes = 0; calm_passes < 2;) {
    bool calm = true;
    if (!Pass(tasks, &calm, failure)) {
      return false;
    }
    if (!AwaitParked(*tasks, deadline) || sys::MonotonicNow() > deadline) {
      failure->problem = StopProblem::kUnreachable;
      NameUnreachable(*tasks, failure);
      return false;
    }
    // Twice in a row nothing new, and as many listed as the kernel counts: a list can be cut short
    // when threads end while it is read, and a thread that was seen and is gone may have left one
    // that was not seen.
    calm_passes = calm ? calm_passes + 1 : 0;
  }
  return true;
}

// Sends the signal to every thread that has not had it.
bool World::Pass(TaskList* tasks, bool* calm, StopFailure* failure) noexcept {
  const auto fail = [failure](const char* call, long error) {
    failure->problem = StopProblem::kSystem;
    failure->cause = {call, static_cast<int>(-error)};
    return false;
  };
  long error = 0;
  if (!tasks->Rewind(&error)) {
    return fail("lseek", error);
  }
  long count = 0;
  bool found_self = false;
  for (long tid = tasks->Next(); tid != 0; tid = tasks->Next()) {
    if (tid < 0) {
      return fail("getdents64", tid);
    }
    ++count;
    if (tid == self_) {
      found_self = true;
      continue;
    }
    Slot* slot = Find(static_cast<int>(tid));
    if (slot != nullptr && (IsParked(*slot) || Is(*slot, kDead))) {
      continue;
    }
    *calm = false;
    if (slot != nullptr && Is(*slot, kSent)) {
      continue;
    }
    // New, or a number that was free and is in use again.
    slot = slot != nullptr ? slot : Add(static_cast<int>(tid));
    if (slot == nullptr) {
      failure->problem = StopProblem::kTooMany;
      return false;
    }
    SetState(slot, kSent);
    const long result = Send(slot);
    if (result == -ESRCH) {
      SetState(slot, kGone);
    } else if (result < 0) {
      return fail("rt_tgsigqueueinfo", result);
    }
  }
  if (!found_self) {
    // A /proc of another pid namespace: its numbers mean nothing here.
    return fail("getdents64", -ESRCH);
  }
  *calm = *calm && count == tasks->Count();
  return true;
}

// Until no thread is underway any more.
bool World::AwaitParked(const TaskList& tasks, std::uint64_t deadline) noexcept {
  const std::uint64_t start = sys::MonotonicNow();
  std::uint64_t send_again = start + kSendAgain;
  for (;;) {
    const std::uint32_t news = news_.load();
    const std::uint64_t now = sys::MonotonicNow();
    const bool again = now > send_again;
    bool underway = false;
    for (std::size_t i = 0; i < used_; ++i) {
      Slot& slot = slots_[i];
      if (!Is(slot, kSent)) {
        continue;
      }
      std::uint32_t expected = Word(generation_, kSent);
      if (now > start + kLookAfter && !IsAlive(process_, slot.tid)) {
        slot.state.compare_exchange_strong(expected, Word(generation_, kGone));
      } else if (now > start + kSuspicious && IsDead(tasks, slot.tid)) {
        slot.state.compare_exchange_strong(expected, Word(generation_, kDead));
      } else if (now > start + kSuspicious && IsRingWorker(tasks, slot.tid)) {
        hopeless_ = true;
        return false;
      } else {
        underway = true;
        if (again && !HasSignalWaiting(tasks, slot.tid)) {
          // The number has passed to a thread that was never sent anything, or it is in the handler
          // by now. Not sent twice without need: each signal interrupts what the thread does next.
          static_cast<void>(Send(&slot));
        }
      }
    }
    if (!underway) {
      return true;
    }
    if (now > deadline) {
      return false;
    }
    send_again = again ? now + kSendAgain : send_again;
    sys::FutexWait(&news_, news, &kPollTime);
  }
}

void World::NameUnreachable(const TaskList& tasks, StopFailure* failure) noexcept {
  for (std::size_t i = 0; i < used_; ++i) {
    if (!Is(slots_[i], kSent)) {
      continue;
    }
    if (failure->unreachable < kMostNamed) {
      char* name = failure->names[failure->unreachable];
      failure->tids[failure->unreachable] = slots_[i].tid;
      tasks.Read(slots_[i].tid, "comm", name, kCommSize);
      for (char* at = name; *at != '\0'; ++at) {
        *at = *at == '\n' ? '\0' : *at;
      }
    }
    ++failure->unreachable;
  }
}

Slot* World::Find(int tid) noexcept {
  std::size_t at = static_cast<std::size_t>(tid) * 0x9e3779b1U % kKnownSize;
  for (; known_[at].generation == generation_ + 1; at = (at + 1) % kKnownSize) {
    Slot& slot = slots_[known_[at].index];
    if (slot.tid == tid) {
      return &slot;
    }
  }
  return nullptr;
}

Slot* World::Add(int tid) noexcept {
  if (used_ == kMostThreads) {
    return nullptr;
  }
  std::size_t at = static_cast<std::size_t>(tid) * 0x9e3779b1U % kKnownSize;
  while (known_[at].generation == generation_ + 1) {
    at = (at + 1) % kKnownSize;
  }
  // 0 is what the memory holds at first: no generation.
  known_[at] = {generation_ + 1, static_cast<std::uint32_t>(used_)};
  Slot* slot = &slots_[used_++];
  slot->tid = tid;
  slot->status = -1;
  slot->applied = {};
  return slot;
}

long World::Send(Slot* slot) noexcept {
  const auto index = static_cast<std::uint64_t>(slot - slots_);
  siginfo_t info = QueuedSignal(process_, kMark << 48 | std::uint64_t{generation_} << 24 | index);
  return sys::Call(SYS_rt_tgsigqueueinfo, process_, slot->tid, kSignal, sys::Arg(&info));
}

bool World::ApplyToOthers(const Restriction& restriction, const Slot** failed) noexcept {
  restriction_ = &restriction;
  SetPhase(kApply);
  for (;;) {
    const std::uint32_t news = news_.load();
    bool waiting = false;
    ForEach([&](const Slot& slot) { waiting = waiting || Is(slot, kParked); });
    if (!waiting) {
      break;
    }
    // They only have to run: nothing they do can block.
    sys::FutexWait(&news_, news, &kPollTime);
  }
  *failed = nullptr;
  ForEach([&](const Slot& slot) {
    const Applied& applied = slot.applied;
    const bool less = applied.problem.call != nullptr ||
                      (restriction.no_new_privileges && !applied.no_new_privileges) ||
                      (restriction.drop_capabilities && ((applied.permitted | applied.effective) &
                                                         ~restriction.kept_capabilities) != 0);
    if (less && *failed == nullptr) {
      *failed = &slot;
    }
  });
  return *failed == nullptr;
}

void World::Release() noexcept {
  // Back to the C library's own handler, which passes over a signal that was sent twice and comes
  // late. Without one (musl, until a thread is cancelled) such a signal would end the process: then
  // ours stays.
  if (HasHandler(previous_)) {
    sys::SetAction(kSignal, &previous_, nullptr);
  }
  SetPhase(kRelease);
  sys::SetMask(&mask_, nullptr);
}

}  // namespace cloister::threads
