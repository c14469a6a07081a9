#include "native/limits/process_tree.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>
#include <vector>

#include "native/limits/control_files.h"
#include "native/linux/syscalls.h"

namespace cloister::limits {

namespace {

constexpr std::uint64_t kKibibyte = 1024;

// Places in proc_pid_stat(5), counted from 1.
constexpr std::size_t kUserTime = 14;
constexpr std::size_t kSystemTime = 15;
constexpr std::size_t kChildrenUserTime = 16;
constexpr std::size_t kChildrenSystemTime = 17;
constexpr std::size_t kThreads = 20;
constexpr std::size_t kStart = 22;

std::string ProcPath(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + file;
}

// The fields from the third on: the name before them may have spaces and brackets.
std::vector<std::string> StatFields(pid_t pid) {
  const std::string text = ReadFile(ProcPath(pid, "/stat")).value_or("");
  const std::size_t name = text.rfind(')');
  return name == std::string::npos ? std::vector<std::string>() : Words(text.substr(name + 1));
}

std::uint64_t Field(const std::vector<std::string>& fields, std::size_t number) {
  return number - 3 < fields.size() ? std::strtoull(fields[number - 3].c_str(), nullptr, 10) : 0;
}

ProcessTime TimeOf(pid_t pid, const std::vector<std::string>& fields) {
  return {pid,
          Field(fields, kStart),
          {Field(fields, kUserTime), Field(fields, kSystemTime)},
          {Field(fields, kChildrenUserTime), Field(fields, kChildrenSystemTime)}};
}

std::vector<std::string> ThreadsOf(const std::string& tasks) {
  std::vector<std::string> threads;
  DIR* const listing = opendir(tasks.c_str());
  if (listing == nullptr) {
    return threads;
  }
  while (const dirent* entry = readdir(listing)) {
    if (entry->d_name[0] != '.') {
      threads.emplace_back(entry->d_name);
    }
  }
  closedir(listing);
  return threads;
}

bool AddChildrenOf(const std::string& task, std::vector<pid_t>* pids) {
  const std::optional<std::string> list = ReadFile(task + "/children");
  for (const std::string& child : Words(list.value_or(""))) {
    pids->push_back(static_cast<pid_t>(std::strtol(child.c_str(), nullptr, 10)));
  }
  return list.has_value();
}

// Each thread has children of its own (proc_tid_children(5)).
bool AddChildren(pid_t pid, std::uint64_t threads, std::vector<pid_t>* pids) {
  const std::string tasks = ProcPath(pid, "/task/");
  if (threads <= 1) {
    return AddChildrenOf(tasks + std::to_string(pid), pids);
  }
  for (const std::string& thread : ThreadsOf(tasks)) {
    AddChildrenOf(tasks + thread, pids);
  }
  return true;
}

std::uint64_t Kibibytes(const std::string& text, const char* name) {
  return NumberAfter(text, name).value_or(0) * kKibibyte;
}

// A process whose first thread has ended goes on with its others, and shows its memory only there.
std::string OfLivingThread(pid_t pid, std::uint64_t threads, const char* file, const char* wanted) {
  std::string text = ReadFile(ProcPath(pid, file)).value_or("");
  if (threads <= 1 || NumberAfter(text, wanted)) {
    return text;
  }
  const std::string tasks = ProcPath(pid, "/task/");
  for (const std::string& thread : ThreadsOf(tasks)) {
    std::string other = ReadFile(tasks + thread + file).value_or("");
    if (NumberAfter(other, wanted)) {
      return other;
    }
  }
  return text;
}

std::string Status(pid_t pid, std::uint64_t threads) {
  return OfLivingThread(pid, threads, "/status", "VmRSS");
}

// What the kernel spends on page tables is not in the resident set: a page in each stretch of 2 MiB
// costs twice its size.
std::uint64_t Resident(const std::string& status) {
  return Kibibytes(status, "VmRSS") + Kibibytes(status, "VmSwap") + Kibibytes(status, "VmPTE");
}

std::uint64_t Proportional(pid_t pid) {
  const std::uint64_t threads = Field(StatFields(pid), kThreads);
  const std::string status = Status(pid, threads);
  const std::string rollup = OfLivingThread(pid, threads, "/smaps_rollup", "Pss");
  if (rollup.empty()) {
    // Not ours to look into (init, which is not dumpable), or gone: what its status tells is more.
    return Resident(status);
  }
  return Kibibytes(rollup, "Pss") + Kibibytes(rollup, "SwapPss") + Kibibytes(status, "VmPTE");
}

// Between vfork(2), or clone(2) with CLONE_VM, and execve(2) two processes have one memory, all of
// which each of them shows.
bool HaveOneMemory(pid_t one, pid_t other) {
  constexpr long kCompareMemory = 1;  // KCMP_VM, linux/kcmp.h
  return sys::Call(SYS_kcmp, one, other, kCompareMemory, 0, 0) == 0;
}

// Init and all below it, init first. Nothing when init's own children cannot be listed.
std::optional<std::vector<pid_t>> Processes(pid_t init) {
  std::vector<pid_t> pids = {init};
  for (std::size_t i = 0; i < pids.size(); ++i) {
    const std::uint64_t threads = Field(StatFields(pids[i]), kThreads);
    if (!AddChildren(pids[i], threads, &pids) && i == 0) {
      return std::nullopt;
    }
  }
  return pids;
}

}  // namespace

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  AddChildren(pid, 1, &children);
  return children;
}

std::uint64_t MicrosecondsOf(std::uint64_t ticks) {
  static const auto kTicks = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return ticks * 1000000U / kTicks;
}

std::optional<TreeUse> MeasureTree(pid_t init) {
  const std::optional<std::vector<pid_t>> pids = Processes(init);
  if (!pids) {
    return std::nullopt;
  }
  TreeUse use;
  Ticks sum;
  for (const pid_t pid : *pids) {
    const std::vector<std::string> fields = StatFields(pid);
    if (fields.empty()) {
      continue;  // gone
    }
    ProcessTime time = TimeOf(pid, fields);
    if (pid == init) {
      time.own = {};
    }
    sum.user += time.own.user + time.waited.user;
    sum.system += time.own.system + time.waited.system;
    use.times.push_back(time);
    const std::string status = Status(pid, Field(fields, kThreads));
    use.resident += Resident(status);
    use.largest = std::max(use.largest, Kibibytes(status, "VmHWM"));
  }
  use.user_us = MicrosecondsOf(sum.user);
  use.system_us = MicrosecondsOf(sum.system);
  return use;
}

std::vector<ProcessTime> WithMissed(std::vector<ProcessTime> times,
                                    const std::vector<ProcessTime>& known) {
  std::sort(times.begin(), times.end(), LowerNumber);
  std::vector<ProcessTime> missing;
  std::set_difference(known.begin(), known.end(), times.begin(), times.end(),
                      std::back_inserter(missing), LowerNumber);
  for (const ProcessTime& process : missing) {
    const ProcessTime now = TimeOf(process.pid, StatFields(process.pid));
    if (now.start == process.start) {
      times.push_back(now);
    }
  }
  return times;
}

std::uint64_t ProportionalMemory(pid_t init) {
  std::uint64_t sum = 0;
  std::vector<pid_t> counted;
  for (const pid_t pid : Processes(init).value_or(std::vector<pid_t>())) {
    const bool again = std::any_of(counted.begin(), counted.end(),
                                   [pid](pid_t other) { return HaveOneMemory(pid, other); });
    if (!again) {
      counted.push_back(pid);
      sum += Proportional(pid);
    }
  }
  return sum;
}

}  // namespace cloister::limits
