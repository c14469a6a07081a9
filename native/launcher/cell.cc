#include "native/launcher/cell.h"

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>

#include "native/linux/syscalls.h"
#include "native/wire/child_messages.h"

namespace cloister::launcher {

namespace {

// From a violation to the end of the cell, should nobody read the line.
constexpr std::uint64_t kLinePatienceNs = 200UL * 1000 * 1000;

}  // namespace

void Cell::Kill(wire::EndCause why) {
  // The command's own end, when it is known already, is what counts.
  if (cause == wire::EndCause::kNone && why != wire::EndCause::kNone && !exited) {
    cause = why;
    cause_time_ns = sys::MonotonicNow();
  }
  if (started && !exited) {
    watch.BeforeKill();
  }
  ending_ns = ending_ns == 0 ? sys::MonotonicNow() : ending_ns;
  if (has_keeper) {
    // Killed, it would leave everything else behind. EPIPE: it has ended.
    if (channel.Valid()) {
      send(channel.Get(), &wire::kEndAll, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return;
  }
  // ESRCH: it has ended on its own meanwhile.
  sys::PidfdSendSignal(init.Get(), SIGKILL);
  if (watch.Group() != nullptr) {
    watch.Group()->Kill();
  }
}

void Cell::EndForViolation(const SeccompNotification& call) {
  if (cause != wire::EndCause::kNone || exited) {
    return;
  }
  cause = wire::EndCause::kViolation;
  cause_time_ns = sys::MonotonicNow();
  deadline_ns = 0;
  // Its other processes go on until the line is written, and are held to the limits meanwhile.
  last_line = listener->Line(call);
  last_line_deadline_ns = cause_time_ns + kLinePatienceNs;
  if (started) {
    SendLastLine();
  }
}

void Cell::SendLastLine() {
  watch.BeforeKill();
  // The process that writes it is the cell's own: a pipe that nobody reads holds up nobody else.
  if (send(channel.Get(), last_line.data(), last_line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    Kill(wire::EndCause::kNone);
  }
}

std::uint64_t Cell::NextDeadline() const {
  const auto never_is_last = [](std::uint64_t time) { return time == 0 ? UINT64_MAX : time; };
  const std::uint64_t patience = given_up || ending_ns == 0 ? 0 : ending_ns + kEndPatienceNs;
  return std::min({never_is_last(deadline_ns), never_is_last(watch.NextCheck()),
                   never_is_last(last_line_deadline_ns), never_is_last(patience)});
}

void Cell::EnforceLimits(std::uint64_t now_ns) {
  if (deadline_ns != 0 && now_ns >= deadline_ns) {
    Kill(wire::EndCause::kWallTime);
    deadline_ns = 0;
    watch.Stop();
  }
  if (last_line_deadline_ns != 0 && now_ns >= last_line_deadline_ns) {
    Kill(wire::EndCause::kNone);
    last_line_deadline_ns = 0;
  }
  if (watch.NextCheck() != 0 && now_ns >= watch.NextCheck()) {
    const wire::EndCause exceeded = watch.Check();
    if (exceeded != wire::EndCause::kNone) {
      Kill(exceeded);
      watch.Stop();
    }
  }
}

void Cell::SettleCause(const CpuTimes& used) {
  if (cause != wire::EndCause::kNone) {
    return;
  }
  // A limit that was used up before the command's end, and not noticed before it, is the cause of
  // the end all the same: what is reported does not depend on who was faster to look.
  const bool too_late = wall_limit_ns != 0 && ended_ns >= started_ns + wall_limit_ns;
  cause = too_late ? wire::EndCause::kWallTime : watch.Exceeded(used);
  if (cause != wire::EndCause::kNone) {
    cause_time_ns = too_late ? started_ns + wall_limit_ns : ended_ns;
  }
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
