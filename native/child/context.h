// What the launcher prepared for the processes of one cell, and the state that the stages hand on. Child-safe.

#ifndef CLOISTER_CHILD_CONTEXT_H_
#define CLOISTER_CHILD_CONTEXT_H_

#include <sched.h>

#include <cstddef>
#include <cstdint>

#include "native/linux/uapi.h"
#include "native/plan/plan.h"
#include "native/plan/stages.h"
#include "native/wire/child_report.h"

namespace cloister::child {

struct Context {
  const plan::Plan* plan;

  // This side of the cell's channel.
  int channel;

  // Sources of the descriptors 0 to stdio_count - 1 of the command; -1 stands for the terminal.
  const int* stdio;
  std::size_t stdio_count;

  // For each mount operation the tree that the launcher already cloned and id-mapped, or -1.
  const int* prepared_trees;

  // Everything above, ascending, without -1: what survives the first sweep.
  const int* kept;
  std::size_t kept_count;

  std::uint32_t caller_uid;
  std::uint32_t caller_gid;

  // Inodes of the launcher's namespaces, in the order of kNamespaces.
  const std::uint64_t* launcher_namespaces;

  // Filters that the launcher was born with.
  std::uint32_t inherited_filters;

  // Highest capability of this kernel.
  std::uint32_t last_capability;

  // Master side of the terminal, once opened.
  int terminal_master;

  wire::Confirmed confirmed;
};

// The namespaces a cell can have of its own: CLONE_NEW* flag and name in /proc/self/ns (namespaces(7)).
struct NamespaceKind {
  std::uint64_t flag;
  const char* path;
};
inline constexpr NamespaceKind kNamespaces[] = {
    {CLONE_NEWUSER, "/proc/self/ns/user"}, {CLONE_NEWNS, "/proc/self/ns/mnt"},
    {CLONE_NEWPID, "/proc/self/ns/pid"},   {CLONE_NEWNET, "/proc/self/ns/net"},
    {CLONE_NEWIPC, "/proc/self/ns/ipc"},   {CLONE_NEWUTS, "/proc/self/ns/uts"},
    {uapi::kCloneNewCgroup, "/proc/self/ns/cgroup"},
};
inline constexpr std::size_t kNamespaceCount = sizeof(kNamespaces) / sizeof(kNamespaces[0]);

// Reports a failure to the launcher and ends this process. `error` is a positive error number.
[[noreturn]] void Fail(const Context& context, Stage stage, long error, const char* syscall,
                       const char* detail) noexcept;

// Passes a result on, or fails when it is negative.
inline long Check(const Context& context, Stage stage, long result, const char* syscall,
                  const char* detail) noexcept {
  if (result < 0) {
    Fail(context, stage, -result, syscall, detail);
  }
  return result;
}

// The stages, in order. Each returns only when it succeeded.
void EnterIds(Context* context) noexcept;
void BuildMounts(Context* context) noexcept;
void SetUpNetwork(Context* context) noexcept;
void DropPrivileges(Context* context) noexcept;
void EnterLandlock(Context* context) noexcept;
void PlaceStdio(Context* context) noexcept;
// All limits but RLIMIT_NOFILE, which would bind init's own descriptors as well: that one is set in the command's process.
void SetLimits(Context* context) noexcept;
void SetLimit(const Context& context, const plan::ResourceLimit& limit) noexcept;
// Starts the command and stays as the init of the cell: filter and exec run in the command's process.
[[noreturn]] void RunInit(Context* context) noexcept;

// The command's process: the rest of limits, filter, exec. It shares init's memory; a failure is left in the report, and the process ends.
[[noreturn]] void ExecuteCommand(Context* context, wire::ChildReport* report) noexcept;

}  // namespace cloister::child

#endif  // CLOISTER_CHILD_CONTEXT_H_
