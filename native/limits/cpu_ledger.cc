#include "native/limits/cpu_ledger.h"

#include <algorithm>
#include <utility>

namespace cloister::limits {

namespace {

// In a sorted list.
const ProcessTime* Find(const std::vector<ProcessTime>& list, const ProcessTime& process) {
  const auto found = std::lower_bound(list.begin(), list.end(), process, LowerNumber);
  const bool same =
      found != list.end() && found->pid == process.pid && found->start == process.start;
  return same ? &*found : nullptr;
}

std::uint64_t Growth(std::uint64_t now, std::uint64_t before) {
  return now > before ? now - before : 0;
}

// What one look adds. `waited` has the whole times of those that were waited for meanwhile, and
// what was seen of these before is counted already: as `gone`, or as `carried` when it was missed
// by the last look, which is then over.
struct Change {
  std::uint64_t own = 0;
  std::uint64_t waited = 0;
  std::uint64_t gone = 0;

  void AddTo(std::uint64_t* total, std::uint64_t* carried) const {
    const std::uint64_t late = std::min(waited, *carried);
    const std::uint64_t counted = std::min(waited - late, gone);
    *total += own + waited - late - counted;
    *carried = gone - counted;
  }
};

}  // namespace

void CpuLedger::Add(std::vector<ProcessTime> now) {
  std::sort(now.begin(), now.end(), LowerNumber);
  Change user;
  Change system;
  for (const ProcessTime& process : now) {
    const ProcessTime* before = Find(known_, process);
    const ProcessTime none;
    const ProcessTime& last = before == nullptr ? none : *before;
    user.own += Growth(process.own.user, last.own.user);
    user.waited += Growth(process.waited.user, last.waited.user);
    system.own += Growth(process.own.system, last.own.system);
    system.waited += Growth(process.waited.system, last.waited.system);
  }
  for (const ProcessTime& process : known_) {
    if (Find(now, process) == nullptr) {
      user.gone += process.own.user + process.waited.user;
      system.gone += process.own.system + process.waited.system;
    }
  }
  user.AddTo(&total_.user, &carried_.user);
  system.AddTo(&total_.system, &carried_.system);
  known_ = std::move(now);
}

}  // namespace cloister::limits
