// Restricts this process: every thread of it, or none.

#ifndef CLOISTER_THREADS_RESTRICT_H_
#define CLOISTER_THREADS_RESTRICT_H_

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "native/landlock/rights.h"
#include "native/threads/apply.h"

namespace cloister::threads {

struct Request {
  Restriction restriction;
  // What the ruleset handles: for the record.
  landlock::Rights handled = {};
  // Empty: none is installed.
  std::span<const sock_filter> filter;
  // Rings that are there must be confined, or nothing is done: what is submitted to them passes no
  // filter.
  bool confine_rings = true;
  // The filter answers what it forbids with SIGSYS: the handler that tells of it is put in place.
  bool traps = false;
  // Where the process waits that answers for what the filter asks about, or -1.
  int watch = -1;
  // The filter lets this thread read what it opened before: the other threads' status is read once
  // more when it is in force.
  bool filter_allows_reading = false;
  // The filter is in the way of nothing that is done here: the next restriction is tried out as if
  // it were the first one.
  bool filter_is_open = false;
};

struct Report {
  std::uint32_t threads = 0;
  bool no_new_privileges = false;
  std::uint64_t capabilities = 0;
  std::uint32_t filters = 0;
  // Of this call and all before it.
  landlock::Rights handled = {};
  std::uint32_t instructions = 0;
};

struct UnreachableThread {
  int tid;
  std::string name;
};

// Why nothing was applied. `call` is empty when there is no failure.
struct RestrictFailure {
  // "threads", "privileges", "landlock", "filter" or "rings"
  const char* stage = "";
  std::string call;
  int error = 0;
  std::string detail;
  std::vector<UnreachableThread> unreachable;

  [[nodiscard]] bool Failed() const { return !call.empty(); }
};

// What earlier calls have done.
struct Earlier {
  landlock::Rights handled;
  std::uint32_t filters;
  // There was one that succeeded, whatever it was about.
  bool any;
};
[[nodiscard]] Earlier EarlierRestrictions();

// /proc/self/task, opened at the first call and kept: a later restriction needs it, and may not be
// able to open it. A negative error number.
[[nodiscard]] int TaskDirectory();

// One at a time: a second thread that calls waits for the first. Where the process could only be
// left with some threads restricted and others not, it is ended.
[[nodiscard]] RestrictFailure RestrictProcess(const Request& request, Report* report);

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_RESTRICT_H_
