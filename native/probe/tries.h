// Each try runs in a process of its own, which ends with it: nothing of it remains.

#ifndef CLOISTER_PROBE_TRIES_H_
#define CLOISTER_PROBE_TRIES_H_

#include <cstdint>

namespace cloister::probe {

// Where a try stopped. error: positive error number, 0 when it worked.
struct Outcome {
  int error;
  const char* stage;  // "clone" or "ids"
};

// New namespaces of these kinds (CLONE_NEW*), with the caller's ids mapped when there is a user
// namespace among them.
Outcome TryNamespaces(std::uint64_t flags);

// With a user namespace, or as root without one.
enum class As { kUser, kRoot };

// In new mount and pid namespaces, as a cell would do it.
int TryTmpfs(As as);
int TryProc(As as);
int TryOverlay(As as);

// In a Landlock domain, without any new namespace.
int TryLandlock();

// Whether the kernel has id-mapped mounts, and the namespace for one can be made, as for the cells
// of a real-root caller.
int TryIdMap();

// A filter with a listener (5.0). EBUSY: one that this process was born with has one already.
int TryListener();

// Whether RLIMIT_NPROC counts the processes of a user namespace apart from the user's others
// (5.14).
bool ProcessesCountPerNamespace();

}  // namespace cloister::probe

#endif  // CLOISTER_PROBE_TRIES_H_
