#include "native/launcher/spare.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "native/launcher/packet.h"
#include "native/linux/syscalls.h"

namespace cloister::launcher {

namespace {

struct Order {
  std::uint64_t namespaces;
};

// With the pidfd when pid is positive; a negative error number otherwise.
struct Answer {
  std::int64_t pid;
};

// How long a spare process may keep the files of its mounts busy.
constexpr std::uint64_t kBusyNs = 2000000000;
// Commands that end sooner are not disturbed at their end.
constexpr std::uint64_t kRunsForNs = 2000000;

// Changed since the last time it was asked (proc_pid_mountinfo(5)).
bool HasChanged(int mount_table) {
  pollfd changed = {mount_table, POLLPRI, 0};
  return poll(&changed, 1, 0) != 0;
}

// The helper: one order, one answer, until the launcher closes its end or dies.
[[noreturn]] void RunHelper(int socket, const child::Facts& facts) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sys::CloseRange(0, static_cast<unsigned>(socket) - 1);
  sys::CloseRange(static_cast<unsigned>(socket) + 1, ~0U);
  for (;;) {
    pollfd readable = {socket, POLLIN, 0};
    poll(&readable, 1, -1);
    Order order = {};
    Packet packet;
    const Received received =
        Receive(socket, reinterpret_cast<std::uint8_t*>(&order), sizeof(order), &packet);
    if (received == Received::kNothing) {
      continue;
    }
    if (received != Received::kPacket || packet.size != sizeof(order) || packet.fds.size() != 1) {
      sys::Exit(0);
    }
    Channel channel = {UniqueFd(), std::move(packet.fds[0])};
    Result<FirstProcess> made =
        MakeFirstProcess(facts, order.namespaces, CLONE_PARENT, std::move(channel));
    Answer answer = {made.Ok() ? made.Value().pid : -made.Error().error};
    if (SendPacket(socket, &answer, sizeof(answer), made.Ok() ? made.Value().pidfd.Get() : -1) !=
        0) {
      sys::Exit(0);
    }
  }
}

}  // namespace

void SpareMaker::Start(const child::Facts& facts) {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return;
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  mount_table_.Reset(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  mount_table_to_ask_.Reset(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mount_table_.Valid() || !mount_table_to_ask_.Valid()) {
    return;
  }
  uapi::CloneArgs args = {};
  const long pid = sys::Clone3(&args);
  if (pid == 0) {
    RunHelper(theirs.Get(), facts);
  }
  if (pid > 0) {
    helper_ = static_cast<pid_t>(pid);
    socket_ = std::move(ours);
  }
}

void SpareMaker::Want(const wire::Preparation& preparation, const plan::Plan& plan) {
  const bool repeated = last_mounts_.Same(plan.mounts_bytes);
  if (!repeated) {
    last_mounts_ = PrivateBytes::Copy(plan.mounts_bytes.data, plan.mounts_bytes.size);
  }
  if (socket_.Valid() && !ordered_channel_.Valid() &&
      !(spare_ && spare_->preparation == preparation)) {
    wanted_ = preparation;
    wanted_rehearsal_ = repeated ? Rehearsal::Of(plan) : std::nullopt;
  }
}

void SpareMaker::OrderWanted() {
  order_ns_ = UINT64_MAX;
  if (wanted_) {
    Ask(*std::exchange(wanted_, std::nullopt), std::exchange(wanted_rehearsal_, std::nullopt));
  }
}

void SpareMaker::CommandRuns() {
  if (wanted_) {
    order_ns_ = sys::MonotonicNow() + kRunsForNs;
  }
}

void SpareMaker::CheckDeadline() {
  const std::uint64_t now = sys::MonotonicNow();
  if (now >= order_ns_) {
    OrderWanted();
  }
  if (now >= expiry_ns_) {
    Expire();
  }
}

void SpareMaker::Ask(const wire::Preparation& preparation, std::optional<Rehearsal> rehearsal) {
  DropSpare();
  Result<Channel> channel = MakeChannel();
  if (!channel.Ok()) {
    return;  // the next cell's process is made when it is needed, and reports why that fails
  }
  HasChanged(mount_table_to_ask_.Get());
  ordered_is_stale_ = false;
  const launcher::Order order = {preparation.namespaces};
  if (SendPacket(socket_.Get(), &order, sizeof(order), channel.Value().theirs.Get()) == 0) {
    ordered_ = preparation;
    ordered_rehearsal_ = std::move(rehearsal);
    ordered_channel_ = std::move(channel.Value().ours);
  }
}

void SpareMaker::Collect() {
  Answer answer = {};
  Packet packet;
  const Received received =
      Receive(socket_.Get(), reinterpret_cast<std::uint8_t*>(&answer), sizeof(answer), &packet);
  if (received == Received::kNothing) {
    return;
  }
  UniqueFd channel = std::move(ordered_channel_);
  if (received != Received::kPacket) {
    socket_.Reset();
    return;
  }
  if (packet.size != sizeof(answer) || answer.pid <= 0) {
    return;
  }
  if (packet.fds.size() != 1) {
    // Too many descriptors here: it cannot be used. It ends by itself when its channel closes.
    channel.Reset();
    while (waitpid(static_cast<pid_t>(answer.pid), nullptr, __WALL) < 0 && errno == EINTR) {
    }
    return;
  }
  FirstProcess process;
  process.pid = static_cast<pid_t>(answer.pid);
  process.pidfd = std::move(packet.fds[0]);
  process.channel = std::move(channel);
  const Rehearsal* rehearsal = ordered_rehearsal_ ? &*ordered_rehearsal_ : nullptr;
  if (ordered_is_stale_ || Prepare(&process, ordered_, true, rehearsal, ids_)) {
    process.Discard();
    return;
  }
  spare_ = std::move(process);
  rehearsal_ = std::exchange(ordered_rehearsal_, std::nullopt);
  expiry_ns_ = rehearsal_ ? sys::MonotonicNow() + kBusyNs : UINT64_MAX;
}

void SpareMaker::Expire() {
  if (spare_) {
    const wire::Preparation preparation = spare_->preparation;
    DropSpare();
    if (socket_.Valid() && !ordered_channel_.Valid()) {
      Ask(preparation, std::nullopt);
    }
  }
  expiry_ns_ = UINT64_MAX;
}

void SpareMaker::MountsChanged() {
  DropSpare();
  ordered_is_stale_ = true;
}

std::optional<FirstProcess> SpareMaker::Take(const wire::Preparation& preparation,
                                             const plan::Plan& plan) {
  if (socket_.Valid() && HasChanged(mount_table_to_ask_.Get())) {
    MountsChanged();
  }
  if (!spare_ || !(spare_->preparation == preparation)) {
    return std::nullopt;
  }
  pollfd ended = {spare_->pidfd.Get(), POLLIN, 0};
  if (poll(&ended, 1, 0) != 0 || (rehearsal_ && !rehearsal_->Fits(plan))) {
    DropSpare();
    return std::nullopt;
  }
  std::optional<FirstProcess> taken = std::move(spare_);
  spare_.reset();
  rehearsal_.reset();
  expiry_ns_ = UINT64_MAX;
  return taken;
}

std::vector<pid_t> SpareMaker::Children() const {
  std::vector<pid_t> children = {helper_};
  if (spare_) {
    children.push_back(spare_->pid);
  }
  return children;
}

void SpareMaker::DropSpare() {
  rehearsal_.reset();
  expiry_ns_ = UINT64_MAX;
  if (!spare_) {
    return;
  }
  spare_->Discard();
  spare_.reset();
}

void SpareMaker::Stop() {
  if (helper_ > 0) {
    // A process it has just made dies of the closed channel; as the launcher's child it is waited
    // for by whoever inherits it.
    kill(helper_, SIGKILL);
    while (waitpid(helper_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    helper_ = -1;
  }
  socket_.Reset();
  ordered_channel_.Reset();
  DropSpare();
}

}  // namespace cloister::launcher
