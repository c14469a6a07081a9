#include "native/launcher/server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "native/launcher/packet.h"
#include "native/linux/syscalls.h"

namespace cloister::launcher {

namespace {

constexpr std::uint64_t kSocketTag = 0;
constexpr std::uint64_t kSpareTag = 1;
constexpr std::uint64_t kNanosecondsPerMillisecond = 1000000;

std::uint64_t ChannelTag(const Cell& cell) { return cell.id << 1; }
std::uint64_t InitTag(const Cell& cell) { return cell.id << 1 | 1; }

wire::Header MakeHeader(wire::Type type, std::uint64_t cell) {
  return {wire::kVersion, type, cell};
}

std::uint64_t Microseconds(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1000000U +
         static_cast<std::uint64_t>(time.tv_usec);
}

// The number of a process in this process's pid namespace, as fdinfo tells it (pidfd_open(2)); -1 once it has been reaped.
int PidOf(int pidfd) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
  const UniqueFd info(open(path, O_RDONLY | O_CLOEXEC));
  char text[512] = {};
  if (!info.Valid() || read(info.Get(), text, sizeof(text) - 1) < 0) {
    return -1;
  }
  const char* pid = std::strstr(text, "\nPid:");
  return pid == nullptr ? -1 : static_cast<int>(std::strtol(pid + 5, nullptr, 10));
}

std::uint64_t Difference(std::uint64_t whole, std::uint64_t part) {
  return whole > part ? whole - part : 0;
}

}  // namespace

int Server::Run() {
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.Valid() || !Watch(socket_.Get(), kSocketTag, EPOLLIN)) {
    return 1;
  }
  Result<child::Facts> facts = ReadFacts();
  if (facts.Ok()) {
    facts_ = facts.Value();
    spares_.Start(facts_);
  } else {
    facts_failure_ = facts.Error();
  }
  if (spares_.Socket() >= 0 && !Watch(spares_.Socket(), kSpareTag, EPOLLIN)) {
    return 1;
  }
  while (connected_ || !cells_.empty()) {
    epoll_event events[64];
    const int count = epoll_wait(epoll_.Get(), events, 64, TimeUntilDeadline());
    if (count < 0 && errno != EINTR) {
      return 1;
    }
    for (int i = 0; i < count; ++i) {
      HandleEvent(events[i].data.u64, events[i].events);
    }
    EnforceDeadlines();
    Flush();
  }
  spares_.Stop();
  return 0;
}

bool Server::Watch(int fd, std::uint64_t tag, std::uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = tag;
  return epoll_ctl(epoll_.Get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

int Server::TimeUntilDeadline() const {
  std::uint64_t next = UINT64_MAX;
  for (const auto& [id, cell] : cells_) {
    if (cell->deadline_ns != 0) {
      next = std::min(next, cell->deadline_ns);
    }
  }
  if (next == UINT64_MAX) {
    return -1;
  }
  const std::uint64_t wait = Difference(next, sys::MonotonicNow());
  // Rounded up: waking early would only mean to wait again.
  return static_cast<int>(std::min<std::uint64_t>(
      (wait + kNanosecondsPerMillisecond - 1) / kNanosecondsPerMillisecond, 60 * 60 * 1000));
}

void Server::EnforceDeadlines() {
  for (const auto& [id, cell] : cells_) {
    if (cell->deadline_ns != 0 && sys::MonotonicNow() >= cell->deadline_ns) {
      cell->deadline_ns = 0;
      cell->Kill(wire::EndCause::kWallTime);
    }
  }
}

void Server::HandleEvent(std::uint64_t tag, std::uint32_t events) {
  if (tag == kSocketTag) {
    if ((events & EPOLLIN) != 0) {
      HandleRequests();
    }
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
      AddonGone();
    }
    return;
  }
  if (tag == kSpareTag) {
    spares_.Collect();
    return;
  }
  const auto found = cells_.find(tag >> 1);
  if (found == cells_.end()) {
    return;  // ended by an earlier event of the same round
  }
  Cell* cell = found->second.get();
  if ((tag & 1) == 0) {
    HandleReports(cell);
    if (cell->channel.Valid() && (events & (EPOLLHUP | EPOLLERR)) != 0) {
      // Closed, which also takes it out of the epoll set; the end itself shows on the pidfd.
      cell->channel.Reset();
    }
  } else {
    InitEnded(cell);
  }
}

// ---- from the addon

void Server::HandleRequests() {
  // A few at a time: reports and deadlines of running cells come first when many are started at once.
  for (int i = 0; i < 8 && connected_ && ReceiveRequest(); ++i) {
  }
}

bool Server::ReceiveRequest() {
  static std::uint8_t buffer[wire::kLargestPacket];
  Packet packet;
  switch (Receive(socket_.Get(), buffer, sizeof(buffer), &packet)) {
    case Received::kNothing:
      return false;
    case Received::kClosed:
    case Received::kBroken:
      AddonGone();
      return false;
    case Received::kPacket:
      break;
  }
  wire::Header header = {};
  if (packet.size >= sizeof(header)) {
    std::memcpy(&header, buffer, sizeof(header));
  }
  if (packet.fds_lost && header.type == wire::Type::kSpawn) {
    Send(MakeFailedEvent(header.cell, {Stage::k_clone, EMFILE, "recvmsg", "launcher"}));
    return true;
  }
  if (header.version != wire::kVersion || !Dispatch(buffer, packet.size, std::move(packet.fds))) {
    // The other side is not what this was built for: nothing it says can be trusted to mean what we think.
    AddonGone();
    return false;
  }
  return true;
}

bool Server::Dispatch(const std::uint8_t* data, std::size_t size, std::vector<UniqueFd> fds) {
  wire::Header header = {};
  std::memcpy(&header, data, sizeof(header));
  if (header.type == wire::Type::kSpawn) {
    return HandleSpawn(data, size, std::move(fds));
  }
  const auto found = cells_.find(header.cell);
  Cell* cell = found == cells_.end() ? nullptr : found->second.get();
  if (header.type == wire::Type::kSignal && size == sizeof(wire::SignalRequest)) {
    wire::SignalRequest request = {};
    std::memcpy(&request, data, sizeof(request));
    // A cell that is unknown has ended while the request was on its way.
    if (cell != nullptr) {
      HandleSignal(cell, request.signal);
    }
    return true;
  }
  if (header.type == wire::Type::kKill && size == sizeof(wire::KillRequest)) {
    if (cell != nullptr) {
      cell->Kill(wire::EndCause::kKilled);
    }
    return true;
  }
  return false;
}

bool Server::HandleSpawn(const std::uint8_t* data, std::size_t size, std::vector<UniqueFd> fds) {
  wire::SpawnRequest message = {};
  if (size < sizeof(message)) {
    return false;
  }
  std::memcpy(&message, data, sizeof(message));
  const std::size_t inline_size = size - sizeof(message);
  const bool in_memfd = message.plan_in_memfd != 0;
  if (message.header.cell == 0 || message.plan_size > wire::kPlanLimit ||
      (!in_memfd && message.plan_size > wire::kInlinePlanLimit) ||
      message.stdio_count < 3 || message.stdio_count > wire::kStdioLimit || (in_memfd ? inline_size != 0 : inline_size != message.plan_size) ||
      cells_.contains(message.header.cell)) {
    return false;
  }
  Request request;
  request.cell = message.header.cell;
  std::size_t next = 0;
  std::vector<std::uint8_t> large;
  if (in_memfd) {
    // What is checked here must be what the cell maps later.
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (fds.empty() || (fcntl(fds[0].Get(), F_GET_SEALS) & kSeals) != kSeals) {
      return false;
    }
    large.resize(message.plan_size);
    std::size_t done = 0;
    while (done < large.size()) {
      const ssize_t count = pread(fds[0].Get(), large.data() + done, large.size() - done,
                                  static_cast<off_t>(done));
      if (count <= 0) {
        return false;
      }
      done += static_cast<std::size_t>(count);
    }
    request.plan_memfd = std::move(fds[0]);
    next = 1;
  }
  request.plan = in_memfd ? large.data() : data + sizeof(message);
  request.plan_size = message.plan_size;
  for (std::uint32_t i = 0; i < message.stdio_count; ++i) {
    const bool terminal = i < 3 && (message.terminal_mask >> i & 1) != 0;
    if (!terminal && next == fds.size()) {
      return false;
    }
    request.stdio.push_back(terminal ? UniqueFd() : std::move(fds[next++]));
  }
  if (next != fds.size()) {
    return false;
  }
  StartCell(request);
  return true;
}

void Server::StartCell(const Request& request) {
  if (facts_failure_) {
    Send(MakeFailedEvent(request.cell, *facts_failure_));
    return;
  }
  Result<std::unique_ptr<Cell>> started = Spawn(request, facts_, &ids_, &spares_);
  if (!started.Ok()) {
    Send(MakeFailedEvent(request.cell, started.Error()));
    return;
  }
  Cell* cell = started.Value().get();
  const bool watched = Watch(cell->channel.Get(), ChannelTag(*cell), EPOLLIN) &&
                       Watch(cell->init.Get(), InitTag(*cell), EPOLLIN);
  if (!watched) {
    // Without a watch nobody would hear of its end: it is ended here.
    const int error = errno;
    cell->Kill(wire::EndCause::kNone);
    while (waitpid(cell->init_pid, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    Send(MakeFailedEvent(request.cell, {Stage::k_clone, error, "epoll_ctl", ""}));
    return;
  }
  cells_.emplace(request.cell, std::move(started.Value()));
}

void Server::HandleSignal(Cell* cell, int signal) {
  if (signal == SIGKILL) {
    cell->Kill(wire::EndCause::kKilled);
  } else if (!cell->started) {
    cell->pending_signal = signal;
  } else {
    // ESRCH and EINVAL: it has ended, or there is no such signal; the addon has checked the number.
    sys::PidfdSendSignal(cell->command.Get(), signal);
  }
}

void Server::AddonGone() {
  if (!connected_) {
    return;
  }
  connected_ = false;
  outgoing_.clear();
  socket_.Reset();
  for (const auto& [id, cell] : cells_) {
    cell->Kill(wire::EndCause::kKilled);
  }
}

// ---- from the cells

void Server::HandleReports(Cell* cell) {
  while (cell->channel.Valid()) {
    wire::ChildReport report = {};
    Packet packet;
    const Received received =
        Receive(cell->channel.Get(), reinterpret_cast<std::uint8_t*>(&report), sizeof(report),
                &packet);
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
    case wire::ReportKind::kStarted:
      CommandStarted(cell, report, std::move(fds));
      break;
    case wire::ReportKind::kExited: {
      if (!cell->started || cell->exited) {
        break;
      }
      cell->exited = true;
      cell->deadline_ns = 0;
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

void Server::CommandStarted(Cell* cell, const wire::ChildReport& report,
                            std::vector<UniqueFd> fds) {
  if (cell->started || fds.empty()) {
    // No descriptor arrived: this process has too many open. The command cannot be signalled, so it does not go on.
    cell->failure =
        MakeFailedEvent(cell->id, {Stage::k_init, EMFILE, "recvmsg", "launcher"});
    cell->Kill(wire::EndCause::kNone);
    return;
  }
  cell->started = true;
  cell->command = std::move(fds[0]);
  cell->started_ns = report.time_ns;
  if (cell->wall_limit_ns != 0) {
    cell->deadline_ns = report.time_ns + cell->wall_limit_ns;
  }
  wire::StartedEvent event = {};
  event.header = MakeHeader(wire::Type::kStarted, cell->id);
  event.pid = PidOf(cell->command.Get());
  event.has_terminal = fds.size() > 1 ? 1 : 0;
  event.confirmed = report.confirmed;
  Send(event, fds.size() > 1 ? std::move(fds[1]) : UniqueFd());
  // Init waits for this before it reaps anything. If it is gone, its end is reported as such.
  send(cell->channel.Get(), &wire::kStartSeen, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (cell->pending_signal != 0) {
    sys::PidfdSendSignal(cell->command.Get(), cell->pending_signal);
  }
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
  if (!cell->started) {
    Send(cell->failure.value_or(MakeFailedEvent(
        cell->id, {Stage::k_init, 0, "waitid", "the cell was killed before its command started"})));
  } else {
    if (!cell->exited) {
      // Init was killed, and the command with it.
      wire::ExitedEvent event = {};
      event.header = MakeHeader(wire::Type::kExited, cell->id);
      event.signaled = 1;
      event.value = SIGKILL;
      Send(event);
      cell->ended_ns = sys::MonotonicNow();
    }
    wire::EndedEvent event = {};
    event.header = MakeHeader(wire::Type::kEnded, cell->id);
    event.cause = cell->cause;
    event.wall_time_ns = Difference(cell->ended_ns, cell->started_ns);
    // The sum of everything init has waited for, which the kernel's own reaping at the end of a pid namespace is part of.
    event.user_time_us = Difference(Microseconds(usage.ru_utime), cell->init_user_us);
    event.system_time_us = Difference(Microseconds(usage.ru_stime), cell->init_system_us);
    event.peak_memory = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
    Send(event);
  }
  if (cell->host_id != nullptr) {
    ids_.GiveBack(std::move(cell->host_id));
  }
  cells_.erase(cell->id);
}

// ---- to the addon

template <typename Event>
void Server::Send(const Event& event, UniqueFd fd) {
  if (!connected_) {
    return;
  }
  Outgoing out;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&event);
  out.bytes.assign(bytes, bytes + sizeof(event));
  out.fd = std::move(fd);
  outgoing_.push_back(std::move(out));
  Flush();
}

void Server::Flush() {
  while (connected_ && !outgoing_.empty()) {
    Outgoing& out = outgoing_.front();
    iovec part = {out.bytes.data(), out.bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (out.fd.Valid()) {
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      const int number = out.fd.Get();
      std::memcpy(CMSG_DATA(header), &number, sizeof(number));
    }
    const ssize_t sent = sendmsg(socket_.Get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM) {
      AddonGone();
      return;
    }
    const bool blocked = sent < 0;
    epoll_event event = {};
    event.events = EPOLLIN | (blocked ? EPOLLOUT : 0U);
    event.data.u64 = kSocketTag;
    if (blocked != waiting_for_room_) {
      epoll_ctl(epoll_.Get(), EPOLL_CTL_MOD, socket_.Get(), &event);
      waiting_for_room_ = blocked;
    }
    if (blocked) {
      return;
    }
    outgoing_.pop_front();
  }
}

}  // namespace cloister::launcher
