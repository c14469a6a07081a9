#include "native/launcher/first_process.h"

#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <vector>

#include "native/child/entry.h"
#include "native/launcher/channel_send.h"
#include "native/linux/syscalls.h"
#include "native/mounts/prepared_trees.h"
#include "native/plan/decode.h"

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
  const long pid = namespaces == 0 ? sys::Fork(&pidfd, extra_flags) : sys::Clone3(&args);
  if (pid == 0) {
    child::RunCell(facts, channel.theirs.Get());
  }
  if (pid < 0) {
    return Failure{Stage::k_clone, static_cast<int>(-pid), namespaces == 0 ? "clone" : "clone3",
                   ""};
  }
  FirstProcess process;
  process.pid = static_cast<pid_t>(pid);
  process.pidfd.Reset(pidfd);
  process.channel = std::move(channel.ours);
  process.preparation.namespaces = namespaces;
  return process;
}

namespace {

std::optional<Failure> SendPreparation(const FirstProcess& process, bool ahead,
                                       const Rehearsal* rehearsal) {
  wire::PrepareMessage message = {};
  message.preparation = process.preparation;
  message.ahead = ahead ? 1 : 0;
  message.host_id = process.host_id == nullptr ? 0 : process.host_id->Id();
  const int channel = process.channel.Get();
  if (rehearsal == nullptr) {
    const iovec part = {&message, sizeof(message)};
    return SendToCell(channel, &part, 1, {});
  }
  const PrivateBytes& mounts = rehearsal->Mounts();
  std::vector<std::uint8_t> memory(plan::ArenaSizeFor(mounts.Size()));
  plan::Arena arena(memory.data(), memory.size());
  plan::Plan plan;
  if (!plan::DecodeMounts(mounts.Data(), mounts.Size(), &arena, &plan)) {
    return Failure{Stage::k_clone, EPROTO, "decode", "mounts"};
  }
  Result<std::vector<UniqueFd>> trees = PrepareTrees(plan, process.host_id.get());
  if (!trees.Ok()) {
    return trees.Error();
  }
  message.mounts_size = static_cast<std::uint32_t>(mounts.Size());
  message.tree_count = CountTrees(trees.Value());
  const iovec parts[] = {{&message, sizeof(message)},
                         {const_cast<std::uint8_t*>(mounts.Data()), mounts.Size()}};
  std::optional<Failure> failure = SendToCell(channel, parts, 2, {});
  return failure ? failure : SendTrees(channel, trees.Value());
}

}  // namespace

std::optional<Failure> Prepare(FirstProcess* process, const wire::Preparation& preparation,
                               bool ahead, const Rehearsal* rehearsal, HostIdPool* ids) {
  process->preparation = preparation;
  process->mounts_done = rehearsal != nullptr;
  if (preparation.unprivileged_host_ids != 0) {
    Result<LentHostId> id = ids->Take();
    if (!id.Ok()) {
      return id.Error();
    }
    process->host_id = std::move(id.Value());
  }
  if (preparation.unprivileged_host_ids != 0 && (preparation.namespaces & CLONE_NEWUSER) != 0) {
    if (std::optional<Failure> failure =
            WriteIdMaps(process->pid, preparation.uid, preparation.gid, process->host_id->Id())) {
      return failure;
    }
  }
  return SendPreparation(*process, ahead, rehearsal);
}

}  // namespace cloister::launcher
