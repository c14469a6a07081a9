#include "native/limits/cell_group.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "native/limits/control_files.h"

namespace cloister::limits {

namespace {

Failure LimitsFailure(int error, const char* syscall, std::string path) {
  return {Stage::k_limits, error, syscall, std::move(path)};
}

std::optional<Failure> Write(const std::string& path, const std::string& text) {
  const int error = WriteFile(path, text);
  return error == 0 ? std::nullopt : std::optional(LimitsFailure(error, "write", path));
}

// A control file that not every kernel or configuration has.
std::optional<Failure> WriteIfThere(const std::string& path, const std::string& text) {
  const int error = WriteFile(path, text);
  return error == 0 || error == ENOENT ? std::nullopt
                                       : std::optional(LimitsFailure(error, "write", path));
}

}  // namespace

Result<std::unique_ptr<CellGroup>> CellGroup::Make(const Hierarchies& hierarchies,
                                                   const std::string& name,
                                                   const GroupLimits& limits) {
  std::unique_ptr<CellGroup> group(new CellGroup());
  const struct {
    Controller controller;
    bool wanted;
    bool required;
  } kParts[] = {{Controller::kMemory, true, limits.memory != 0},
                {Controller::kPids, true, limits.processes != 0},
                {Controller::kCpu, limits.cpu_quota_us != 0, true},
                {Controller::kCpuAccounting, true, limits.cpu_time}};
  for (const auto& part : kParts) {
    if (!part.wanted) {
      continue;
    }
    if (std::optional<Failure> failure =
            group->AddDirectory(hierarchies, part.controller, name, part.required)) {
      return *failure;
    }
  }
  std::optional<Failure> failure;
  if (limits.memory != 0) {
    failure = group->LimitMemory(limits.memory);
  }
  if (!failure && limits.processes != 0) {
    failure = Write(group->Of(Controller::kPids).directory + "/pids.max",
                    std::to_string(limits.processes));
  }
  if (!failure && limits.cpu_quota_us != 0) {
    failure = group->LimitProcessors(limits.cpu_quota_us);
  }
  if (failure) {
    return *failure;
  }
  return group;
}

CellGroup::~CellGroup() {
  Remove();
}

std::optional<Failure> CellGroup::AddDirectory(const Hierarchies& hierarchies,
                                               Controller controller, const std::string& name,
                                               bool required) {
  const Home& home = hierarchies.Of(controller);
  if (!home.Usable()) {
    return required ? std::optional(
                          LimitsFailure(EACCES, "mkdir",
                                        std::string("control group of ") +
                                            kControllerNames[static_cast<std::size_t>(controller)]))
                    : std::nullopt;
  }
  const std::string directory = home.directory + "/" + name;
  if (std::find(directories_.begin(), directories_.end(), directory) == directories_.end()) {
    if (mkdir(directory.c_str(), 0755) != 0) {
      return required ? std::optional(LimitsFailure(errno, "mkdir", directory)) : std::nullopt;
    }
    directories_.push_back(directory);
  }
  parts_[static_cast<std::size_t>(controller)] = {home.version, directory};
  return std::nullopt;
}

std::optional<Failure> CellGroup::LimitMemory(std::uint64_t bytes) {
  const auto& [version, directory] = Of(Controller::kMemory);
  const std::string text = std::to_string(bytes);
  if (version == 2) {
    std::optional<Failure> failure = Write(directory + "/memory.max", text);
    if (!failure) {
      // Space on the swap device would be memory beyond the limit.
      failure = WriteIfThere(directory + "/memory.swap.max", "0");
    }
    if (!failure) {
      // All or nothing: what is left of a program that lost one process is of no use (Linux 4.19).
      failure = WriteIfThere(directory + "/memory.oom.group", "1");
    }
    return failure;
  }
  if (std::optional<Failure> failure = Write(directory + "/memory.limit_in_bytes", text)) {
    return failure;
  }
  // Memory and swap together. Without such accounting swap is avoided as far as the kernel can.
  const int error = WriteFile(directory + "/memory.memsw.limit_in_bytes", text);
  if (error == ENOENT || error == EACCES || error == EOPNOTSUPP) {
    if (std::optional<Failure> failure = WriteIfThere(directory + "/memory.swappiness", "0")) {
      return failure;
    }
  } else if (error != 0) {
    return LimitsFailure(error, "write", directory + "/memory.memsw.limit_in_bytes");
  }
  // Version 1 counts the buffers of TCP sockets apart (deprecated since Linux 6.12).
  if (std::optional<Failure> failure =
          WriteIfThere(directory + "/memory.kmem.tcp.limit_in_bytes", text)) {
    return failure;
  }
  return WatchMemory();
}

// Version 1 kills one process of the group and tells of it here (cgroup-v1 memory documentation,
// "OOM Control"): the launcher ends the others.
std::optional<Failure> CellGroup::WatchMemory() {
  const std::string& directory = Of(Controller::kMemory).directory;
  UniqueFd events(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const UniqueFd control(open((directory + "/memory.oom_control").c_str(), O_RDONLY | O_CLOEXEC));
  if (!events.Valid() || !control.Valid()) {
    return LimitsFailure(errno, "open", directory + "/memory.oom_control");
  }
  if (std::optional<Failure> failure =
          Write(directory + "/cgroup.event_control",
                std::to_string(events.Get()) + " " + std::to_string(control.Get()))) {
    return failure;
  }
  out_of_memory_ = std::move(events);
  return std::nullopt;
}

std::optional<Failure> CellGroup::LimitProcessors(std::uint64_t quota_us) {
  const auto& [version, directory] = Of(Controller::kCpu);
  const std::string period = std::to_string(kCpuPeriodUs);
  const std::string quota = std::to_string(quota_us);
  if (version == 2) {
    return Write(directory + "/cpu.max", quota + " " + period);
  }
  if (std::optional<Failure> failure = Write(directory + "/cpu.cfs_period_us", period)) {
    return failure;
  }
  const int error = WriteFile(directory + "/cpu.cfs_quota_us", quota);
  // EINVAL: more than the group around it may use, whose limit holds here as well.
  return error == 0 || error == EINVAL
             ? std::nullopt
             : std::optional(LimitsFailure(error, "write", directory + "/cpu.cfs_quota_us"));
}

std::optional<Failure> CellGroup::Enter(pid_t pid) {
  for (const std::string& directory : directories_) {
    if (std::optional<Failure> failure = Write(directory + "/cgroup.procs", std::to_string(pid))) {
      return failure;
    }
  }
  return std::nullopt;
}

bool CellGroup::RanOutOfMemory() const {
  const auto& [version, directory] = Of(Controller::kMemory);
  if (version == 0) {
    return false;
  }
  const char* const file = version == 2 ? "/memory.events" : "/memory.oom_control";
  return NumberAfter(ReadFile(directory + file).value_or(""), "oom_kill").value_or(0) > 0;
}

std::optional<CpuUse> CellGroup::Cpu() const {
  const auto& [version, directory] = Of(Controller::kCpuAccounting);
  CpuUse use;
  if (version == 2) {
    const std::optional<std::string> text = ReadFile(directory + "/cpu.stat");
    if (!text) {
      return std::nullopt;
    }
    use.total_us = NumberAfter(*text, "usage_usec").value_or(0);
    use.user_us = NumberAfter(*text, "user_usec").value_or(0);
    use.system_us = NumberAfter(*text, "system_usec").value_or(0);
    return use;
  }
  const std::optional<std::uint64_t> total =
      version == 1 ? ReadNumber(directory + "/cpuacct.usage") : std::nullopt;
  if (!total) {
    return std::nullopt;
  }
  use.total_us = *total / 1000;
  return use;
}

std::optional<std::uint64_t> CellGroup::PeakMemory() const {
  const auto& [version, directory] = Of(Controller::kMemory);
  if (version == 0) {
    return std::nullopt;
  }
  return ReadNumber(directory + (version == 2 ? "/memory.peak" : "/memory.max_usage_in_bytes"));
}

std::optional<std::uint64_t> CellGroup::PeakProcesses() const {
  const auto& [version, directory] = Of(Controller::kPids);
  const std::optional<std::uint64_t> peak =
      version == 0 ? std::nullopt : ReadNumber(directory + "/pids.peak");
  return peak && *peak > 0 ? std::optional(*peak - 1) : peak;
}

void CellGroup::Kill() const {
  for (const Part& part : parts_) {
    if (part.version == 2) {
      static_cast<void>(WriteFile(part.directory + "/cgroup.kill", "1"));
      return;
    }
  }
}

bool CellGroup::Remove() {
  // The kernel writes to it when the group goes.
  out_of_memory_.Reset();
  std::erase_if(directories_, [](const std::string& directory) {
    return rmdir(directory.c_str()) == 0 || errno == ENOENT;
  });
  return directories_.empty();
}

}  // namespace cloister::limits
