#include "native/threads/apply.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include <cerrno>

#include "native/landlock/ruleset.h"
#include "native/linux/syscalls.h"

namespace cloister::threads {

namespace {

struct CapabilitySets {
  __user_cap_data_struct half[2] = {};

  [[nodiscard]] std::uint64_t Effective() const noexcept {
    return std::uint64_t{half[1].effective} << 32 | half[0].effective;
  }
  [[nodiscard]] std::uint64_t Permitted() const noexcept {
    return std::uint64_t{half[1].permitted} << 32 | half[0].permitted;
  }
};

long GetCapabilities(CapabilitySets* sets) noexcept {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  return sys::Call(SYS_capget, sys::Arg(&header), sys::Arg(sets->half));
}

long SetCapabilities(CapabilitySets* sets) noexcept {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  return sys::Call(SYS_capset, sys::Arg(&header), sys::Arg(sets->half));
}

// The bounding set first: dropping from it needs CAP_SETPCAP, which is gone afterwards. Without it
// the bounding set stays, and is of no use: with no_new_privs no program that is executed gains a
// capability (capabilities(7)).
Problem DropCapabilities(const Restriction& restriction) noexcept {
  CapabilitySets sets;
  long result = GetCapabilities(&sets);
  if (result < 0) {
    return {"capget", static_cast<int>(-result)};
  }
  if ((sets.Effective() >> CAP_SETPCAP & 1) != 0) {
    for (std::uint32_t capability = 0; capability <= restriction.last_capability; ++capability) {
      if ((restriction.kept_capabilities >> capability & 1) == 0) {
        result = sys::Prctl(PR_CAPBSET_DROP, capability);
        if (result < 0) {
          return {"prctl(PR_CAPBSET_DROP)", static_cast<int>(-result)};
        }
      }
    }
  }
  result = sys::Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  if (result < 0) {
    return {"prctl(PR_CAP_AMBIENT)", static_cast<int>(-result)};
  }
  for (int i = 0; i < 2; ++i) {
    const auto kept = static_cast<std::uint32_t>(restriction.kept_capabilities >> (32 * i));
    sets.half[i].permitted &= kept;
    sets.half[i].effective &= kept;
    sets.half[i].inheritable &= kept;
  }
  result = SetCapabilities(&sets);
  return result < 0 ? Problem{"capset", static_cast<int>(-result)} : Problem{};
}

Problem ApplyAll(const Restriction& restriction, Role role) noexcept {
  if (restriction.no_new_privileges) {
    const long result = sys::Prctl(PR_SET_NO_NEW_PRIVS, 1);
    if (result < 0) {
      return {"prctl(PR_SET_NO_NEW_PRIVS)", static_cast<int>(-result)};
    }
  }
  // Before the domain, which is never left again: under a filter that keeps capabilities from being
  // dropped nothing is to be applied. What is dropped here was dropped in a rehearsal, or is gone.
  if (restriction.drop_capabilities) {
    const Problem problem = DropCapabilities(restriction);
    if (problem.call != nullptr) {
      return problem;
    }
  }
  if (restriction.ruleset >= 0 && (role == Role::kCaller || !restriction.thread_sync)) {
    const std::uint32_t flags = restriction.thread_sync ? landlock::kThreadSync : 0;
    const long result = landlock::Restrict(restriction.ruleset, flags);
    if (result < 0) {
      return {"landlock_restrict_self", static_cast<int>(-result)};
    }
  }
  return {};
}

// Nothing that can be read tells the domain of a thread: it is seen by what it refuses.
Problem ProbeDomain() noexcept {
  const long fd = sys::Openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    sys::Close(static_cast<int>(fd));
    return {"landlock_restrict_self (without effect)", EPROTO};
  }
  return {};
}

}  // namespace

Applied Apply(const Restriction& restriction, Role role) noexcept {
  Applied applied = {};
  applied.problem = ApplyAll(restriction, role);
  if (applied.problem.call == nullptr && restriction.root_closed) {
    applied.problem = ProbeDomain();
  }
  if (applied.problem.call != nullptr) {
    return applied;
  }
  CapabilitySets sets;
  const long result = GetCapabilities(&sets);
  if (result < 0) {
    applied.problem = {"capget", static_cast<int>(-result)};
  }
  applied.permitted = sets.Permitted();
  applied.effective = sets.Effective();
  applied.no_new_privileges = sys::Prctl(PR_GET_NO_NEW_PRIVS) == 1;
  return applied;
}

}  // namespace cloister::threads
