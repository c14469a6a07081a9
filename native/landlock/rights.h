// Landlock's rights as masks, and what a kernel of a given ABI knows of them. Child-safe.

#ifndef CLOISTER_LANDLOCK_RIGHTS_H_
#define CLOISTER_LANDLOCK_RIGHTS_H_

#include <cstdint>

namespace cloister::landlock {

// The newest ABI of rights.def. A kernel with a newer one is treated as this one: rights that are
// not known here are not handled, so that they stay as they were.
inline constexpr int kNewestAbi = 10;  // Linux 7.2

// Rights that a ruleset handles: denied unless a rule grants them. Also used for what is granted.
struct Rights {
  std::uint64_t fs;
  std::uint64_t net;
  std::uint64_t scoped;

  constexpr bool operator==(const Rights&) const = default;
};

// What an ABI knows; everything empty for a kernel without Landlock (0).
constexpr Rights KnownBy(int abi) noexcept {
  Rights rights = {};
#define CLOISTER_LANDLOCK_FS(name, bit, since, kind) \
  rights.fs |= abi >= (since) ? std::uint64_t{1} << (bit) : 0;
#define CLOISTER_LANDLOCK_NET(name, bit, since) \
  rights.net |= abi >= (since) ? std::uint64_t{1} << (bit) : 0;
#define CLOISTER_LANDLOCK_SCOPE(name, bit, since) \
  rights.scoped |= abi >= (since) ? std::uint64_t{1} << (bit) : 0;
#include "native/landlock/rights.def"
#undef CLOISTER_LANDLOCK_FS
#undef CLOISTER_LANDLOCK_NET
#undef CLOISTER_LANDLOCK_SCOPE
  return rights;
}

// What can be granted on something that is no directory.
constexpr std::uint64_t FileRights() noexcept {
  constexpr bool FILE = true;
  constexpr bool DIR = false;
  static_cast<void>(DIR);
  std::uint64_t mask = 0;
#define CLOISTER_LANDLOCK_FS(name, bit, since, kind) mask |= (kind) ? std::uint64_t{1} << (bit) : 0;
#define CLOISTER_LANDLOCK_NET(name, bit, since)
#define CLOISTER_LANDLOCK_SCOPE(name, bit, since)
#include "native/landlock/rights.def"
#undef CLOISTER_LANDLOCK_FS
#undef CLOISTER_LANDLOCK_NET
#undef CLOISTER_LANDLOCK_SCOPE
  return mask;
}

// A ruleset cut down to an ABI, and what had to go.
struct Downgraded {
  Rights kept;
  Rights missing;

  constexpr bool operator==(const Downgraded&) const = default;
};

constexpr Downgraded Downgrade(const Rights& wanted, int abi) noexcept {
  const Rights known = KnownBy(abi);
  return {{wanted.fs & known.fs, wanted.net & known.net, wanted.scoped & known.scoped},
          {wanted.fs & ~known.fs, wanted.net & ~known.net, wanted.scoped & ~known.scoped}};
}

// Flags of landlock_restrict_self(2), by ABI.
inline constexpr std::uint32_t kLogSameExecOff = 1;    // 7 (6.15)
inline constexpr std::uint32_t kLogNewExecOn = 2;      // 7
inline constexpr std::uint32_t kLogSubdomainsOff = 4;  // 7
inline constexpr std::uint32_t kThreadSync = 8;        // 8 (7.0)

constexpr std::uint32_t RestrictFlagsKnownBy(int abi) noexcept {
  return (abi >= 7 ? kLogSameExecOff | kLogNewExecOn | kLogSubdomainsOff : 0) |
         (abi >= 8 ? kThreadSync : 0);
}

// Faults of released kernels that were mended without a new ABI: landlock_create_ruleset(2) tells
// which ones this kernel has mended. Bit N - 1 stands for erratum N.
//   1: TCP rights also bound stream sockets that are not TCP (MPTCP, SMC): refused more than asked.
//   2: the signal scope also kept threads of one process apart.
//   3: rights of directories that were moved out of a bind mount were looked up in the wrong place.
inline constexpr std::uint32_t kErratumTcpSockets = 1U << 0;
inline constexpr std::uint32_t kErratumThreadSignals = 1U << 1;
inline constexpr std::uint32_t kErratumDisconnected = 1U << 2;

}  // namespace cloister::landlock

#endif  // CLOISTER_LANDLOCK_RIGHTS_H_
