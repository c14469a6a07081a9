// The unprivileged host ids that stand behind the cells of a real-root caller, and the user
// namespaces that give such a cell the caller's files.
//
// With uid 0 of the host behind it, a process without any capability still opens root's files and
// writes to /proc/sys/kernel/core_pattern. So every live cell of a real-root caller runs on an id
// of its own from the range below, which lies in the part that systemd's list of ids leaves unused
// (1879048192 to 2147483647).

#ifndef CLOISTER_NAMESPACES_HOST_IDS_H_
#define CLOISTER_NAMESPACES_HOST_IDS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "native/base/unique_fd.h"
#include "native/plan/result.h"

namespace cloister {

inline constexpr std::uint32_t kFirstHostId = 0x7f000000;  // 2130706432
inline constexpr std::uint32_t kHostIdCount = 0x10000;

// Reserves ids among all launchers that see the same file, by locks on its bytes: only root can
// take them, and the kernel drops them with the launcher, however that ends (F_OFD_SETLK, 3.15).
class HostIdLocks {
 public:
  // True: reserved. False: somebody else has it.
  Result<bool> Reserve(std::uint32_t id);

 private:
  std::optional<Failure> Open();

  UniqueFd file_;
};

// One id, reserved on this machine for as long as the launcher lives, and in use by at most one
// cell.
class HostId {
 public:
  explicit HostId(std::uint32_t id) : id_(id) {}

  [[nodiscard]] std::uint32_t Id() const { return id_; }

  // A user namespace that maps the caller's id (0) to this one and every other to itself: for
  // id-mapped mounts (mount_setattr(2), 5.12). The file system then sees the cell as the caller.
  // Made at first use.
  Result<int> MountNamespace();

 private:
  std::uint32_t id_;
  UniqueFd namespace_;
};

class HostIdPool;

// Gives an id back to its pool, for another cell: whoever lets go of one has waited for the end of
// every process that has it.
struct HostIdReturn {
  HostIdPool* pool = nullptr;
  void operator()(HostId* id) const;
};
using LentHostId = std::unique_ptr<HostId, HostIdReturn>;

// Hands out ids and takes them back. Outlives them. Reserved ones are kept, so that their
// namespaces are made once.
class HostIdPool {
 public:
  Result<LentHostId> Take();

 private:
  friend struct HostIdReturn;

  HostIdLocks locks_;
  std::vector<std::unique_ptr<HostId>> free_;
  std::vector<bool> ours_ = std::vector<bool>(kHostIdCount);
  std::uint32_t next_ = 0;
  bool seeded_ = false;
};

// Writes /proc/PID/{uid,gid}_map of a process in a new user namespace: one id each.
std::optional<Failure> WriteIdMaps(pid_t pid, std::uint32_t inner_uid, std::uint32_t inner_gid,
                                   std::uint32_t host_id);

}  // namespace cloister

#endif  // CLOISTER_NAMESPACES_HOST_IDS_H_
