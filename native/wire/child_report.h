// What the processes of a cell tell the launcher over the cell's channel, a SOCK_SEQPACKET pair.
// Child-safe. The order is always: kListener, with the listener of the command's filter, where one
// is asked for; kFailed, or kStarted (with the descriptor of the command's process and, where asked
// for, of the terminal) and then kExited. End of file means that the cell's init is gone.

#ifndef CLOISTER_WIRE_CHILD_REPORT_H_
#define CLOISTER_WIRE_CHILD_REPORT_H_

#include <cstdint>

#include "native/wire/messages.h"

namespace cloister::wire {

enum class ReportKind : std::uint32_t { kFailed = 1, kStarted = 2, kExited = 3, kListener = 4 };

struct ChildReport {
  ReportKind kind;
  // kFailed
  std::uint32_t stage;
  std::int32_t error;
  // kExited: as waitid(2) gives it, CLD_EXITED or not, and the status or signal. kStarted: the
  // number of the command's process, in the pid namespace of the one that reports.
  std::uint32_t signaled;
  std::int32_t value;
  std::uint32_t reserved;
  // kStarted, kExited: CLOCK_MONOTONIC when the command was about to be executed, and when its end
  // was seen.
  std::uint64_t time_ns;
  // kExited: what init itself used, to be taken off the cell's sum.
  std::uint64_t init_user_us;
  std::uint64_t init_system_us;
  Confirmed confirmed;
  // kFailed
  char syscall[kSyscallNameSize];
  char detail[kDetailSize];
};

}  // namespace cloister::wire

#endif  // CLOISTER_WIRE_CHILD_REPORT_H_
