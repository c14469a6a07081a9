#include "native/launcher/spawn.h"

#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "native/child/entry.h"
#include "native/linux/syscalls.h"
#include "native/mounts/prepared_trees.h"
#include "native/plan/decode.h"

namespace cloister::launcher {

namespace {

Failure CloneFailure(int error, const char* syscall, const char* detail) {
  return {Stage::k_clone, error, syscall, detail};
}

// Everything that the child reads, filled in before it exists.
struct Prepared {
  std::vector<UniqueFd> trees;
  std::vector<int> tree_numbers;
  std::vector<int> stdio_numbers;
  std::vector<int> kept;
  UniqueFd child_channel;
  child::Context context = {};
};

void FillContext(const plan::Plan& plan, const Host& host, const Request& request,
                 Prepared* prepared) {
  for (const UniqueFd& fd : request.stdio) {
    prepared->stdio_numbers.push_back(fd.Get());
  }
  for (const UniqueFd& fd : prepared->trees) {
    prepared->tree_numbers.push_back(fd.Get());
  }
  prepared->kept = prepared->stdio_numbers;
  prepared->kept.insert(prepared->kept.end(), prepared->tree_numbers.begin(),
                        prepared->tree_numbers.end());
  prepared->kept.push_back(prepared->child_channel.Get());
  std::erase(prepared->kept, -1);
  std::sort(prepared->kept.begin(), prepared->kept.end());

  child::Context& context = prepared->context;
  context.plan = &plan;
  context.channel = prepared->child_channel.Get();
  context.stdio = prepared->stdio_numbers.data();
  context.stdio_count = prepared->stdio_numbers.size();
  context.prepared_trees = prepared->tree_numbers.data();
  context.kept = prepared->kept.data();
  context.kept_count = prepared->kept.size();
  context.caller_uid = host.uid;
  context.caller_gid = host.gid;
  context.launcher_namespaces = host.namespaces;
  context.inherited_filters = host.inherited_filters;
  context.last_capability = host.last_capability;
  context.terminal_master = -1;
}

// The launcher never waits for a cell: it tells it to go on and returns to its loop.
std::optional<Failure> GiveIds(const plan::Plan& plan, const Cell& cell) {
  if (!plan.unprivileged_host_ids) {
    return std::nullopt;
  }
  std::optional<Failure> failure =
      WriteIdMaps(cell.init_pid, plan.uid, plan.gid, cell.host_id->Id());
  if (!failure &&
      send(cell.channel.Get(), &wire::kMapsWritten, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
    failure = Failure{Stage::k_ids, errno, "send", ""};
  }
  return failure;
}

void EndInit(const Cell& cell) {
  kill(cell.init_pid, SIGKILL);
  while (waitpid(cell.init_pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

std::optional<Failure> CheckTerminal(const plan::Plan& plan, const Request& request) {
  for (const UniqueFd& fd : request.stdio) {
    if (!fd.Valid() && !plan.terminal) {
      return CloneFailure(EPROTO, "decode", "a descriptor is missing");
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Cell>> Spawn(const Request& request, const Host& host, HostIdPool* ids) {
  const std::unique_ptr<plan::DecodedPlan> decoded =
      plan::DecodedPlan::Decode(request.plan, request.plan_size);
  if (decoded == nullptr) {
    return CloneFailure(EPROTO, "decode", "plan");
  }
  const plan::Plan& plan = decoded->View();
  if (std::optional<Failure> failure = CheckTerminal(plan, request)) {
    return *failure;
  }
  auto cell = std::make_unique<Cell>();
  cell->id = request.cell;
  cell->wall_limit_ns = plan.wall_time_ns;
  if (plan.unprivileged_host_ids) {
    Result<std::unique_ptr<HostId>> id = ids->Take();
    if (!id.Ok()) {
      return id.Error();
    }
    cell->host_id = std::move(id.Value());
  }
  Prepared prepared;
  Result<std::vector<UniqueFd>> trees = PrepareTrees(plan, cell->host_id.get());
  if (!trees.Ok()) {
    return trees.Error();
  }
  prepared.trees = std::move(trees.Value());
  int channel[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0) {
    return CloneFailure(errno, "socketpair", "");
  }
  cell->channel.Reset(channel[0]);
  prepared.child_channel.Reset(channel[1]);
  FillContext(plan, host, request, &prepared);

  int pidfd = -1;
  uapi::CloneArgs args = {};
  args.flags = plan.namespaces | uapi::kClonePidfd;
  args.pidfd = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&pidfd));
  args.exit_signal = SIGCHLD;
  const long pid = sys::Clone3(&args);
  if (pid == 0) {
    child::RunCell(&prepared.context);
  }
  if (pid < 0) {
    return CloneFailure(static_cast<int>(-pid), "clone3", "");
  }
  cell->init_pid = static_cast<pid_t>(pid);
  cell->init.Reset(pidfd);
  if (std::optional<Failure> failure = GiveIds(plan, *cell)) {
    EndInit(*cell);
    return *failure;
  }
  return cell;
}

}  // namespace cloister::launcher
