// What the processes of a cell use, added up from /proc: for machines without control groups.

#ifndef CLOISTER_LIMITS_PROCESS_TREE_H_
#define CLOISTER_LIMITS_PROCESS_TREE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "native/limits/cpu_ledger.h"

namespace cloister::limits {

struct TreeUse {
  // Resident and swapped memory and page tables; shared pages count once for each process that has
  // them.
  std::uint64_t resident = 0;
  // The most that one of them has had.
  std::uint64_t largest = 0;
  // Of all processes and of the children that they have waited for, without the first process
  // itself. Less than was used where a process ignores its children's ends.
  std::uint64_t user_us = 0;
  std::uint64_t system_us = 0;
  // One by one, the first process with what it has waited for.
  std::vector<ProcessTime> times;
};

std::uint64_t MicrosecondsOf(std::uint64_t ticks);

// `init` is the first process of a pid namespace, or a subreaper: everything else in the cell
// descends from it, since orphans become its children (pid_namespaces(7), prctl(2)). Nothing, with
// errno set, when its children cannot be listed.
std::optional<TreeUse> MeasureTree(pid_t init);

// The times of a tree, and of those in `known` that were missed in it: a process whose parent ends
// while somebody goes through the tree is at neither place (proc_tid_children(5)).
std::vector<ProcessTime> WithMissed(std::vector<ProcessTime> times,
                                    const std::vector<ProcessTime>& known);

// Memory with pages that several processes share counted in parts (proc_pid_smaps(5), Pss), and
// memory that two processes have as one counted once: slow, as the kernel goes through the page
// tables.
std::uint64_t ProportionalMemory(pid_t init);

// Of a process with one thread. Empty as well when they cannot be listed.
std::vector<pid_t> ChildrenOf(pid_t pid);

}  // namespace cloister::limits

#endif  // CLOISTER_LIMITS_PROCESS_TREE_H_
