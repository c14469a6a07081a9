#include "native/launcher/server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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
constexpr std::uint64_t kSweeperTag = 2;
// The tags of cells count up from 4.
constexpr std::uint64_t kMountsTag = UINT64_MAX;
constexpr std::uint64_t kNanosecondsPerMillisecond = 1000000;
constexpr int kGroupPatienceMs = 10;
// wallTime counts from the command's start. A start can be held up by whoever owns a file that it
// needs (a lease, a file system that does not answer): not for longer than this.
constexpr std::uint64_t kStartPatienceNs = 5000000000;

// False unless it is sealed: what is checked here must be what the cell maps later.
bool ReadPlan(int memfd, std::size_t size, std::vector<std::uint8_t>* plan) {
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if ((fcntl(memfd, F_GET_SEALS) & kSeals) != kSeals) {
    return false;
  }
  plan->resize(size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t count = pread(memfd, plan->data() + done, size - done, static_cast<off_t>(done));
    if (count <= 0) {
      return false;
    }
    done += static_cast<std::size_t>(count);
  }
  return true;
}

// A plan holds the command's environment. Cells start as copies of this process: what another
// cell's init has in its memory, nobody must be able to ask it for.
void Wipe(void* data, std::size_t size) {
  explicit_bzero(data, size);
}

std::uint64_t Difference(std::uint64_t whole, std::uint64_t part) {
  return whole > part ? whole - part : 0;
}

}  // namespace

int Server::Run() {
  const int on = 1;
  if (setsockopt(socket_.Get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0) {
    return 1;
  }
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
  if (spares_.Socket() >= 0 && (!Watch(spares_.Socket(), kSpareTag, EPOLLIN) ||
                                !Watch(spares_.MountTable(), kMountsTag, EPOLLPRI))) {
    return 1;
  }
  while (connected_ || !cells_.empty() || groups_.AnyLeft()) {
    epoll_event events[64];
    const int count = epoll_wait(epoll_.Get(), events, 64, TimeUntilDeadline());
    if (count < 0 && errno != EINTR) {
      return 1;
    }
    for (int i = 0; i < count; ++i) {
      HandleEvent(events[i].data.u64, events[i].events);
    }
    EnforceDeadlines();
    groups_.RemoveRest();
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

bool Server::WatchEnd(const Cell& cell) {
  return Watch(cell.init.Get(), TagOf(cell, Part::kInit), EPOLLIN);
}

int Server::TimeUntilDeadline() const {
  std::uint64_t next = spares_.Deadline();
  for (const auto& [id, cell] : cells_) {
    next = std::min(next, cell->NextDeadline());
  }
  if (groups_.AnyLeft()) {
    return kGroupPatienceMs;
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
  if (spares_.Deadline() != UINT64_MAX) {
    spares_.CheckDeadline();
  }
  for (const auto& [id, cell] : cells_) {
    cell->EnforceLimits(sys::MonotonicNow());
    if (cell->IsStuck(sys::MonotonicNow())) {
      GiveUp(cell.get());
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
    LookForOrphans();
    return;
  }
  if (tag == kMountsTag) {
    spares_.MountsChanged();
    return;
  }
  if (tag == kSweeperTag) {
    SweeperEnded();
    return;
  }
  const auto found = cells_.find(tag >> 2);
  if (found == cells_.end()) {
    return;  // ended by an earlier event of the same round
  }
  Cell* cell = found->second.get();
  switch (static_cast<Part>(tag & 3)) {
    case Part::kChannel:
      HandleReports(cell);
      if (cell->channel.Valid() && (events & (EPOLLHUP | EPOLLERR)) != 0) {
        // Closed, which also takes it out of the epoll set; the end itself shows on the pidfd.
        cell->channel.Reset();
      }
      break;
    case Part::kInit:
      InitEnded(cell);
      break;
    case Part::kMemory:
      // Edge-triggered: what it counts is of no interest.
      cell->Kill(wire::EndCause::kMemory);
      break;
    case Part::kCalls:
      HandleCalls(cell, events);
      break;
  }
}

// ---- from the addon

void Server::HandleRequests() {
  // A few at a time: reports and deadlines of running cells come first when many are started at
  // once.
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
  if (packet.fds_lost && packet.size >= sizeof(header)) {
    std::memcpy(&header, buffer, sizeof(header));
    Wipe(buffer, packet.size);
    Send(MakeFailedEvent(header.cell, {Stage::k_clone, EMFILE, "recvmsg", "launcher"}));
    return true;
  }
  wire::ParsedRequest request;
  const bool parsed = wire::ParseRequest(buffer, packet.size, packet.fds.size(), &request);
  if (parsed && request.type == wire::Type::kSpawn && !SentByStarter(packet)) {
    Wipe(buffer, packet.size);
    Send(MakeFailedEvent(request.cell, {Stage::k_ids, EPERM, "recvmsg",
                                        "this process has given up the ids it had before"}));
    return true;
  }
  closed_ = closed_ || (parsed && request.type == wire::Type::kSpawn && packet.sender &&
                        starter_.HasNarrowed(packet.sender->pid));
  const bool done = parsed && Dispatch(request, std::move(packet.fds));
  Wipe(buffer, packet.size);
  if (!done) {
    // The other side is not what this was built for: nothing it says can be trusted to mean what we
    // think.
    AddonGone();
    return false;
  }
  return true;
}

// A process that has changed its ids since must not use what this one still may: a cell of a former
// root would show it root's files. To end or signal what it started before is still its right.
bool Server::SentByStarter(const Packet& packet) {
  if (!packet.sender) {
    // Sent before the socket asked for credentials; nothing else comes without any.
    return !sender_known_;
  }
  sender_known_ = true;
  return packet.sender->uid == getuid() && packet.sender->gid == getgid();
}

bool Server::Dispatch(const wire::ParsedRequest& request, std::vector<UniqueFd> fds) {
  const auto found = cells_.find(request.cell);
  if (request.type == wire::Type::kClose) {
    closed_ = true;
    return true;
  }
  if (request.type == wire::Type::kSpawn && closed_) {
    Send(MakeFailedEvent(request.cell, {Stage::k_clone, EPERM, "restrictSelf", "this process"}));
    return true;
  }
  if (request.type == wire::Type::kSpawn) {
    return found == cells_.end() && HandleSpawn(request.spawn, std::move(fds));
  }
  if (found == cells_.end()) {
    return true;  // it has ended while the request was on its way
  }
  if (request.type == wire::Type::kSignal) {
    HandleSignal(found->second.get(), request.signal);
  } else {
    found->second->Kill(wire::EndCause::kKilled);
  }
  return true;
}

bool Server::HandleSpawn(const wire::ParsedSpawn& spawn, std::vector<UniqueFd> fds) {
  Request request;
  request.cell = spawn.cell;
  request.umask = spawn.umask;
  request.plan = spawn.plan;
  request.plan_size = spawn.plan_size;
  std::vector<std::uint8_t> large;
  std::size_t next = 0;
  if (spawn.InMemfd()) {
    if (!ReadPlan(fds[0].Get(), spawn.plan_size, &large)) {
      return false;
    }
    request.plan = large.data();
    request.plan_memfd = std::move(fds[next++]);
  }
  for (std::uint32_t i = 0; i < spawn.stdio_count; ++i) {
    request.stdio.push_back(spawn.IsTerminal(i) ? UniqueFd() : std::move(fds[next++]));
  }
  StartCell(request);
  Wipe(large.data(), large.size());
  return true;
}

void Server::StartCell(const Request& request) {
  if (facts_failure_) {
    Send(MakeFailedEvent(request.cell, *facts_failure_));
    return;
  }
  // With several starts under way there is no quiet moment to wait for.
  spares_.OrderWanted();
  Result<std::unique_ptr<Cell>> started = Spawn(request, facts_, &ids_, &spares_, &groups_);
  if (!started.Ok()) {
    Send(MakeFailedEvent(request.cell, started.Error()));
    return;
  }
  Cell* cell = started.Value().get();
  if (cell->scratch != nullptr && !sweeper_) {
    sweeper_ = cell->scratch->SweepBeside();
    if (sweeper_->pidfd.Valid() && !Watch(sweeper_->pidfd.Get(), kSweeperTag, EPOLLIN)) {
      SweeperEnded();
    }
  }
  const limits::CellGroup* group = cell->watch.Group();
  const bool watched =
      Watch(cell->channel.Get(), TagOf(*cell, Part::kChannel), EPOLLIN) && WatchEnd(*cell) &&
      (group == nullptr || group->OutOfMemoryEvents() < 0 ||
       Watch(group->OutOfMemoryEvents(), TagOf(*cell, Part::kMemory), EPOLLIN | EPOLLET));
  if (!watched) {
    // Without a watch nobody would hear of its end: it is ended here.
    const int error = errno;
    cell->Kill(wire::EndCause::kNone);
    while (waitpid(cell->init_pid, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    if (cell->scratch != nullptr) {
      cell->scratch->RemoveAndWait();
    }
    if (std::unique_ptr<limits::CellGroup> left = cell->watch.TakeGroup()) {
      groups_.Remove(std::move(left));
    }
    Send(MakeFailedEvent(request.cell, {Stage::k_clone, error, "epoll_ctl", ""}));
    return;
  }
  if (cell->wall_limit_ns != 0) {
    cell->deadline_ns = sys::MonotonicNow() + cell->wall_limit_ns + kStartPatienceNs;
  }
  cells_.emplace(request.cell, std::move(started.Value()));
}

void Server::SweeperEnded() {
  waitpid(sweeper_->pid, nullptr, __WALL);
  sweeper_->pid = -1;
  sweeper_->pidfd.Reset();
}

void Server::HandleSignal(Cell* cell, int signal) {
  if (signal == SIGKILL) {
    cell->Kill(wire::EndCause::kKilled);
  } else if (signal == 0) {
    return;  // whether the cell is there is known without asking
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
  outbox_.Clear();
  socket_.Reset();
  for (const auto& [id, cell] : cells_) {
    cell->Kill(wire::EndCause::kKilled);
  }
}

// ---- to the addon

void Server::Flush() {
  if (!connected_) {
    return;
  }
  const Outbox::State state = outbox_.Flush(socket_.Get());
  if (state == Outbox::State::kBroken) {
    AddonGone();
    return;
  }
  const bool blocked = state == Outbox::State::kBlocked;
  if (blocked != waiting_for_room_) {
    epoll_event event = {};
    event.events = EPOLLIN | (blocked ? EPOLLOUT : 0U);
    event.data.u64 = kSocketTag;
    epoll_ctl(epoll_.Get(), EPOLL_CTL_MOD, socket_.Get(), &event);
    waiting_for_room_ = blocked;
  }
}

}  // namespace cloister::launcher
