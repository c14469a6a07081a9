// The classic BPF that seccomp(2) accepts, and the words that it answers with. Own names, so that
// every machine can compile for every other.

#ifndef CLOISTER_SECCOMP_BPF_H_
#define CLOISTER_SECCOMP_BPF_H_

#include <cstdint>

namespace cloister::seccomp {

// struct sock_filter of linux/filter.h.
struct Instruction {
  std::uint16_t code;
  std::uint8_t jt;
  std::uint8_t jf;
  std::uint32_t k;

  bool operator==(const Instruction&) const = default;
};
static_assert(sizeof(Instruction) == 8);

// Operation codes as in linux/bpf_common.h: class | size or operation | mode or source.
inline constexpr std::uint16_t kLoadWord = 0x20;     // BPF_LD | BPF_W | BPF_ABS
inline constexpr std::uint16_t kAndConstant = 0x54;  // BPF_ALU | BPF_AND | BPF_K
inline constexpr std::uint16_t kJumpAlways = 0x05;   // BPF_JMP | BPF_JA
inline constexpr std::uint16_t kJumpEqual = 0x15;    // BPF_JMP | BPF_JEQ | BPF_K
inline constexpr std::uint16_t kJumpGreater = 0x25;  // BPF_JMP | BPF_JGT | BPF_K
inline constexpr std::uint16_t kJumpAtLeast = 0x35;  // BPF_JMP | BPF_JGE | BPF_K
inline constexpr std::uint16_t kJumpAnyBit = 0x45;   // BPF_JMP | BPF_JSET | BPF_K
inline constexpr std::uint16_t kReturn = 0x06;       // BPF_RET | BPF_K

// BPF_MAXINSNS: longer programs get EINVAL from seccomp(2).
inline constexpr std::uint32_t kMaxInstructions = 4096;
// Conditional jumps have eight bits of distance; only JA has 32.
inline constexpr std::uint32_t kMaxJump = 255;

// struct seccomp_data: what a filter can look at.
struct CallData {
  std::uint32_t nr;
  std::uint32_t arch;
  std::uint64_t instruction_pointer;
  std::uint64_t args[6];
};
static_assert(sizeof(CallData) == 64);

inline constexpr std::uint32_t kOffsetNr = 0;
inline constexpr std::uint32_t kOffsetArch = 4;
// Byte offset of one half of an argument. All architectures of ours are little-endian: the low half
// comes first.
inline constexpr std::uint32_t ArgumentOffset(std::uint32_t index, bool high) {
  return 16 + 8 * index + (high ? 4U : 0U);
}

// SECCOMP_RET_*: action in the upper half, data in the lower.
inline constexpr std::uint32_t kActionMask = 0xffff0000U;
inline constexpr std::uint32_t kDataMask = 0x0000ffffU;
inline constexpr std::uint32_t kKillProcess = 0x80000000U;
inline constexpr std::uint32_t kKillThread = 0x00000000U;
inline constexpr std::uint32_t kTrap = 0x00030000U;
inline constexpr std::uint32_t kErrno = 0x00050000U;
inline constexpr std::uint32_t kNotify = 0x7fc00000U;
inline constexpr std::uint32_t kTrace = 0x7ff00000U;
inline constexpr std::uint32_t kLog = 0x7ffc0000U;
inline constexpr std::uint32_t kAllow = 0x7fff0000U;
// MAX_ERRNO: the kernel caps larger data to this, so a larger number would not mean what it says.
inline constexpr std::uint32_t kMaxErrno = 4095;

// What the kernel makes of two answers to one call: the lower action, compared as a signed number;
// the first where they are equal.
inline constexpr std::uint32_t Strictest(std::uint32_t first, std::uint32_t second) {
  return static_cast<std::int32_t>(second & kActionMask) <
                 static_cast<std::int32_t>(first & kActionMask)
             ? second
             : first;
}

// Whether an answer is one that this compiler hands out: a known action, with data only where the
// kernel reads it.
inline constexpr bool IsValidAnswer(std::uint32_t answer) {
  const std::uint32_t data = answer & kDataMask;
  switch (answer & kActionMask) {
    case kErrno:
      // 0: the call seems to succeed and is not made. lib/filter keeps it from users' policies.
      return data <= kMaxErrno;
    case kTrace:
      return true;
    case kKillProcess:
    case kKillThread:
    case kTrap:
    case kNotify:
    case kLog:
    case kAllow:
      // Data on ALLOW would keep the call out of the kernel's cache; on the others nobody reads it.
      return data == 0;
    default:
      return false;
  }
}

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_BPF_H_
