// Processor time added up over many looks at a tree of processes.

#include <cstdint>
#include <vector>

#include "native/limits/cpu_ledger.h"
#include "test/native/check.h"

namespace {

using cloister::limits::CpuLedger;
using cloister::limits::ProcessTime;

constexpr pid_t kInit = 1;

ProcessTime Process(pid_t pid, std::uint64_t own, std::uint64_t waited = 0,
                    std::uint64_t start = 7) {
  return {pid, start, {own, 0}, {waited, 0}};
}

std::uint64_t UserAfter(const std::vector<std::vector<ProcessTime>>& looks) {
  CpuLedger ledger;
  for (const std::vector<ProcessTime>& look : looks) {
    ledger.Add(look);
  }
  return ledger.Total().user;
}

CLOISTER_TEST("a process that grows counts once") {
  CHECK_EQ(UserAfter({{Process(kInit, 0), Process(2, 5)}, {Process(kInit, 0), Process(2, 9)}}), 9U);
}

CLOISTER_TEST("a child that was waited for is in its parent's time, whatever was seen of it") {
  CHECK_EQ(UserAfter({{Process(2, 1), Process(3, 20)}, {Process(2, 1, 25)}}), 26U);
  CHECK_EQ(UserAfter({{Process(2, 1)}, {Process(2, 1, 25)}}), 26U);
}

CLOISTER_TEST("a child whose end nobody waits for stays counted as it was seen") {
  CHECK_EQ(UserAfter({{Process(2, 1), Process(3, 20)},
                      {Process(2, 1), Process(4, 20)},
                      {Process(2, 1), Process(5, 20)},
                      {Process(2, 2)}}),
           62U);
}

CLOISTER_TEST("a parent that was looked at before its child's end shows it at the next look") {
  CHECK_EQ(UserAfter({{Process(2, 1), Process(3, 20)}, {Process(2, 1)}, {Process(2, 1, 25)}}), 26U);
}

CLOISTER_TEST("what a parent shows later than that is of other children") {
  CHECK_EQ(
      UserAfter(
          {{Process(2, 1), Process(3, 20)}, {Process(2, 1)}, {Process(2, 1)}, {Process(2, 1, 25)}}),
      46U);
}

CLOISTER_TEST("a grandchild moves up with its parent") {
  CHECK_EQ(UserAfter({{Process(2, 0), Process(3, 10), Process(4, 30)},
                      {Process(2, 0), Process(3, 10, 31)},
                      {Process(2, 0, 42)}}),
           42U);
}

CLOISTER_TEST("a number that is used again is another process") {
  CHECK_EQ(UserAfter({{Process(3, 20)}, {Process(3, 4, 0, 8)}}), 24U);
}

CLOISTER_TEST("user and system time are told apart") {
  CpuLedger ledger;
  ledger.Add({{2, 7, {3, 4}, {0, 0}}});
  ledger.Add({{5, 9, {1, 1}, {0, 0}}});
  CHECK_EQ(ledger.Total().user, 4U);
  CHECK_EQ(ledger.Total().system, 5U);
}

}  // namespace
