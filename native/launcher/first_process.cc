#include "native/launcher/first_process.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>

#include "native/child/entry.h"
#include "native/linux/syscalls.h"

namespace cloister::launcher {

void FirstProcess::Discard() {
  if (!pidfd.Valid()) {
    return;
  }
  sys::PidfdSendSignal(pidfd.Get(), SIGKILL);
  // __WALL: its end sends no signal.
  while (waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  pidfd.Reset();
  channel.Reset();
}

Result<Channel> MakeChannel() {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Failure{Stage::k_clone, errno, "socketpair", ""};
  }
  return Channel{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<FirstProcess> MakeFirstProcess(const child::Facts& facts, std::uint64_t namespaces,
                                      std::uint64_t extra_flags, Channel channel) {
  int pidfd = -1;
  uapi::CloneArgs args = {};
  args.flags = namespaces | extra_flags | uapi::kClonePidfd;
  args.pidfd = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&pidfd));
  const long pid = sys::Clone3(&args);
  if (pid == 0) {
    child::RunCell(facts, channel.theirs.Get());
  }
  if (pid < 0) {
    return Failure{Stage::k_clone, static_cast<int>(-pid), "clone3", ""};
  }
  FirstProcess process;
  process.pid = static_cast<pid_t>(pid);
  process.pidfd.Reset(pidfd);
  process.channel = std::move(channel.ours);
  process.preparation.namespaces = namespaces;
  return process;
}

std::optional<Failure> Prepare(FirstProcess* process, const wire::Preparation& preparation,
                               bool ahead, HostIdPool* ids) {
  process->preparation = preparation;
  if (preparation.unprivileged_host_ids != 0) {
    Result<std::unique_ptr<HostId>> id = ids->Take();
    if (!id.Ok()) {
      return id.Error();
    }
    process->host_id = std::move(id.Value());
    if (std::optional<Failure> failure =
            WriteIdMaps(process->pid, preparation.uid, preparation.gid, process->host_id->Id())) {
      return failure;
    }
  }
  wire::PrepareMessage message = {};
  message.preparation = preparation;
  message.ahead = ahead ? 1 : 0;
  if (send(process->channel.Get(), &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    return Failure{Stage::k_clone, errno, "send", "channel"};
  }
  return std::nullopt;
}

}  // namespace cloister::launcher
