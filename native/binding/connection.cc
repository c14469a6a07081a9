#include "native/binding/connection.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "native/binding/launcher_process.h"
#include "native/linux/syscalls.h"
#include "native/wire/messages.h"

namespace cloister::binding {

namespace {

constexpr std::size_t kMostDescriptors = wire::kStdioLimit + 1;
constexpr std::size_t kLargestEvent =
    std::max({sizeof(wire::StartedEvent), sizeof(wire::FailedEvent), sizeof(wire::ExitedEvent),
              sizeof(wire::EndedEvent), sizeof(wire::ViolationEvent)});

Failure CloneFailure(int error, const char* syscall, std::string detail = {}) {
  return {Stage::k_clone, error, syscall, std::move(detail)};
}

// The kernel says only that one of the descriptors is not open.
std::string ClosedDescriptor(std::span<const int> descriptors) {
  for (const int fd : descriptors) {
    if (fcntl(fd, F_GETFD) < 0) {
      return "descriptor " + std::to_string(fd);
    }
  }
  return {};
}

bool IsGone(int error) {
  return error == EPIPE || error == ECONNRESET;
}

// No room now. A request without descriptors is a signal or a kill, which must not be lost because
// memory is short: it is tried until it is gone.
bool MustWait(int error, std::size_t descriptors) {
  return error == EAGAIN || (descriptors == 0 && error != 0 && !IsGone(error));
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& launcher_path,
                                                     int null_device) {
  auto connection = std::make_unique<Connection>();
  connection->wake_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!connection->wake_.Valid()) {
    return CloneFailure(errno, "eventfd2");
  }
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return CloneFailure(errno, "socketpair");
  }
  connection->socket_.Reset(ends[0]);
  const UniqueFd other(ends[1]);
  Result<UniqueFd> process =
      StartLauncherProcess({launcher_path.c_str(), "serve", other.Get(), -1, null_device});
  if (!process.Ok()) {
    return process.Error();
  }
  connection->process_ = std::move(process.Value());
  return connection;
}

std::optional<Failure> Connection::Send(const Packet& packet) {
  // Behind others that wait: a signal must not overtake the request that starts its cell.
  if (!queue_.empty()) {
    return Enqueue(packet);
  }
  const int error = Transmit(packet);
  if (error == 0) {
    return std::nullopt;
  }
  if (MustWait(error, packet.descriptors.size())) {
    return Enqueue(packet);
  }
  return CloneFailure(IsGone(error) ? EPIPE : error, "sendmsg",
                      error == EBADF ? ClosedDescriptor(packet.descriptors) : std::string());
}

bool Connection::IsSocket(int fd) const {
  struct stat ours = {};
  struct stat other = {};
  return fstat(socket_.Get(), &ours) == 0 && fstat(fd, &other) == 0 &&
         ours.st_dev == other.st_dev && ours.st_ino == other.st_ino;
}

std::optional<Failure> Connection::Enqueue(const Packet& packet) {
  Queued queued;
  queued.bytes.reserve(packet.head.size() + packet.body.size());
  queued.bytes.assign(packet.head.begin(), packet.head.end());
  queued.bytes.insert(queued.bytes.end(), packet.body.begin(), packet.body.end());
  for (const int fd : packet.descriptors) {
    // Copies: the caller may close or reuse its numbers before there is room.
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      return CloneFailure(errno, "fcntl", "descriptor " + std::to_string(fd));
    }
    queued.descriptors.emplace_back(copy);
  }
  queue_.push_back(std::move(queued));
  Wake();
  return std::nullopt;
}

std::optional<Connection::Rejected> Connection::Flush() {
  while (!queue_.empty()) {
    const Queued& queued = queue_.front();
    int numbers[kMostDescriptors] = {};
    std::transform(queued.descriptors.begin(), queued.descriptors.end(), numbers,
                   [](const UniqueFd& fd) { return fd.Get(); });
    const int error = Transmit({queued.bytes, {}, {numbers, queued.descriptors.size()}});
    // EPIPE is the end of the launcher, which Wait() tells; the queue goes with the connection.
    if (IsGone(error) || MustWait(error, queued.descriptors.size())) {
      return std::nullopt;
    }
    Rejected rejected = {{}, CloneFailure(error, "sendmsg")};
    std::memcpy(&rejected.header, queued.bytes.data(), sizeof(rejected.header));
    queue_.pop_front();
    if (error != 0) {
      return rejected;
    }
  }
  return std::nullopt;
}

int Connection::Transmit(const Packet& packet) const {
  iovec parts[2] = {
      {const_cast<std::uint8_t*>(packet.head.data()), packet.head.size()},
      {const_cast<std::uint8_t*>(packet.body.data()), packet.body.size()},
  };
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = packet.body.empty() ? 1 : 2;
  if (!packet.descriptors.empty()) {
    const std::size_t size = packet.descriptors.size_bytes();
    std::memset(control, 0, CMSG_SPACE(size));
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), packet.descriptors.data(), size);
  }
  for (;;) {
    if (sendmsg(socket_.Get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      return 0;
    }
    if (errno != EINTR) {
      return errno;
    }
  }
}

Connection::Received Connection::Receive(std::unique_ptr<CellEvent>* event) {
  std::uint8_t data[kLargestEvent];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec part = {data, sizeof(data)};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t count = recvmsg(socket_.Get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count < 0) {
    return errno == EAGAIN || errno == EINTR ? Received::kNothing : Received::kLost;
  }
  UniqueFd descriptor;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int))) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(header), sizeof(number));
    descriptor.Reset(number);
  }
  if (count == 0 || (message.msg_flags & MSG_TRUNC) != 0) {
    return Received::kLost;
  }
  *event = DecodeEvent(data, static_cast<std::size_t>(count), std::move(descriptor));
  // A launcher that speaks another language is of no use, and its cells are not to run unobserved.
  return *event == nullptr ? Received::kLost : Received::kEvent;
}

bool Connection::Wait(bool want_room) const {
  pollfd watched[] = {
      {socket_.Get(), static_cast<short>(want_room ? POLLIN | POLLOUT : POLLIN), 0},
      {wake_.Get(), POLLIN, 0},
      {process_.Get(), POLLIN, 0},
  };
  // EINTR: nothing is marked, and the caller comes again.
  if (poll(watched, 3, -1) < 0) {
    return false;
  }
  if (watched[1].revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t drained = read(wake_.Get(), &count, sizeof(count));
  }
  return (watched[0].revents & (POLLHUP | POLLERR)) != 0 || watched[2].revents != 0;
}

void Connection::Wake() const {
  const std::uint64_t one = 1;
  // EAGAIN: the counter is full, and Wait() returns anyway.
  [[maybe_unused]] const ssize_t written = write(wake_.Get(), &one, sizeof(one));
}

void Connection::Abandon() const {
  sys::PidfdSendSignal(process_.Get(), SIGKILL);
}

void Connection::Close() {
  queue_.clear();
  socket_.Reset();
  sys::PidfdSendSignal(process_.Get(), SIGKILL);
  ReapLauncherProcess(process_);
}

}  // namespace cloister::binding
