#include "native/launcher/cell_watch.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "native/limits/process_tree.h"
#include "native/linux/syscalls.h"

namespace cloister::launcher {

namespace {

constexpr std::uint64_t kMillisecond = 1000000;
// As fast as a machine with two processors was seen to touch new memory; faster ones use a little
// more before they are stopped.
constexpr std::uint64_t kBytesPerMillisecond = 8UL * 1024 * 1024;
constexpr std::uint64_t kShortestPause = 2 * kMillisecond;
constexpr std::uint64_t kLongestMemoryPause = 50 * kMillisecond;
constexpr std::uint64_t kLongestCpuPause = 1000 * kMillisecond;
// What a process has used since the last look is lost when nobody waits for it.
constexpr std::uint64_t kLongestSampledCpuPause = 50 * kMillisecond;
// About a second: a cell that cannot be looked at is not held to its limits, and does not go on.
constexpr int kMostLooksInVain = 500;
// At most one tenth of a processor is spent on looking.
constexpr std::uint64_t kPausePerLook = 9;

std::uint64_t Difference(std::uint64_t whole, std::uint64_t part) {
  return whole > part ? whole - part : 0;
}

std::uint64_t Processors() {
  static const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return static_cast<std::uint64_t>(std::max(count, 1L));
}

}  // namespace

CellWatch::CellWatch(const plan::CellLimits& limits, std::unique_ptr<limits::CellGroup> group,
                     pid_t init)
    : limits_(limits), group_(std::move(group)), init_(init) {}

std::optional<Failure> CellWatch::CannotLook() const {
  const bool sampled = (limits_.memory != 0 && !limits_.memory_by_group) || SamplesCpuTime();
  if (!sampled || limits::MeasureTree(init_)) {
    return std::nullopt;
  }
  return Failure{Stage::k_limits, errno, "open",
                 "/proc/" + std::to_string(init_) + "/task/" + std::to_string(init_) + "/children"};
}

void CellWatch::Started(std::uint64_t now_ns) {
  if (group_ != nullptr) {
    at_start_ = group_->Cpu().value_or(limits::CpuUse());
  }
  const bool sampled_memory = limits_.memory != 0 && !limits_.memory_by_group;
  if (sampled_memory || limits_.cpu_time_ns != 0) {
    next_check_ns_ = now_ns + kShortestPause;
  }
}

wire::EndCause CellWatch::Check() {
  const std::uint64_t begin = sys::MonotonicNow();
  const bool sampled_memory = limits_.memory != 0 && !limits_.memory_by_group;
  const bool sampled_cpu = SamplesCpuTime();
  limits::TreeUse tree;
  if (sampled_memory || sampled_cpu) {
    const std::optional<limits::TreeUse> seen = limits::MeasureTree(init_);
    if (!seen) {
      return LookedInVain(begin);
    }
    tree = *seen;
  }
  std::uint64_t left = UINT64_MAX;
  if (sampled_memory) {
    left = MemoryLeftNs(tree.resident);
    if (left == 0) {
      return wire::EndCause::kMemory;
    }
  }
  if (limits_.cpu_time_ns != 0) {
    if (sampled_cpu) {
      KeepTimes(tree);
    }
    const std::optional<std::uint64_t> used = sampled_cpu ? KeptCpuUs() : GroupCpuUs();
    if (!used) {
      return LookedInVain(begin);
    }
    const std::uint64_t cpu_left = CpuTimeLeftNs(*used);
    if (cpu_left == 0) {
      return wire::EndCause::kCpuTime;
    }
    left = std::min(left, cpu_left);
  }
  looks_in_vain_ = 0;
  const std::uint64_t now = sys::MonotonicNow();
  next_check_ns_ = now + std::max({left, kShortestPause, (now - begin) * kPausePerLook});
  return wire::EndCause::kNone;
}

// It is ending, and its end tells the rest; or this process cannot look any more.
wire::EndCause CellWatch::LookedInVain(std::uint64_t now_ns) {
  next_check_ns_ = now_ns + kShortestPause;
  return ++looks_in_vain_ < kMostLooksInVain ? wire::EndCause::kNone : wire::EndCause::kKilled;
}

void CellWatch::KeepTimes(const limits::TreeUse& tree) {
  ledger_.Add(limits::WithMissed(tree.times, ledger_.Known()));
}

std::uint64_t CellWatch::KeptCpuUs() const {
  return limits::MicrosecondsOf(ledger_.Total().user + ledger_.Total().system);
}

std::uint64_t CellWatch::MemoryLeftNs(std::uint64_t resident) {
  std::uint64_t used = resident;
  if (used > limits_.memory) {
    // What is shared was counted more than once.
    used = limits::ProportionalMemory(init_);
  }
  if (used > limits_.memory) {
    return 0;
  }
  const std::uint64_t left = (limits_.memory - used) / kBytesPerMillisecond * kMillisecond;
  return std::clamp(left, kShortestPause, kLongestMemoryPause);
}

std::uint64_t CellWatch::CpuTimeLeftNs(std::uint64_t used_us) {
  const std::uint64_t used = used_us * 1000;
  if (used > limits_.cpu_time_ns) {
    return 0;
  }
  // All processors at once, at the most.
  const std::uint64_t left = (limits_.cpu_time_ns - used) / Processors();
  return std::clamp(left, kShortestPause,
                    SamplesCpuTime() ? kLongestSampledCpuPause : kLongestCpuPause);
}

std::optional<std::uint64_t> CellWatch::GroupCpuUs() const {
  const std::optional<limits::CpuUse> use = group_ == nullptr ? std::nullopt : group_->Cpu();
  return use ? std::optional(Difference(use->total_us, at_start_.total_us)) : std::nullopt;
}

wire::EndCause CellWatch::Exceeded(const CpuTimes& used) const {
  if (group_ != nullptr && group_->RanOutOfMemory()) {
    return wire::EndCause::kMemory;
  }
  const bool too_long =
      limits_.cpu_time_ns != 0 && (used.user_us + used.system_us) * 1000 > limits_.cpu_time_ns;
  return too_long ? wire::EndCause::kCpuTime : wire::EndCause::kNone;
}

void CellWatch::BeforeKill() {
  // A first process of a pid namespace that is killed waits for nobody: the kernel lets the others
  // go unaccounted (pid_namespaces(7)).
  const std::optional<limits::TreeUse> tree = limits::MeasureTree(init_);
  seen_ = tree.value_or(limits::TreeUse());
  if (tree && SamplesCpuTime()) {
    KeepTimes(*tree);
  }
}

CpuTimes CellWatch::Used(const CpuTimes& of_waited) const {
  const CpuTimes kept = {limits::MicrosecondsOf(ledger_.Total().user),
                         limits::MicrosecondsOf(ledger_.Total().system)};
  const CpuTimes waited = {std::max({of_waited.user_us, seen_.user_us, kept.user_us}),
                           std::max({of_waited.system_us, seen_.system_us, kept.system_us})};
  const std::optional<limits::CpuUse> use = group_ == nullptr ? std::nullopt : group_->Cpu();
  if (!use) {
    return waited;
  }
  if (use->user_us + use->system_us != 0) {
    return {Difference(use->user_us, at_start_.user_us),
            Difference(use->system_us, at_start_.system_us)};
  }
  // Version 1 tells the two apart by where clock ticks fell; what the kernel keeps for each process
  // is better.
  const std::uint64_t total = Difference(use->total_us, at_start_.total_us);
  const std::uint64_t sum = waited.user_us + waited.system_us;
  const std::uint64_t user = sum == 0 ? total : total * waited.user_us / sum;
  return {user, total - user};
}

}  // namespace cloister::launcher
