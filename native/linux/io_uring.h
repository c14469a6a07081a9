// io_uring(7) as far as rings are looked at and rebuilt here. Child-safe.

#ifndef CLOISTER_LINUX_IO_URING_H_
#define CLOISTER_LINUX_IO_URING_H_

#include <cstdint>

namespace cloister::uapi {

inline constexpr long kSysIoUringSetup = 425;     // 5.1
inline constexpr long kSysIoUringEnter = 426;     // 5.1
inline constexpr long kSysIoUringRegister = 427;  // 5.1

inline constexpr std::uint32_t kSetupCqSize = 1U << 3;
inline constexpr std::uint32_t kSetupDisabled = 1U << 6;    // 5.10
inline constexpr std::uint32_t kSetupSubmitAll = 1U << 7;   // 5.18
inline constexpr std::uint32_t kSetupNoMmap = 1U << 14;     // 6.5
inline constexpr std::uint32_t kSetupNoSqArray = 1U << 16;  // 6.6

inline constexpr long kRegisterRestrictions = 11;  // 5.10
inline constexpr long kRegisterEnableRings = 12;   // 5.10
inline constexpr std::uint16_t kRestrictionSqeOp = 1;

inline constexpr std::uint8_t kOpNop = 0;
inline constexpr std::uint8_t kOpEpollCtl = 29;

// Where a ring is mapped from (mmap(2) offset): both rings, and the submission entries.
inline constexpr std::uint64_t kOffsetRings = 0;
inline constexpr std::uint64_t kOffsetEntries = 0x10000000;

struct SubmissionOffsets {
  std::uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, reserved;
  std::uint64_t user_address;
};

struct CompletionOffsets {
  std::uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved;
  std::uint64_t user_address;
};

struct RingParameters {
  std::uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd;
  std::uint32_t reserved[3];
  SubmissionOffsets sq;
  CompletionOffsets cq;
};

struct RingRestriction {
  std::uint16_t opcode;
  std::uint8_t operation;
  std::uint8_t reserved;
  std::uint32_t reserved2[3];
};

inline constexpr std::uint32_t kSubmissionEntrySize = 64;
inline constexpr std::uint32_t kCompletionEntrySize = 16;

}  // namespace cloister::uapi

#endif  // CLOISTER_LINUX_IO_URING_H_
