#include "native/binding/launcher_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "native/binding/quiet_thread.h"
#include "native/binding/sealed_copy.h"
#include "native/binding/umask.h"
#include "native/linux/syscalls.h"
#include "native/linux/uapi.h"
#include "native/wire/messages.h"

namespace cloister::binding {

namespace {

// How long the ends of commands are waited for when their launcher was lost. The kernel kills them
// with it; this is only about when it is said.
constexpr int kLossPatienceMs = 1000;

Failure CloneFailure(int error, const char* syscall, std::string detail = {}) {
  return {Stage::k_clone, error, syscall, std::move(detail)};
}

template <typename Message>
std::span<const std::uint8_t> BytesOf(const Message& message) {
  return {reinterpret_cast<const std::uint8_t*>(&message), sizeof(message)};
}

void AwaitEnds(const std::vector<int>& pids) {
  const std::uint64_t deadline = sys::MonotonicNow() + kLossPatienceMs * 1000000ULL;
  for (const int pid : pids) {
    const UniqueFd process(static_cast<int>(sys::Call(uapi::kSysPidfdOpen, pid, 0)));
    const std::uint64_t now = sys::MonotonicNow();
    if (process.Valid() && now < deadline) {
      pollfd watched = {process.Get(), POLLIN, 0};
      poll(&watched, 1, static_cast<int>((deadline - now) / 1000000ULL));
    }
  }
}

std::unique_ptr<CellEvent> LossEvent(std::uint64_t cell, bool started) {
  auto event = std::make_unique<CellEvent>();
  if (started) {
    wire::EndedEvent ended = {};
    ended.header = {wire::kVersion, wire::Type::kEnded, cell};
    ended.cause = wire::EndCause::kLauncherLost;
    event->message = ended;
  } else {
    wire::FailedEvent failed = {};
    failed.header = {wire::kVersion, wire::Type::kFailed, cell};
    failed.stage = static_cast<std::uint32_t>(Stage::k_clone);
    failed.error = ECONNRESET;
    std::strcpy(failed.syscall, "recvmsg");
    std::strcpy(failed.detail, "launcher");
    event->message = failed;
  }
  return event;
}

}  // namespace

Credentials Credentials::Current() {
  Credentials current = {geteuid(), getegid(), {}};
  const int count = getgroups(0, nullptr);
  if (count > 0) {
    current.groups.resize(static_cast<std::size_t>(count));
    if (getgroups(count, current.groups.data()) != count) {
      current.groups.clear();
    }
  }
  return current;
}

LauncherClient& LauncherClient::Instance() {
  static auto* const instance = new LauncherClient();
  return *instance;
}

// ---- requests

Result<Spawned> LauncherClient::Spawn(EventSink* owner, const std::string& launcher_path,
                                      std::span<const std::uint8_t> plan,
                                      std::span<const int> stdio) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) {
    return Failure{Stage::k_clone, EPERM, "restrictSelf", "this process"};
  }
  if (plan.size() > wire::kPlanLimit) {
    return CloneFailure(E2BIG, "memfd_create", "plan");
  }
  if (std::optional<Failure> failure = OpenNullDevice()) {
    return *std::move(failure);
  }
  if (std::optional<Failure> failure = RefuseOwn(stdio)) {
    return *std::move(failure);
  }
  Result<Stdio> made = MakeStdio(stdio, null_device_.Get());
  if (!made.Ok()) {
    return made.Error();
  }
  const bool in_memfd = plan.size() > wire::kInlinePlanLimit;
  UniqueFd memory;
  std::vector<int> descriptors;
  descriptors.reserve(stdio.size() + 1);
  if (in_memfd) {
    Result<UniqueFd> copy = SealedCopy("cloister-plan", plan);
    if (!copy.Ok()) {
      return copy.Error();
    }
    memory = std::move(copy.Value());
    descriptors.push_back(memory.Get());
  }
  descriptors.insert(descriptors.end(), made.Value().for_cell.begin(), made.Value().for_cell.end());
  const std::uint64_t cell = last_cell_ + 1;
  wire::SpawnRequest request = {};
  request.header = {wire::kVersion, wire::Type::kSpawn, cell};
  request.plan_size = plan.size();
  request.plan_in_memfd = in_memfd ? 1 : 0;
  request.stdio_count = static_cast<std::uint32_t>(stdio.size());
  request.terminal_mask = made.Value().terminal_mask;
  request.umask = CurrentUmask();
  const Packet packet = {BytesOf(request), in_memfd ? std::span<const std::uint8_t>() : plan,
                         descriptors};
  if (std::optional<Failure> failure = SendSpawn(packet, launcher_path)) {
    return *std::move(failure);
  }
  last_cell_ = cell;
  cells_.emplace(cell, Cell{owner, connection_, 0, std::move(made.Value().terminal), nullptr});
  return Spawned{cell, std::move(made.Value().ours)};
}

// Whoever holds the socket may start cells of its own: no command gets it, though its number is
// easily named by mistake.
std::optional<Failure> LauncherClient::RefuseOwn(std::span<const int> stdio) const {
  for (const int fd : stdio) {
    if (fd >= 0 && connection_ != nullptr && connection_->IsSocket(fd)) {
      return CloneFailure(EBADF, "fcntl",
                          "descriptor " + std::to_string(fd) + " is cloister's own");
    }
  }
  return std::nullopt;
}

std::optional<Failure> LauncherClient::OpenNullDevice() {
  if (null_device_.Valid()) {
    return std::nullopt;
  }
  null_device_.Reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_device_.Valid()) {
    return CloneFailure(errno, "open", "/dev/null");
  }
  return std::nullopt;
}

std::optional<Failure> LauncherClient::SendSpawn(const Packet& packet,
                                                 const std::string& launcher_path) {
  // A process that has given up its user must not keep it through a launcher from before.
  if (connection_ != nullptr && credentials_ != Credentials::Current()) {
    Retire();
  }
  const bool fresh = connection_ == nullptr;
  if (fresh) {
    if (std::optional<Failure> failure = Connect(launcher_path)) {
      return failure;
    }
  }
  std::optional<Failure> failure = connection_->Send(packet);
  if (failure && failure->error == EPIPE && !fresh) {
    // It ended since the last request. Its watcher reports its cells; this one gets a new launcher.
    connection_.reset();
    failure = Connect(launcher_path);
    if (!failure) {
      failure = connection_->Send(packet);
    }
  }
  return failure;
}

void LauncherClient::Retire() {
  const std::shared_ptr<Connection> retired = std::move(connection_);
  connection_.reset();
  retired->Wake();
}

bool LauncherClient::IsOver(const Connection* connection) const {
  return connection_.get() != connection &&
         std::none_of(cells_.begin(), cells_.end(), [connection](const auto& entry) {
           return entry.second.connection.get() == connection;
         });
}

bool LauncherClient::Signal(std::uint64_t cell, int signal) {
  wire::SignalRequest request = {};
  request.header = {wire::kVersion, wire::Type::kSignal, cell};
  request.signal = signal;
  const std::lock_guard<std::mutex> lock(mutex_);
  return Post(cell, BytesOf(request));
}

bool LauncherClient::Kill(std::uint64_t cell) {
  wire::KillRequest request = {};
  request.header = {wire::kVersion, wire::Type::kKill, cell};
  const std::lock_guard<std::mutex> lock(mutex_);
  return Post(cell, BytesOf(request));
}

void LauncherClient::CloseForGood() {
  wire::CloseRequest request = {};
  request.header = {wire::kVersion, wire::Type::kClose, 1};
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  // A request that waits in the queue would leave the launcher open to whoever writes to its socket
  // meanwhile.
  if (connection_ != nullptr &&
      (connection_->Send({BytesOf(request), {}, {}}) || connection_->HasQueued())) {
    connection_->Abandon();
  }
}

bool LauncherClient::Post(std::uint64_t cell, std::span<const std::uint8_t> request) {
  const auto found = cells_.find(cell);
  return found != cells_.end() && found->second.connection != nullptr &&
         !found->second.connection->Send({request, {}, {}});
}

bool LauncherClient::Resize(std::uint64_t cell, std::uint16_t columns, std::uint16_t rows) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = cells_.find(cell);
  return found != cells_.end() && found->second.relay != nullptr &&
         found->second.relay->Resize(columns, rows);
}

void LauncherClient::Forget(EventSink* owner) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [id, cell] : cells_) {
    if (cell.owner == owner) {
      cell.owner = nullptr;
      wire::KillRequest request = {};
      request.header = {wire::kVersion, wire::Type::kKill, id};
      Post(id, BytesOf(request));
    }
  }
}

// ---- the connection and its watcher

struct LauncherClient::Watched {
  LauncherClient* client;
  std::shared_ptr<Connection> connection;
};

std::optional<Failure> LauncherClient::Connect(const std::string& launcher_path) {
  Result<std::unique_ptr<Connection>> opened = Connection::Open(launcher_path, null_device_.Get());
  if (!opened.Ok()) {
    return opened.Error();
  }
  const std::shared_ptr<Connection> connection = std::move(opened.Value());
  auto watched = std::make_unique<Watched>(Watched{this, connection});
  const int error = StartQuietThread(WatcherMain, watched.get());
  if (error != 0) {
    connection->Close();
    return CloneFailure(error, "pthread_create");
  }
  [[maybe_unused]] const Watched* const owned_by_thread = watched.release();
  connection_ = connection;
  credentials_ = Credentials::Current();
  return std::nullopt;
}

void* LauncherClient::WatcherMain(void* argument) {
  const std::unique_ptr<Watched> watched(static_cast<Watched*>(argument));
  NameThread("cloister-watch");
  watched->client->Watch(watched->connection);
  return nullptr;
}

void LauncherClient::Watch(const std::shared_ptr<Connection>& connection) {
  for (;;) {
    bool want_room = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      want_room = connection->HasQueued();
    }
    // A request queued from here on wakes the wait.
    const bool ended = connection->Wait(want_room);
    // What the launcher said before its end is still in the socket.
    const bool open = ReceiveAll(connection.get());
    if (ended || !open) {
      ReportLoss(connection);
      return;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    FlushQueue(connection.get());
    if (IsOver(connection.get())) {
      break;
    }
  }
  connection->Close();
}

bool LauncherClient::ReceiveAll(Connection* connection) {
  for (;;) {
    std::unique_ptr<CellEvent> event;
    switch (connection->Receive(&event)) {
      case Connection::Received::kNothing:
        return true;
      case Connection::Received::kLost:
        return false;
      case Connection::Received::kEvent: {
        const std::lock_guard<std::mutex> lock(mutex_);
        Deliver(std::move(event));
        break;
      }
    }
  }
}

void LauncherClient::FlushQueue(Connection* connection) {
  while (const std::optional<Connection::Rejected> rejected = connection->Flush()) {
    if (rejected->header.type != wire::Type::kSpawn) {
      continue;
    }
    wire::FailedEvent failed = {};
    failed.header = {wire::kVersion, wire::Type::kFailed, rejected->header.cell};
    failed.stage = static_cast<std::uint32_t>(rejected->failure.stage);
    failed.error = rejected->failure.error;
    std::strcpy(failed.syscall, "sendmsg");
    auto event = std::make_unique<CellEvent>();
    event->message = failed;
    Deliver(std::move(event));
  }
}

void LauncherClient::Deliver(std::unique_ptr<CellEvent> event) {
  const auto found = cells_.find(event->Cell());
  // Unknown: a launcher that repeats itself. Nobody is harmed by not listening.
  if (found == cells_.end()) {
    return;
  }
  EventSink* const owner = found->second.owner;
  if (const auto* started = std::get_if<wire::StartedEvent>(&event->message)) {
    found->second.pid = started->pid;
    if (event->terminal.Valid()) {
      found->second.relay =
          TerminalRelay::Start(std::move(event->terminal), std::move(found->second.terminal));
    }
    event->has_terminal = found->second.relay != nullptr;
  }
  if (event->Final()) {
    cells_.erase(found);
  }
  if (owner != nullptr) {
    owner->Deliver(std::move(event));
  }
}

void LauncherClient::ReportLoss(const std::shared_ptr<Connection>& connection) {
  std::vector<std::uint64_t> lost;
  std::vector<int> pids;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (connection_ == connection) {
      connection_.reset();
    }
    for (auto& [id, cell] : cells_) {
      if (cell.connection == connection) {
        // Nothing is sent on it while it is being closed below.
        cell.connection.reset();
        lost.push_back(id);
        if (cell.pid > 0) {
          pids.push_back(cell.pid);
        }
      }
    }
  }
  connection->Close();
  AwaitEnds(pids);
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const std::uint64_t id : lost) {
    const auto found = cells_.find(id);
    if (found != cells_.end()) {
      Deliver(LossEvent(id, found->second.pid > 0));
    }
  }
}

}  // namespace cloister::binding
