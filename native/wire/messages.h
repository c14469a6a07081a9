// Messages between the addon and the launcher: one SOCK_SEQPACKET packet each, fixed layout, native
// byte order (both run on one machine), descriptors by SCM_RIGHTS. Every message carries the
// version; either side ends the connection at another one. Child-safe: constants and plain
// structures only.

#ifndef CLOISTER_WIRE_MESSAGES_H_
#define CLOISTER_WIRE_MESSAGES_H_

#include <cstddef>
#include <cstdint>

namespace cloister::wire {

inline constexpr std::uint32_t kVersion = 3;

// Descriptor of the connection in the launcher.
inline constexpr int kLauncherSocket = 3;

// A plan up to this size travels in the packet itself, a larger one in a sealed memfd, so that no
// socket buffer limits it.
inline constexpr std::size_t kInlinePlanLimit = 48 * 1024;
inline constexpr std::size_t kPlanLimit = 256UL * 1024 * 1024;
// SCM_MAX_FD is 253; one is for the memfd.
inline constexpr std::size_t kStdioLimit = 250;

enum class Type : std::uint32_t {
  // addon -> launcher
  kSpawn = 1,
  kSignal = 2,
  kKill = 3,
  kClose = 4,
  // launcher -> addon
  kStarted = 16,
  kFailed = 17,
  kExited = 18,
  kEnded = 19,
  kViolation = 20,
};

struct Header {
  std::uint32_t version;
  Type type;
  std::uint64_t cell;
};

// Entries of SpawnRequest::stdio that are no descriptor.
inline constexpr std::int32_t kStdioTerminal = -1;

// Instead of a mask: the one that the launcher was started with.
inline constexpr std::uint32_t kKeepUmask = 0xffffffff;

// Followed by `plan_size` bytes of plan unless `plan_in_memfd`. Descriptors: the memfd where there
// is one, then one for each entry of the cell's stdio that is not marked in `terminal_mask`
// (entries 0 to 2 only can be a terminal).
struct SpawnRequest {
  Header header;
  std::uint64_t plan_size;
  std::uint32_t plan_in_memfd;
  std::uint32_t stdio_count;
  std::uint32_t terminal_mask;
  std::uint32_t umask;
};

struct SignalRequest {
  Header header;
  std::int32_t signal;
  std::uint32_t reserved;
};

struct KillRequest {
  Header header;
};

// No further cell is started, whoever asks: the caller has restricted itself, and would have back
// through its launcher what it gave up. header.cell is of no meaning, and not 0.
struct CloseRequest {
  Header header;
};

// How the cell came to its root.
enum class RootChange : std::uint32_t { kNone = 0, kPivotRoot = 1, kChroot = 2 };

// What the command's process read back from the kernel just before exec. Filled in by native/child.
struct Confirmed {
  std::uint64_t capabilities;
  std::uint32_t namespaces;
  std::uint32_t no_new_privileges;
  RootChange root_change;
  std::uint32_t landlock_scoped;
  std::uint32_t landlock_abi;
  std::uint32_t filters;
  std::uint32_t filter_instructions;
  std::uint32_t landlock_fs;
  std::uint32_t landlock_net;
  std::uint32_t reserved;
};

// With one descriptor, the master side, when `has_terminal`.
struct StartedEvent {
  Header header;
  std::int32_t pid;
  std::uint32_t has_terminal;
  Confirmed confirmed;
};

inline constexpr std::size_t kSyscallNameSize = 24;
inline constexpr std::size_t kDetailSize = 1024;

struct FailedEvent {
  Header header;
  std::uint32_t stage;
  std::int32_t error;
  char syscall[kSyscallNameSize];
  char detail[kDetailSize];
};

struct ExitedEvent {
  Header header;
  std::uint32_t signaled;
  std::int32_t value;
};

enum class EndCause : std::uint32_t {
  kNone = 0,
  kKilled = 1,
  kWallTime = 2,
  kLauncherLost = 3,
  kCpuTime = 4,
  kMemory = 5,
  kViolation = 6,
};

inline constexpr std::size_t kPathSize = 256;
// How many violations of a cell are told. The others are counted.
inline constexpr std::uint64_t kViolationsTold = 100;

// A call that the policy forbids. Comes before kEnded, and may come before kStarted.
struct ViolationEvent {
  Header header;
  std::uint32_t number;
  std::uint32_t arch;  // AUDIT_ARCH_*
  std::uint64_t args[6];
  std::int32_t pid;
  std::uint32_t reserved;
  // What a path argument led to when it was looked at; empty where there is none, or it could not
  // be read.
  char path[kPathSize];
};
static_assert(sizeof(ViolationEvent) == 336, "lib/restrict/watch.ts reads it");

struct EndedEvent {
  Header header;
  EndCause cause;
  // Most processes alive at once; 0 where they were not counted.
  std::uint32_t processes;
  // CLOCK_MONOTONIC when the cause occurred; 0 without one.
  std::uint64_t cause_time_ns;
  std::uint64_t wall_time_ns;
  std::uint64_t user_time_us;
  std::uint64_t system_time_us;
  std::uint64_t peak_memory;
  std::uint64_t violations;
  // Not 0: processes of the cell are still there, some time after SIGKILL, since they wait in the
  // kernel for what does not answer. They end with that.
  std::uint32_t processes_left;
  std::uint32_t reserved;
};

// To a launcher that answers for the filter of the process that started it: the first packet, with
// the pipe that ViolationEvents are written to. One byte with the listener follows.
struct WatchRequest {
  std::uint32_t version;
  // Everything goes through; else everything is refused.
  std::uint32_t log;
  // The filter is made of promises.
  std::uint32_t promises;
  std::uint32_t reserved;
};

inline constexpr std::size_t kLargestPacket = sizeof(SpawnRequest) + kInlinePlanLimit;

}  // namespace cloister::wire

#endif  // CLOISTER_WIRE_MESSAGES_H_
