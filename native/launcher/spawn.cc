#include "native/launcher/spawn.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "native/launcher/channel_send.h"
#include "native/mounts/prepared_trees.h"
#include "native/plan/decode.h"

namespace cloister::launcher {

namespace {

Failure CloneFailure(int error, const char* syscall, const char* detail) {
  return {Stage::k_clone, error, syscall, detail};
}

// fchdir(2) and ".." lead from a directory of the host to all of it, past any root: no cell gets
// one. A descriptor that only names a file (O_PATH) does not say what may be done with it, and can
// be opened for anything through /proc/self/fd.
std::optional<Failure> CheckStdio(const std::vector<UniqueFd>& stdio) {
  for (std::size_t i = 0; i < stdio.size(); ++i) {
    if (!stdio[i].Valid()) {
      continue;
    }
    struct stat status = {};
    const int flags = fcntl(stdio[i].Get(), F_GETFL);
    if (flags < 0 || fstat(stdio[i].Get(), &status) != 0) {
      return Failure{Stage::k_stdio, errno, "fstat", "descriptor " + std::to_string(i)};
    }
    if (S_ISDIR(status.st_mode) || (flags & O_PATH) != 0) {
      return Failure{Stage::k_stdio, S_ISDIR(status.st_mode) ? EISDIR : EBADF, "fstat",
                     "descriptor " + std::to_string(i)};
    }
  }
  return std::nullopt;
}

Result<wire::Preparation> PreparationOf(const plan::Plan& plan) {
  wire::Preparation preparation = {};
  preparation.namespaces = plan.namespaces;
  preparation.uid = plan.uid;
  preparation.gid = plan.gid;
  preparation.unprivileged_host_ids = plan.unprivileged_host_ids ? 1 : 0;
  preparation.loopback = plan.loopback ? 1 : 0;
  if (std::strlen(plan.hostname) >= sizeof(preparation.hostname)) {
    return CloneFailure(ENAMETOOLONG, "decode", plan.hostname);
  }
  std::snprintf(preparation.hostname, sizeof(preparation.hostname), "%s", plan.hostname);
  return preparation;
}

std::optional<Failure> SendStart(const Request& request, const FirstProcess& process,
                                 const std::vector<UniqueFd>& trees) {
  const int channel = process.channel.Get();
  wire::StartMessage start = {};
  start.plan_size = request.plan_size;
  start.plan_in_memfd = request.plan_memfd.Valid() ? 1 : 0;
  start.stdio_count = static_cast<std::uint32_t>(request.stdio.size());
  start.tree_count = CountTrees(trees);
  start.mounts_done = process.mounts_done ? 1 : 0;
  start.umask = request.umask;
  std::vector<int> fds;
  if (request.plan_memfd.Valid()) {
    fds.push_back(request.plan_memfd.Get());
  }
  for (std::size_t i = 0; i < request.stdio.size(); ++i) {
    if (request.stdio[i].Valid()) {
      fds.push_back(request.stdio[i].Get());
    } else {
      start.terminal_mask |= 1U << i;
    }
  }
  const iovec parts[] = {{&start, sizeof(start)},
                         {const_cast<std::uint8_t*>(request.plan), request.plan_size}};
  if (std::optional<Failure> failure =
          SendToCell(channel, parts, request.plan_memfd.Valid() ? 1 : 2, fds)) {
    return failure;
  }
  return SendTrees(channel, trees);
}

// A process of the right kind: the spare one, or one made now.
Result<FirstProcess> Obtain(const wire::Preparation& preparation, const plan::Plan& plan,
                            const child::Facts& facts, HostIdPool* ids, SpareMaker* spares) {
  if (plan.HasOwnTree()) {
    if (std::optional<FirstProcess> spare = spares->Take(preparation, plan)) {
      return std::move(*spare);
    }
  }
  Result<Channel> channel = MakeChannel();
  if (!channel.Ok()) {
    return channel.Error();
  }
  Result<FirstProcess> process =
      MakeFirstProcess(facts, preparation.namespaces, 0, std::move(channel.Value()));
  if (!process.Ok()) {
    return process.Error();
  }
  if (std::optional<Failure> failure =
          Prepare(&process.Value(), preparation, false, nullptr, ids)) {
    process.Value().Discard();
    return *failure;
  }
  return process;
}

// The process enters its control group before it has seen anything of the plan: what it makes for
// the command counts from the beginning.
Result<CellWatch> LimitUse(const Request& request, const plan::CellLimits& limits, pid_t pid,
                           Groups* groups) {
  std::unique_ptr<limits::CellGroup> group;
  if (limits.NeedsGroup()) {
    Result<std::unique_ptr<limits::CellGroup>> made = groups->Make(request.cell, limits);
    if (!made.Ok()) {
      return made.Error();
    }
    group = std::move(made.Value());
    if (std::optional<Failure> failure = group->Enter(pid)) {
      // The process is in some of its directories already: they can go when it has.
      groups->Remove(std::move(group));
      return *failure;
    }
  }
  CellWatch watch(limits, std::move(group), pid);
  if (std::optional<Failure> failure = watch.CannotLook()) {
    if (std::unique_ptr<limits::CellGroup> entered = watch.TakeGroup()) {
      groups->Remove(std::move(entered));
    }
    return *failure;
  }
  return watch;
}

Result<std::unique_ptr<Scratch>> MakeScratch(const plan::Plan& plan, const FirstProcess& process) {
  if (*plan.scratch == '\0') {
    return std::unique_ptr<Scratch>();
  }
  return Scratch::Make(plan.scratch, process.host_id == nullptr ? 0 : process.host_id->Id());
}

std::unique_ptr<Cell> MakeCell(std::uint64_t id, const plan::Plan& plan, FirstProcess* process) {
  auto cell = std::make_unique<Cell>();
  cell->id = id;
  cell->init_pid = process->pid;
  cell->init = std::move(process->pidfd);
  cell->channel = std::move(process->channel);
  cell->host_id = std::move(process->host_id);
  cell->has_keeper = plan.NeedsKeeper();
  cell->wall_limit_ns = plan.wall_time_ns;
  if (plan.violation_answer != plan::ViolationAnswer::kNobodyAsks) {
    cell->listener = std::make_unique<Listener>(plan);
  }
  return cell;
}

}  // namespace

Result<std::unique_ptr<Cell>> Spawn(const Request& request, const child::Facts& facts,
                                    HostIdPool* ids, SpareMaker* spares, Groups* groups) {
  // The cell decodes the plan again, for itself; here it is checked, and read for what concerns the
  // launcher.
  std::vector<std::uint8_t> memory(plan::ArenaSizeFor(request.plan_size));
  plan::Arena arena(memory.data(), memory.size());
  plan::Plan plan;
  if (!plan::Decode(request.plan, request.plan_size, &arena, &plan)) {
    return CloneFailure(EPROTO, "decode", "plan");
  }
  for (const UniqueFd& fd : request.stdio) {
    if (!fd.Valid() && !plan.terminal) {
      return CloneFailure(EPROTO, "decode", "a descriptor is missing");
    }
  }
  if (std::optional<Failure> failure = CheckStdio(request.stdio)) {
    return *failure;
  }
  Result<wire::Preparation> preparation = PreparationOf(plan);
  if (!preparation.Ok()) {
    return preparation.Error();
  }
  Result<FirstProcess> obtained = Obtain(preparation.Value(), plan, facts, ids, spares);
  if (!obtained.Ok()) {
    return obtained.Error();
  }
  FirstProcess& process = obtained.Value();
  Result<CellWatch> watch = LimitUse(request, plan.cell_limits, process.pid, groups);
  Result<std::vector<UniqueFd>> trees =
      process.mounts_done ? std::vector<UniqueFd>() : PrepareTrees(plan, process.host_id.get());
  Result<std::unique_ptr<Scratch>> scratch = MakeScratch(plan, process);
  std::optional<Failure> failure;
  if (!watch.Ok()) {
    failure = watch.Error();
  } else if (!trees.Ok()) {
    failure = trees.Error();
  } else if (!scratch.Ok()) {
    failure = scratch.Error();
  } else {
    failure = SendStart(request, process, trees.Value());
  }
  if (failure) {
    process.Discard();
    if (watch.Ok()) {
      if (std::unique_ptr<limits::CellGroup> group = watch.Value().TakeGroup()) {
        groups->Remove(std::move(group));
      }
    }
    if (scratch.Ok() && scratch.Value() != nullptr) {
      scratch.Value()->RemoveAndWait();
    }
    return *failure;
  }
  if (plan.HasOwnTree()) {
    // What takes time of the others is not worth a process that waits.
    spares->Want(preparation.Value(), plan);
  }
  std::unique_ptr<Cell> cell = MakeCell(request.cell, plan, &process);
  cell->scratch = std::move(scratch.Value());
  cell->watch = std::move(watch.Value());
  return cell;
}

}  // namespace cloister::launcher
