// One cell as the launcher sees it, from its first process to the moment when nothing of it is
// left.

#ifndef CLOISTER_LAUNCHER_CELL_H_
#define CLOISTER_LAUNCHER_CELL_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "native/base/unique_fd.h"
#include "native/launcher/cell_watch.h"
#include "native/launcher/listener.h"
#include "native/launcher/scratch.h"
#include "native/namespaces/host_ids.h"
#include "native/plan/result.h"
#include "native/wire/child_report.h"
#include "native/wire/messages.h"

namespace cloister::launcher {

// How long the end of a cell may take before it is told without.
inline constexpr std::uint64_t kEndPatienceNs = 5000000000;

struct Cell {
  std::uint64_t id = 0;
  pid_t init_pid = -1;
  UniqueFd init;     // pidfd
  UniqueFd channel;  // launcher's side
  UniqueFd command;  // pidfd, once started
  LentHostId host_id;
  // The first process is no init, but a keeper: only it can end the cell, and is asked to.
  bool has_keeper = false;
  std::unique_ptr<Scratch> scratch;
  // Set when the first process has ended. `init` then stands for who removes the scratch directory.
  std::optional<rusage> usage;

  bool started = false;
  bool exited = false;
  std::optional<wire::FailedEvent> failure;
  wire::EndCause cause = wire::EndCause::kNone;
  std::uint64_t cause_time_ns = 0;
  // A signal for a command that has not started yet.
  int pending_signal = 0;

  std::uint64_t wall_limit_ns = 0;
  // CLOCK_MONOTONIC; 0: none.
  std::uint64_t deadline_ns = 0;
  CellWatch watch;
  // Where the filter asks about what the policy forbids.
  std::unique_ptr<Listener> listener;
  // What the command's standard error is told before the cell ends; empty when nothing is.
  std::string last_line;
  // When the cell is killed although that has not been written. CLOCK_MONOTONIC; 0: never.
  std::uint64_t last_line_deadline_ns = 0;
  // When its end began: by a kill, or by the command's own exit. CLOCK_MONOTONIC; 0: it goes on.
  std::uint64_t ending_ns = 0;
  // The end has been told, with processes left that nothing can end.
  bool given_up = false;
  std::uint64_t started_ns = 0;
  std::uint64_t ended_ns = 0;
  std::uint64_t init_user_us = 0;
  std::uint64_t init_system_us = 0;

  // Ends every process of the cell: init is process 1 of its pid namespace, or a keeper does it.
  // The first cause stays.
  void Kill(wire::EndCause why);
  // The call is never answered: its process waits until the cell, which is told to leave a line,
  // has ended.
  void EndForViolation(const SeccompNotification& call);
  // Once the command runs.
  void SendLastLine();
  // When the launcher has to look at it again, CLOCK_MONOTONIC; UINT64_MAX: never.
  [[nodiscard]] std::uint64_t NextDeadline() const;
  // Its end takes longer than any kill does: a process sleeps in the kernel where no signal wakes
  // it (state D, proc_pid_stat(5)).
  [[nodiscard]] bool IsStuck(std::uint64_t now_ns) const {
    return ending_ns != 0 && !given_up && now_ns >= ending_ns + kEndPatienceNs;
  }
  // Kills what has used up a limit.
  void EnforceLimits(std::uint64_t now_ns);
  // Nothing of it is left: the one cause of its end, as far as the launcher is concerned.
  void SettleCause(const CpuTimes& used);
};

// What of a cell an event of the launcher's loop is about: in the lowest two bits of its tag.
enum class Part : std::uint64_t { kChannel = 0, kInit = 1, kMemory = 2, kCalls = 3 };

inline std::uint64_t TagOf(const Cell& cell, Part part) {
  return cell.id << 2 | static_cast<std::uint64_t>(part);
}

// The failure as it goes over the wire.
wire::FailedEvent MakeFailedEvent(std::uint64_t cell, const Failure& failure);

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_CELL_H_
