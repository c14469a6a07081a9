// The part of the launcher's loop that listens to the cells.

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "native/launcher/orphans.h"
#include "native/launcher/packet.h"
#include "native/launcher/server.h"
#include "native/linux/syscalls.h"

namespace cloister::launcher {

namespace {

wire::Header MakeHeader(wire::Type type, std::uint64_t cell) {
  return {wire::kVersion, type, cell};
}

std::uint64_t Microseconds(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1000000U +
         static_cast<std::uint64_t>(time.tv_usec);
}

// A small file of /proc; empty when it cannot be read.
std::string ReadProc(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[512] = {};
  if (!fd.Valid() || read(fd.Get(), text, sizeof(text) - 1) < 0) {
    return "";
  }
  return text;
}

// The number of the command's process in the launcher's pid namespace. fdinfo tells it
// (pidfd_open(2)), but not to a process that is not dumpable on older kernels. There, init's list
// of children does: the command is its only one, since init has not been told to go on yet. A
// keeper counts processes as the launcher does, and tells.
int PidOf(const Cell& cell, const wire::ChildReport& report) {
  if (cell.has_keeper) {
    return report.value;
  }
  const std::string info = ReadProc("/proc/self/fdinfo/" + std::to_string(cell.command.Get()));
  const std::size_t pid = info.find("\nPid:");
  if (pid != std::string::npos) {
    return static_cast<int>(std::strtol(info.c_str() + pid + 5, nullptr, 10));
  }
  const std::string init = std::to_string(cell.init_pid);
  const std::string children = ReadProc("/proc/" + init + "/task/" + init + "/children");
  return children.empty() ? -1 : static_cast<int>(std::strtol(children.c_str(), nullptr, 10));
}

std::uint64_t Difference(std::uint64_t whole, std::uint64_t part) {
  return whole > part ? whole - part : 0;
}

Failure WhyNotStarted(const Cell& cell) {
  const limits::CellGroup* group = cell.watch.Group();
  if (cell.cause == wire::EndCause::kMemory || (group != nullptr && group->RanOutOfMemory())) {
    return {Stage::k_limits, ENOMEM, "clone", "the limit on memory is too small to start in"};
  }
  if (cell.cause == wire::EndCause::kWallTime) {
    return {Stage::k_exec, ETIMEDOUT, "execve", "limits.wallTime and five seconds are over"};
  }
  return {Stage::k_init, 0, "waitid", "the cell was killed before its command started"};
}

}  // namespace

void Server::HandleReports(Cell* cell) {
  while (cell->channel.Valid()) {
    wire::ChildReport report = {};
    Packet packet;
    const Received received = Receive(cell->channel.Get(), reinterpret_cast<std::uint8_t*>(&report),
                                      sizeof(report), &packet);
    if (received == Received::kNothing) {
      return;
    }
    if (received != Received::kPacket || packet.size != sizeof(report)) {
      cell->channel.Reset();
      return;
    }
    HandleReport(cell, report, std::move(packet.fds));
  }
}

void Server::HandleReport(Cell* cell, const wire::ChildReport& report, std::vector<UniqueFd> fds) {
  switch (report.kind) {
    case wire::ReportKind::kFailed: {
      wire::FailedEvent event = {};
      event.header = MakeHeader(wire::Type::kFailed, cell->id);
      event.stage = report.stage;
      event.error = report.error;
      std::memcpy(event.syscall, report.syscall, sizeof(event.syscall) - 1);
      std::memcpy(event.detail, report.detail, sizeof(event.detail) - 1);
      // Sent when init is gone: then nothing is left over.
      cell->failure = event;
      break;
    }
    case wire::ReportKind::kListener:
      TakeListener(cell, std::move(fds));
      break;
    case wire::ReportKind::kStarted:
      CommandStarted(cell, report, std::move(fds));
      break;
    case wire::ReportKind::kExited: {
      // Whoever forbade the command to go on says how it ended.
      if (!cell->started || cell->exited || cell->cause == wire::EndCause::kViolation) {
        break;
      }
      cell->exited = true;
      cell->ending_ns = sys::MonotonicNow();
      cell->deadline_ns = 0;
      cell->watch.Stop();
      cell->ended_ns = report.time_ns;
      cell->init_user_us = report.init_user_us;
      cell->init_system_us = report.init_system_us;
      wire::ExitedEvent event = {};
      event.header = MakeHeader(wire::Type::kExited, cell->id);
      event.signaled = report.signaled;
      event.value = report.value;
      Send(event);
      break;
    }
  }
}

void Server::TakeListener(Cell* cell, std::vector<UniqueFd> fds) {
  if (cell->listener == nullptr || cell->listener->Fd() >= 0 || fds.empty()) {
    // Without somebody who answers, the command waits for ever.
    cell->failure = MakeFailedEvent(cell->id, {Stage::k_filter, EMFILE, "recvmsg", "launcher"});
    cell->Kill(wire::EndCause::kNone);
    return;
  }
  cell->listener->Attach(std::move(fds[0]));
  if (!Watch(cell->listener->Fd(), TagOf(*cell, Part::kCalls), EPOLLIN)) {
    cell->failure = MakeFailedEvent(cell->id, {Stage::k_filter, errno, "epoll_ctl", ""});
    cell->Kill(wire::EndCause::kNone);
  }
}

void Server::CommandStarted(Cell* cell, const wire::ChildReport& report,
                            std::vector<UniqueFd> fds) {
  if (cell->started || fds.empty()) {
    // No descriptor arrived: this process has too many open. The command cannot be signalled, so it
    // does not go on.
    cell->failure = MakeFailedEvent(cell->id, {Stage::k_init, EMFILE, "recvmsg", "launcher"});
    cell->Kill(wire::EndCause::kNone);
    return;
  }
  cell->started = true;
  cell->command = std::move(fds[0]);
  cell->started_ns = report.time_ns;
  if (cell->wall_limit_ns != 0 && cell->cause == wire::EndCause::kNone) {
    cell->deadline_ns = report.time_ns + cell->wall_limit_ns;
  }
  cell->watch.Started(report.time_ns);
  wire::StartedEvent event = {};
  event.header = MakeHeader(wire::Type::kStarted, cell->id);
  event.pid = PidOf(*cell, report);
  event.has_terminal = fds.size() > 1 ? 1 : 0;
  event.confirmed = report.confirmed;
  Send(event, fds.size() > 1 ? std::move(fds[1]) : UniqueFd());
  // Init waits for this before it reaps anything: without it, it would wait for ever. If it is
  // gone, its end is reported as such.
  if (send(cell->channel.Get(), &wire::kStartSeen, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
      errno != EPIPE && errno != ECONNRESET) {
    cell->Kill(wire::EndCause::kKilled);
  }
  if (!cell->last_line.empty()) {
    cell->SendLastLine();
  }
  if (cell->pending_signal != 0) {
    sys::PidfdSendSignal(cell->command.Get(), cell->pending_signal);
  }
  spares_.CommandRuns();
}

std::vector<pid_t> Server::Children() const {
  std::vector<pid_t> children = spares_.Children();
  for (const auto& [id, cell] : cells_) {
    children.push_back(cell->init_pid);
  }
  if (sweeper_) {
    children.push_back(sweeper_->pid);
  }
  return children;
}

// What got away from a keeper, or was left by one that was killed, is this process's child now. Not
// while a spare process is being made, which nobody knows yet.
void Server::LookForOrphans() {
  if (orphans_possible_ && !spares_.IsMaking()) {
    orphans_possible_ = false;
    EndOrphans(Children());
  }
}

// False while somebody is at it: then it is that one's end that is waited for.
bool Server::ClearScratch(Cell* cell) {
  if (cell->scratch == nullptr) {
    return true;
  }
  Aside remover = cell->scratch->Remove();
  if (!remover.pidfd.Valid()) {
    return true;
  }
  cell->init_pid = remover.pid;
  cell->init = std::move(remover.pidfd);
  cell->scratch.reset();
  return !WatchEnd(*cell);
}

void Server::InitEnded(Cell* cell) {
  // What was sent before the end is still in the channel.
  HandleReports(cell);
  siginfo_t info = {};
  rusage usage = {};
  const long result = sys::Call(SYS_waitid, 3 /* P_PIDFD */, cell->init.Get(), sys::Arg(&info),
                                WEXITED | WNOHANG | __WALL, sys::Arg(&usage));
  if (result < 0 || info.si_pid == 0) {
    return;
  }
  if (!cell->usage) {
    cell->usage = usage;
    // Nothing of it can be late any more.
    cell->ending_ns = cell->deadline_ns = 0;
    cell->watch.Stop();
    orphans_possible_ = orphans_possible_ || cell->has_keeper;
    LookForOrphans();
    if (!ClearScratch(cell)) {
      return;
    }
  }
  if (!cell->given_up) {
    TellEnd(cell, *cell->usage);
  }
  if (std::unique_ptr<limits::CellGroup> group = cell->watch.TakeGroup()) {
    groups_.Remove(std::move(group));
  }
  cells_.erase(cell->id);
  spares_.OrderWanted();
}

void Server::TellEnd(Cell* cell, const rusage& usage) {
  if (!cell->started) {
    Send(cell->failure.value_or(MakeFailedEvent(cell->id, WhyNotStarted(*cell))));
  } else {
    ReportEnd(cell, usage);
  }
}

// Whoever waits for the outcome gets one. What holds the cell's processes is kept until they end:
// its group, its host id.
void Server::GiveUp(Cell* cell) {
  HandleReports(cell);
  cell->given_up = true;
  cell->watch.Stop();
  TellEnd(cell, {});
}

void Server::ReportEnd(Cell* cell, const rusage& usage) {
  if (!cell->exited) {
    // Init was killed, and the command with it.
    wire::ExitedEvent event = {};
    event.header = MakeHeader(wire::Type::kExited, cell->id);
    event.signaled = 1;
    event.value = cell->cause == wire::EndCause::kViolation ? SIGSYS : SIGKILL;
    Send(event);
    cell->ended_ns = sys::MonotonicNow();
  }
  // The sum of everything init has waited for, which the kernel's own reaping at the end of a pid
  // namespace is part of.
  const CpuTimes used =
      cell->watch.Used({Difference(Microseconds(usage.ru_utime), cell->init_user_us),
                        Difference(Microseconds(usage.ru_stime), cell->init_system_us)});
  cell->SettleCause(used);
  wire::EndedEvent event = {};
  event.header = MakeHeader(wire::Type::kEnded, cell->id);
  event.cause = cell->cause;
  event.cause_time_ns = cell->cause_time_ns;
  event.processes_left = cell->given_up ? 1 : 0;
  event.violations = cell->listener == nullptr ? 0 : cell->listener->Count();
  event.wall_time_ns = Difference(cell->ended_ns, cell->started_ns);
  event.user_time_us = used.user_us;
  event.system_time_us = used.system_us;
  event.peak_memory =
      std::max(static_cast<std::uint64_t>(usage.ru_maxrss) * 1024, cell->watch.LargestSeen());
  if (const limits::CellGroup* group = cell->watch.Group()) {
    event.peak_memory = group->PeakMemory().value_or(event.peak_memory);
    event.processes = static_cast<std::uint32_t>(group->PeakProcesses().value_or(0));
  }
  Send(event);
}

}  // namespace cloister::launcher
