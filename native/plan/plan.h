// The plan as the native side holds it: plain structures whose texts point into the bytes that were
// received. Child-safe to read: nothing here allocates when it is only looked at.

#ifndef CLOISTER_PLAN_PLAN_H_
#define CLOISTER_PLAN_PLAN_H_

#include <linux/filter.h>
#include <sched.h>

#include <cstddef>
#include <cstdint>

namespace cloister::plan {

enum class Tree : std::uint32_t { kRoot = 0, kStage = 1, kHost = 2 };

struct Place {
  Tree tree;
  const char* path;  // absolute
};

enum class MountKind : std::uint32_t {
  kTmpfs = 1,
  kDirectory = 2,
  kFile = 3,
  kSymlink = 4,
  kBind = 5,
  kOverlay = 6,
  kProc = 7,
  kDev = 8,
  kMask = 9,
  kSeal = 10,
};

inline constexpr std::uint32_t kRecursive = 1;
inline constexpr std::uint32_t kWritable = 2;
inline constexpr std::uint32_t kExecutable = 4;
inline constexpr std::uint32_t kDevices = 8;
inline constexpr std::uint32_t kIdMapped = 16;
inline constexpr std::uint32_t kOptional = 32;
inline constexpr std::uint32_t kIsDirectory = 64;
inline constexpr std::uint32_t kAllMountFlags = 127;

inline constexpr std::size_t kMaxOwnFileSystems = 256;
inline constexpr std::size_t kMaxOverlayLayers = 64;

// Counted arrays in the arena that the plan was decoded into.
template <typename T>
struct Array {
  const T* data = nullptr;
  std::size_t size = 0;

  const T& operator[](std::size_t index) const noexcept { return data[index]; }
};

// One operation of the mounts stage. Which members count depends on `kind`.
struct MountOperation {
  MountKind kind;
  std::uint32_t flags;
  Place at;                  // tmpfs bind overlay proc dev mask seal
  Place from;                // bind
  std::uint32_t filesystem;  // directory file symlink
  const char* path;          // directory file symlink: relative to that file system
  std::uint32_t mode;        // tmpfs directory file
  std::uint64_t size;        // tmpfs: bytes
  std::uint64_t inodes;      // tmpfs
  const std::uint8_t* content;
  std::size_t content_size;
  const char* to;            // symlink
  Array<const char*> lower;  // overlay, the top one first
  const char* upper;         // overlay: null without one
  const char* work;
};

struct ResourceLimit {
  std::uint32_t resource;
  std::uint64_t value;
};

// What holds for the cell as a whole. 0: not limited.
struct CellLimits {
  std::uint64_t memory = 0;        // bytes
  std::uint64_t processes = 0;     // the cell's init is one of them; by a control group only
  std::uint64_t cpu_quota_us = 0;  // in each 100 ms; by a control group only
  std::uint64_t cpu_time_ns = 0;
  // By a control group, or by the launcher's looking at the processes.
  bool memory_by_group = false;
  bool cpu_time_by_group = false;

  [[nodiscard]] bool NeedsGroup() const noexcept {
    return (memory != 0 && memory_by_group) || processes != 0 || cpu_quota_us != 0 ||
           (cpu_time_ns != 0 && cpu_time_by_group);
  }
};

// What a Landlock rule grants on a path of the cell, or on a TCP port. Masks of native/landlock.
struct PathGrant {
  const char* path;  // absolute
  std::uint32_t rights;
  bool optional;  // left out when it is not there
};

struct PortGrant {
  std::uint16_t port;
  std::uint32_t rights;
};

// What the launcher answers when it is asked about a call that the policy forbids.
enum class ViolationAnswer : std::uint32_t {
  kNobodyAsks = 0,
  kKill = 1,
  kError = 2,
  kLog = 3,
};

struct Plan {
  std::uint64_t namespaces = 0;  // CLONE_NEW* flags
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool unprivileged_host_ids = false;
  const char* hostname = "";
  bool loopback = false;
  // A directory of the host that the cell gets for itself, and that is removed with it; "": none.
  const char* scratch = "";
  Array<MountOperation> mounts;
  // The part of the bytes that the mounts were read from.
  Array<std::uint8_t> mounts_bytes;
  std::uint64_t capabilities = 0;
  bool landlock = false;
  std::uint32_t landlock_fs = 0;  // handled: denied unless granted
  std::uint32_t landlock_net = 0;
  std::uint32_t landlock_scoped = 0;
  Array<PathGrant> landlock_paths;
  Array<PortGrant> landlock_ports;
  Array<ResourceLimit> limits;
  std::uint64_t wall_time_ns = 0;  // 0: none
  CellLimits cell_limits;
  bool terminal = false;
  std::uint16_t columns = 0;
  std::uint16_t rows = 0;
  Array<sock_filter> filter;
  ViolationAnswer violation_answer = ViolationAnswer::kNobodyAsks;
  // The filter is made of promises, which do not count what libraries merely look for.
  bool promises = false;
  // What may be opened for reading without a promise for it; the Landlock domain says the same.
  Array<const char*> readable;
  // native/violations: words for the line that a command leaves which is ended for a violation.
  Array<std::uint8_t> descriptions;
  const char* command = "";
  Array<const char*> candidates;
  Array<const char*> argv;         // with a null pointer after the last
  Array<const char*> environment;  // with a null pointer after the last
  const char* cwd = "/";

  // Without a mount namespace the cell stands in the host's tree, and Landlock alone says what it
  // may do there.
  [[nodiscard]] bool HasOwnTree() const noexcept { return (namespaces & CLONE_NEWNS) != 0; }
  // Without a pid namespace nothing ends with its first process, which has to see to that itself.
  [[nodiscard]] bool NeedsKeeper() const noexcept { return (namespaces & CLONE_NEWPID) == 0; }
};

}  // namespace cloister::plan

#endif  // CLOISTER_PLAN_PLAN_H_
