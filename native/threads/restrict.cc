#include "native/threads/restrict.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <mutex>

#include "native/base/unique_fd.h"
#include "native/linux/signals.h"
#include "native/linux/text.h"
#include "native/threads/handover.h"
#include "native/threads/rehearsal.h"
#include "native/threads/rings.h"
#include "native/threads/sigsys.h"
#include "native/threads/status.h"
#include "native/threads/world.h"

namespace cloister::threads {

namespace {

// abort(3) as a shell sees it. A signal would meet handlers that run with half of the threads free.
constexpr int kAborted = 128 + 6;

// For threads that were stopped while they made a ring or ended it.
constexpr int kRingAttempts = 50;
constexpr sys::Timespec kRingPause = {0, 2 * 1000 * 1000};

// Process-wide, since Workers share this library; guarded by g_lock.
std::mutex g_lock;
// /proc/self/task. Kept: once files are restricted it could not be opened again.
UniqueFd g_tasks;
// Filters of ours, and whether they keep a process from trying things out.
std::uint32_t g_own_filters = 0;
// What the kernel counted before the first of ours.
std::uint32_t g_other_filters = 0;
landlock::Rights g_handled = {};
bool g_any = false;
std::uint32_t g_instructions = 0;

// What a thread's filters may have together (MAX_INSNS_PER_PATH in the kernel's seccomp.c), counted
// after the kernel has translated them: a jump may become two instructions, and there are some more
// for each filter.
constexpr std::uint32_t kMostInstructions = 32768;
constexpr std::uint32_t kInstructionsPerFilter = 8;

RestrictFailure Fail(const char* stage, const char* call, int error, std::string detail = {}) {
  return {stage, call, error, std::move(detail), {}};
}

const char* StageOf(const Problem& problem) {
  const std::string call = problem.call;
  return call.starts_with("landlock") ? "landlock" : call == "seccomp" ? "filter" : "privileges";
}

// Some threads are restricted, others not, and nothing undoes it.
[[noreturn]] void EndHalfRestricted(const Problem& problem, int tid) noexcept {
  TextBuffer<256> line;
  line.Add("cloister: thread ")
      .Add(static_cast<std::uint64_t>(tid))
      .Add(" could not be restricted (");
  line.Add(problem.call).Add(": errno ").Add(static_cast<std::uint64_t>(problem.error));
  line.Add("); ending the process, which would be half restricted\n");
  sys::Write(2, line.Text(), line.Length());
  sys::Exit(kAborted);
}

RestrictFailure OpenTasks() {
  struct stat status = {};
  if (g_tasks.Valid() && fstat(g_tasks.Get(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return {};
  }
  // Somebody closed it, and the number may be anything by now: it is not ours to close.
  static_cast<void>(g_tasks.Release());
  g_tasks.Reset(open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return g_tasks.Valid() ? RestrictFailure{} : Fail("threads", "open", errno, "/proc/self/task");
}

RestrictFailure DescribeStop(const StopFailure& failure) {
  switch (failure.problem) {
    case StopProblem::kUnreachable: {
      RestrictFailure result = Fail("threads", "rt_tgsigqueueinfo", ETIMEDOUT);
      for (std::size_t i = 0; i < failure.unreachable && i < kMostNamed; ++i) {
        result.unreachable.push_back({failure.tids[i], failure.names[i]});
      }
      return result;
    }
    case StopProblem::kTooMany:
      return Fail("threads", "getdents64", EAGAIN, "more than 65536 threads");
    default:
      return Fail("threads", failure.cause.call, failure.cause.error);
  }
}

// What happens while the others stand still: no allocation, no lock, until Release.
class Stopped {
 public:
  Stopped(World* world, const Request& request, Report* report, Handover* handover)
      : world_(*world),
        request_(request),
        report_(*report),
        handover_(*handover),
        tasks_(g_tasks.Get()) {}

  // A problem means that nothing was applied.
  Problem Run(RingProblem* rings) noexcept {
    Problem problem = Prepare(rings);
    if (problem.call == nullptr) {
      problem = ApplyInOrder();
    }
    CloseStatuses();
    return problem;
  }

 private:
  Problem Prepare(RingProblem* rings) noexcept {
    own_status_ = static_cast<int>(tasks_.Open(sys::Gettid(), "status"));
    Status own = {};
    readable_ = own_status_ >= 0 && ReadStatus(own_status_, &own);
    report_.threads = 1;
    Problem diverged = {};
    world_.ForEach([&](Slot& slot) {
      ++report_.threads;
      slot.status = readable_ ? static_cast<int>(tasks_.Open(slot.tid, "status")) : -1;
      Status other = {};
      readable_ = readable_ && slot.status >= 0 && ReadStatus(slot.status, &other);
      // A filter that the caller does not have: the kernel would refuse to replace it (seccomp(2)).
      if (readable_ && !request_.filter.empty() && other.filters > own.filters) {
        diverged = {"seccomp", EBUSY};
      }
    });
    if (diverged.call != nullptr) {
      return diverged;
    }
    if (readable_) {
      filters_before_ = own.filters;
    }
    // Under an earlier filter of ours no new ring can have come.
    if (g_own_filters == 0) {
      const bool confine = !request_.filter.empty() && request_.confine_rings;
      *rings = confine ? ConfineRings() : CheckRings();
    }
    return rings->call == nullptr ? Problem{} : Problem{rings->call, rings->error};
  }

  Problem ApplyInOrder() noexcept {
    const Applied own = Apply(request_.restriction, Role::kCaller);
    if (own.problem.call != nullptr) {
      return own.problem;
    }
    const Slot* failed = nullptr;
    if (!world_.ApplyToOthers(request_.restriction, &failed)) {
      const Problem problem = failed->applied.problem;
      EndHalfRestricted(problem.call == nullptr ? Problem{"status", EPROTO} : problem, failed->tid);
    }
    report_.no_new_privileges = own.no_new_privileges;
    report_.capabilities = own.permitted;
    Verify(false);
    if (!request_.filter.empty()) {
      InstallFilter();
    }
    report_.filters = filters_before_ + (request_.filter.empty() ? 0 : 1);
    return {};
  }

  void InstallFilter() noexcept {
    if (request_.traps) {
      InstallSigsysHandler();
    }
    sock_fprog program = {static_cast<unsigned short>(request_.filter.size()),
                          const_cast<sock_filter*>(request_.filter.data())};
    // All threads, and no_new_privs with it, or an error; a positive answer is the thread that
    // stands in the way.
    const bool watched = handover_.Started();
    long flags = SECCOMP_FILTER_FLAG_TSYNC;
    if (watched) {
      flags |= uapi::kSeccompNewListener | uapi::kSeccompThreadSyncEsrch;
      handover_.Begin();
    }
    const long result = sys::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, sys::Arg(&program));
    if (result < 0 || (!watched && result != 0)) {
      EndHalfRestricted({"seccomp", result < 0 ? static_cast<int>(-result) : EBUSY},
                        result < 0 ? sys::Gettid() : static_cast<int>(result));
    }
    if (watched) {
      const bool sent = handover_.Finish(static_cast<int>(result));
      // This process must not answer for itself.
      sys::Close(static_cast<int>(result));
      if (!sent) {
        EndHalfRestricted({"sendmsg", EPIPE}, sys::Gettid());
      }
    }
    if (request_.filter_allows_reading) {
      Verify(true);
    }
  }

  // What the kernel says of every thread.
  void Verify(bool filtered) noexcept {
    if (!readable_) {
      return;
    }
    VerifyOne(own_status_, sys::Gettid(), filtered);
    world_.ForEach([&](const Slot& slot) { VerifyOne(slot.status, slot.tid, filtered); });
  }

  void VerifyOne(int fd, int tid, bool filtered) noexcept {
    Status status = {};
    const Restriction& restriction = request_.restriction;
    const bool read = ReadStatus(fd, &status);
    const std::uint64_t capabilities =
        status.permitted | status.effective | status.inheritable | status.ambient;
    const bool privileges =
        (!restriction.no_new_privileges || status.no_new_privileges == 1) &&
        (!restriction.drop_capabilities || (capabilities & ~restriction.kept_capabilities) == 0);
    const bool filters =
        !filtered || (status.seccomp == SECCOMP_MODE_FILTER && CountFits(status.filters));
    if (!read || !privileges || !filters) {
      EndHalfRestricted({"status", EPROTO}, tid);
    }
  }

  [[nodiscard]] bool CountFits(std::uint32_t filters) const noexcept {
    return filters == filters_before_ + 1 || filters == 0;  // not told before 5.9
  }

  void CloseStatuses() noexcept {
    const auto close = [](int* fd) {
      if (*fd >= 0) {
        sys::Close(*fd);
        *fd = -1;
      }
    };
    close(&own_status_);
    world_.ForEach([&](Slot& slot) { close(&slot.status); });
  }

  World& world_;
  const Request& request_;
  Report& report_;
  Handover& handover_;
  TaskList tasks_;
  int own_status_ = -1;
  // Every thread's status file could be opened. Not so after files were restricted: each thread's
  // own word has to do then.
  bool readable_ = false;
  std::uint32_t filters_before_ = g_other_filters + g_own_filters;
};

// What the kernel would refuse when everything else has been applied already. Only the first filter
// is tried out beforehand: it may not let another process be made for the next one.
Problem RefusedByEarlier(const Request& request) {
  if (request.filter.empty() || g_own_filters == 0) {
    return {};
  }
  if (request.watch >= 0) {
    // Another thread has restricted the process since the caller looked: of the filters of a
    // process only one has a listener, and the one that is there need not let a second one be
    // tried.
    return {"seccomp", EBUSY};
  }
  const auto size = static_cast<std::uint32_t>(request.filter.size());
  const std::uint32_t most =
      2 * (g_instructions + size) + kInstructionsPerFilter * (g_own_filters + 1);
  return most > kMostInstructions ? Problem{"seccomp", ENOMEM} : Problem{};
}

std::uint32_t LastCapability() {
  std::uint32_t capability = 0;
  while (capability < 63 && sys::Prctl(PR_CAPBSET_READ, capability + 1UL) >= 0) {
    ++capability;
  }
  return capability;
}

RestrictFailure StopAndApply(World* world, const Request& request, Report* report,
                             Handover* handover) {
  RingProblem rings;
  Problem problem = {};
  for (int attempt = 0; attempt < kRingAttempts; ++attempt) {
    StopFailure stop_failure;
    if (!world->Stop(g_tasks.Get(), &stop_failure)) {
      return DescribeStop(stop_failure);
    }
    rings = {};
    problem = Stopped(world, request, report, handover).Run(&rings);
    world->Release();
    if (!rings.passing) {
      break;
    }
    sys::Call(SYS_nanosleep, sys::Arg(&kRingPause), 0);
  }
  if (rings.call != nullptr) {
    return Fail("rings", rings.call, rings.error, rings.detail);
  }
  if (problem.call != nullptr) {
    return Fail(StageOf(problem), problem.call, problem.error);
  }
  return {};
}

}  // namespace

RestrictFailure RestrictProcess(const Request& asked, Report* report) {
  const std::lock_guard guard(g_lock);
  if (const Problem refused = RefusedByEarlier(asked); refused.call != nullptr) {
    return Fail(StageOf(refused), refused.call, refused.error);
  }
  Request request = asked;
  request.restriction.last_capability = LastCapability();
  if (g_own_filters != 0) {
    // It would be the filter's refusal that is seen, in whatever way it refuses.
    request.restriction.root_closed = false;
  } else {
    const Rehearsed rehearsed = Rehearse(request.restriction, request.filter, request.watch >= 0);
    if (rehearsed.problem.call != nullptr) {
      const char* stage = rehearsed.not_tried ? "threads" : StageOf(rehearsed.problem);
      return Fail(stage, rehearsed.problem.call, rehearsed.problem.error);
    }
  }
  const RestrictFailure opened = OpenTasks();
  if (opened.Failed()) {
    return opened;
  }
  World* const world = World::Prepare();
  if (world == nullptr) {
    return Fail("threads", "mmap", ENOMEM);
  }
  Handover handover;
  if (request.watch >= 0) {
    const Problem problem = handover.Start(request.watch);
    if (problem.call != nullptr) {
      return Fail("filter", problem.call, problem.error);
    }
  }
  const RestrictFailure failure = StopAndApply(world, request, report, &handover);
  if (failure.Failed()) {
    return failure;
  }
  if (!request.filter.empty()) {
    const std::uint32_t own = request.filter_is_open ? 0 : 1;
    g_other_filters = report->filters - own - g_own_filters;
    g_own_filters += own;
  }
  g_handled = {g_handled.fs | request.handled.fs, g_handled.net | request.handled.net,
               g_handled.scoped | request.handled.scoped};
  g_instructions += static_cast<std::uint32_t>(request.filter.size());
  g_any = true;
  report->handled = g_handled;
  report->instructions = g_instructions;
  return {};
}

Earlier EarlierRestrictions() {
  const std::lock_guard guard(g_lock);
  return {g_handled, g_own_filters, g_any};
}

int TaskDirectory() {
  const std::lock_guard guard(g_lock);
  const RestrictFailure failure = OpenTasks();
  return failure.Failed() ? -failure.error : g_tasks.Get();
}

}  // namespace cloister::threads
