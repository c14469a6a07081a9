// The state that the stages of a cell hand on. Child-safe.

#ifndef CLOISTER_CHILD_CONTEXT_H_
#define CLOISTER_CHILD_CONTEXT_H_

#include <cstddef>
#include <cstdint>

#include "native/plan/plan.h"
#include "native/plan/stages.h"
#include "native/wire/child_messages.h"
#include "native/wire/child_report.h"
#include "native/wire/messages.h"

namespace cloister::child {

// What the launcher knows of itself and of the machine, read once. The cells have it by being its
// copies.
struct Facts {
  std::uint32_t uid;
  std::uint32_t gid;
  // Inode of the launcher's user namespace.
  std::uint64_t user_namespace;
  // Filters that the launcher was born with.
  std::uint32_t filters;
  // Highest capability of this kernel.
  std::uint32_t last_capability;
};

struct Context {
  Facts facts;
  wire::Preparation preparation;
  // There is time before the plan arrives; and the mounts to make in it, if any, are in `plan`.
  bool ahead;
  bool mounts_ahead;

  // With `unprivileged_host_ids` and no user namespace: the id to change to.
  std::uint32_t host_id;

  // This side of the cell's channel.
  int channel;

  // Where a failure is left for the process that shares this memory and reports it; null in the
  // process that reports by itself.
  wire::ChildReport* failure;

  plan::Plan plan;

  // Sources of the descriptors 0 to stdio_count - 1 of the command; -1 stands for the terminal.
  int stdio[wire::kStdioLimit];
  std::size_t stdio_count;

  // Of the command, or wire::kKeepUmask.
  std::uint32_t umask;

  // For each mount operation the tree that the launcher already cloned and id-mapped, or -1.
  int* prepared_trees;

  // The pantry: a file system that the cell never sees, with the standard mounts that wait there
  // (-1 once they are used), and what masks are made of.
  int pantry;
  int pantry_dev;
  int pantry_proc;
  int empty_file;
  int empty_directory;

  // Root of the cell's POSIX message queues, for the Landlock domain; -1 where there are none of
  // its own.
  int queues;

  // Master side of the terminal, once opened; -1 without one.
  int terminal_master;

  wire::Confirmed confirmed;
};

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

// Waits for what is to be prepared. Does not return when there is no use for this process.
void ReceivePreparation(Context* context) noexcept;
// Waits for the plan, and takes it with its descriptors.
void ReceivePlan(Context* context) noexcept;

// The part of stage mounts that is the same for every cell: private propagation, /dev and /proc.
void BuildStandardMounts(Context* context) noexcept;

// For stage landlock, as long as this process may mount.
void OpenQueues(Context* context) noexcept;

// The stages, in order. Each returns only when it succeeded.
void EnterIds(Context* context) noexcept;
// Stage ids of a cell without a user namespace: what comes before it is done with the caller's
// privileges.
void ChangeIds(Context* context) noexcept;
void BuildTree(Context* context) noexcept;
void EnterTree(Context* context) noexcept;
void SetUpNetwork(Context* context) noexcept;
void DropPrivileges(Context* context) noexcept;
void EnterLandlock(Context* context) noexcept;
void PlaceStdio(Context* context) noexcept;
// All limits but RLIMIT_NOFILE, which would bind init's own descriptors as well: that one is set in
// the command's process.
void SetLimits(Context* context) noexcept;
void SetLimit(const Context& context, const plan::ResourceLimit& limit) noexcept;
// Starts the command and stays as the init of the cell: filter and exec run in the command's
// process.
[[noreturn]] void RunInit(Context* context) noexcept;

// What the command's process and init tell each other in the memory that they share until exec.
struct CommandStart {
  Context* context;
  wire::ChildReport report;
  // Where a listener is wanted. `phase` is a futex(2) word; the kernel sets it to 0 when the
  // process has executed the command or ended (CLONE_CHILD_CLEARTID).
  std::int32_t phase;
  // The listener, in the table of descriptors that both share; -1 until there is one.
  std::int32_t listener;
};
inline constexpr std::int32_t kPreparing = 1;
// The next system call of the process installs the filter: from there on it makes only execve(2).
inline constexpr std::int32_t kInstalling = 2;

inline bool WantsListener(const plan::Plan& plan) noexcept {
  return plan.violation_answer != plan::ViolationAnswer::kNobodyAsks;
}

// The command's process: the rest of limits, filter, exec. A failure is left in the report, and the
// process ends.
[[noreturn]] void ExecuteCommand(CommandStart* start) noexcept;

}  // namespace cloister::child

#endif  // CLOISTER_CHILD_CONTEXT_H_
