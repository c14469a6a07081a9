// Kernel definitions that C library headers of supported systems may lack, each with the release
// that added it. Child-safe: constants and plain structures only.

#ifndef CLOISTER_LINUX_UAPI_H_
#define CLOISTER_LINUX_UAPI_H_

#include <cstddef>
#include <cstdint>

namespace cloister::uapi {

// System call numbers since 5.1 are the same on every architecture (asm-generic/unistd.h).
inline constexpr long kSysPidfdSendSignal = 424;   // 5.1
inline constexpr long kSysOpenTree = 428;          // 5.2
inline constexpr long kSysMoveMount = 429;         // 5.2
inline constexpr long kSysFsopen = 430;            // 5.2
inline constexpr long kSysFsconfig = 431;          // 5.2
inline constexpr long kSysFsmount = 432;           // 5.2
inline constexpr long kSysPidfdOpen = 434;         // 5.3
inline constexpr long kSysClone3 = 435;            // 5.3
inline constexpr long kSysCloseRange = 436;        // 5.9
inline constexpr long kSysOpenat2 = 437;           // 5.6
inline constexpr long kSysMountSetattr = 442;      // 5.12
inline constexpr long kSysLandlockCreate = 444;    // 5.13
inline constexpr long kSysLandlockAddRule = 445;   // 5.13
inline constexpr long kSysLandlockRestrict = 446;  // 5.13

// struct clone_args, linux/sched.h, 5.3; cgroup 5.7.
struct CloneArgs {
  std::uint64_t flags;
  std::uint64_t pidfd;
  std::uint64_t child_tid;
  std::uint64_t parent_tid;
  std::uint64_t exit_signal;
  std::uint64_t stack;
  std::uint64_t stack_size;
  std::uint64_t tls;
  std::uint64_t set_tid;
  std::uint64_t set_tid_size;
  std::uint64_t cgroup;
};

inline constexpr std::uint64_t kClonePidfd = 0x00001000;      // 5.2
inline constexpr std::uint64_t kCloneNewCgroup = 0x02000000;  // 4.6
inline constexpr std::uint64_t kCloneNewTime = 0x00000080;    // 5.6, unshare(2) and clone3(2) only

// struct open_how, linux/openat2.h, 5.6.
struct OpenHow {
  std::uint64_t flags;
  std::uint64_t mode;
  std::uint64_t resolve;
};
inline constexpr std::uint64_t kResolveNoXdev = 0x01;
inline constexpr std::uint64_t kResolveNoMagiclinks = 0x02;
inline constexpr std::uint64_t kResolveNoSymlinks = 0x04;
inline constexpr std::uint64_t kResolveBeneath = 0x08;
inline constexpr std::uint64_t kResolveInRoot = 0x10;

// linux/mount.h, 5.2 (open_tree, move_mount, fsmount) and 5.12 (mount_setattr).
inline constexpr unsigned kOpenTreeClone = 1;
inline constexpr unsigned kOpenTreeCloexec = 02000000;
inline constexpr unsigned kAtRecursive = 0x8000;
inline constexpr unsigned kMoveMountFromEmptyPath = 0x00000004;
inline constexpr unsigned kMoveMountToEmptyPath = 0x00000040;
inline constexpr unsigned kFsopenCloexec = 1;
inline constexpr unsigned kFsmountCloexec = 1;
inline constexpr unsigned kFsconfigSetFlag = 0;
inline constexpr unsigned kFsconfigSetString = 1;
inline constexpr unsigned kFsconfigCreate = 6;

inline constexpr std::uint64_t kMountAttrReadOnly = 0x00000001;
inline constexpr std::uint64_t kMountAttrNoSuid = 0x00000002;
inline constexpr std::uint64_t kMountAttrNoDev = 0x00000004;
inline constexpr std::uint64_t kMountAttrNoExec = 0x00000008;
inline constexpr std::uint64_t kMountAttrIdMap = 0x00100000;

struct MountAttr {
  std::uint64_t attr_set;
  std::uint64_t attr_clr;
  std::uint64_t propagation;
  std::uint64_t userns_fd;
};

// struct statx, linux/stat.h, 4.11; stx_mnt_id 5.8.
struct StatxTime {
  std::int64_t seconds;
  std::uint32_t nanoseconds;
  std::int32_t reserved;

  bool operator==(const StatxTime&) const = default;
};
struct Statx {
  std::uint32_t mask;
  std::uint32_t block_size;
  std::uint64_t attributes;
  std::uint32_t links;
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint16_t mode;
  std::uint16_t spare;
  std::uint64_t inode;
  std::uint64_t size;
  std::uint64_t blocks;
  std::uint64_t attributes_mask;
  StatxTime access;
  StatxTime birth;
  StatxTime change;
  StatxTime modification;
  std::uint32_t node_major;
  std::uint32_t node_minor;
  std::uint32_t device_major;
  std::uint32_t device_minor;
  std::uint64_t mount_id;
  std::uint8_t after[104];
};
static_assert(sizeof(Statx) == 256);
inline constexpr unsigned kStatxBasic = 0x7ff;
inline constexpr unsigned kStatxBirth = 0x800;
inline constexpr unsigned kStatxMountId = 0x1000;

// linux/landlock.h: handled_access_net 6.7 (ABI 4), scoped 6.12 (ABI 6).
struct LandlockRulesetAttr {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};
inline constexpr std::uint32_t kLandlockCreateRulesetVersion = 1;
inline constexpr std::uint32_t kLandlockCreateRulesetErrata = 2;      // 6.15
inline constexpr std::uint64_t kLandlockScopeAbstractUnixSocket = 1;  // 6.12
inline constexpr std::uint64_t kLandlockScopeSignal = 2;              // 6.12

// linux/seccomp.h: a filter with a listener, 5.0; FLAG_CONTINUE 5.5; WAIT_KILLABLE_RECV 5.19.
struct SeccompData {
  std::int32_t number;
  std::uint32_t arch;
  std::uint64_t instruction_pointer;
  std::uint64_t args[6];
};
struct SeccompNotification {
  std::uint64_t id;
  std::uint32_t pid;
  std::uint32_t flags;
  SeccompData data;
};
struct SeccompResponse {
  std::uint64_t id;
  std::int64_t value;
  std::int32_t error;
  std::uint32_t flags;
};
struct SeccompSizes {
  std::uint16_t notification;
  std::uint16_t response;
  std::uint16_t data;
};
inline constexpr long kSeccompGetSizes = 3;
inline constexpr std::uint32_t kSeccompNewListener = 1U << 3;
inline constexpr std::uint32_t kSeccompThreadSyncEsrch = 1U << 4;  // 5.7
inline constexpr std::uint32_t kSeccompWaitKillable = 1U << 5;
inline constexpr unsigned long kSeccompReceive = 0xc0502100;
inline constexpr unsigned long kSeccompSend = 0xc0182101;
inline constexpr unsigned long kSeccompIdValid = 0x40082102;
inline constexpr std::uint32_t kSeccompContinue = 1;

// linux/securebits.h: every bit with its lock. NOROOT: uid 0 gains nothing at exec;
// NO_SETUID_FIXUP; KEEP_CAPS only locked (it clears itself); NO_CAP_AMBIENT_RAISE.
inline constexpr unsigned long kSecurebitsLocked = 0x01 | 0x02 | 0x04 | 0x08 | 0x20 | 0x40 | 0x80;

// struct linux_dirent64 (getdents(2)).
struct DirectoryEntry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t size;
  std::uint8_t type;
  char name[1];
};

}  // namespace cloister::uapi

#endif  // CLOISTER_LINUX_UAPI_H_
