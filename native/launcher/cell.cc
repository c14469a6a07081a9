#include "native/launcher/cell.h"

#include <signal.h>

#include <cstdio>

#include "native/linux/syscalls.h"

namespace cloister::launcher {

void Cell::Kill(wire::EndCause why) {
  // The command's own end, when it is known already, is what counts.
  if (cause == wire::EndCause::kNone && !exited) {
    cause = why;
  }
  // ESRCH: it has ended on its own meanwhile.
  sys::PidfdSendSignal(init.Get(), SIGKILL);
}

wire::FailedEvent MakeFailedEvent(std::uint64_t cell, const Failure& failure) {
  wire::FailedEvent event = {};
  event.header = {wire::kVersion, wire::Type::kFailed, cell};
  event.stage = static_cast<std::uint32_t>(failure.stage);
  event.error = failure.error;
  std::snprintf(event.syscall, sizeof(event.syscall), "%s", failure.syscall);
  std::snprintf(event.detail, sizeof(event.detail), "%s", failure.detail.c_str());
  return event;
}

}  // namespace cloister::launcher
