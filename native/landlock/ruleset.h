// Landlock's system calls (landlock(7)). Every function answers as the kernel does: a result, or a
// negative error number. Child-safe.

#ifndef CLOISTER_LANDLOCK_RULESET_H_
#define CLOISTER_LANDLOCK_RULESET_H_

#include <fcntl.h>

#include <cerrno>
#include <cstdint>

#include "native/landlock/rights.h"
#include "native/linux/syscalls.h"

namespace cloister::landlock {

// struct landlock_path_beneath_attr is packed.
struct [[gnu::packed]] PathRule {
  std::uint64_t allowed;
  std::int32_t fd;
};

struct PortRule {
  std::uint64_t allowed;
  std::uint64_t port;
};

inline constexpr long kRulePath = 1;
inline constexpr long kRulePort = 2;  // ABI 4

// -ENOSYS, -EOPNOTSUPP: none.
inline long Abi() noexcept {
  return sys::Call(uapi::kSysLandlockCreate, 0, 0, uapi::kLandlockCreateRulesetVersion);
}

// Errata that this kernel has mended; 0 where it cannot be asked (before 6.15).
inline std::uint32_t Errata() noexcept {
  const long errata = sys::Call(uapi::kSysLandlockCreate, 0, 0, uapi::kLandlockCreateRulesetErrata);
  return errata < 0 ? 0 : static_cast<std::uint32_t>(errata);
}

// A new ruleset, close-on-exec. A ruleset that handles nothing is -ENOMSG.
inline long Create(const Rights& handled) noexcept {
  uapi::LandlockRulesetAttr attributes = {handled.fs, handled.net, handled.scoped};
  // A kernel that does not know the later members refuses them by size only where they are not 0,
  // so one size fits all.
  return sys::Call(uapi::kSysLandlockCreate, sys::Arg(&attributes), sizeof(attributes), 0);
}

inline long AddPath(int ruleset, int fd, std::uint64_t rights) noexcept {
  PathRule rule = {rights, fd};
  return sys::Call(uapi::kSysLandlockAddRule, ruleset, kRulePath, sys::Arg(&rule), 0);
}

inline long AddPort(int ruleset, std::uint16_t port, std::uint64_t rights) noexcept {
  PortRule rule = {rights, port};
  return sys::Call(uapi::kSysLandlockAddRule, ruleset, kRulePort, sys::Arg(&rule), 0);
}

// Needs no_new_privs, or CAP_SYS_ADMIN. -E2BIG: 16 domains are nested already.
inline long Restrict(int ruleset, std::uint32_t flags) noexcept {
  return sys::Call(uapi::kSysLandlockRestrict, ruleset, static_cast<long>(flags));
}

// Opens a path for a rule, without opening what it names: nothing is read, no device is touched.
inline long OpenForRule(const char* path) noexcept {
  return sys::Openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
}

}  // namespace cloister::landlock

#endif  // CLOISTER_LANDLOCK_RULESET_H_
