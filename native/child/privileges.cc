// Stage privileges: capabilities, securebits, keyring, no_new_privs.

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>

#include <cerrno>

#include "native/child/context.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_privileges;

void Prctl(const Context& context, int option, unsigned long a, unsigned long b,
           const char* name) noexcept {
  Check(context, kStage, sys::Prctl(option, a, b), "prctl", name);
}

// `inheritable` apart: it may not go beyond the bounding set, which has been emptied by then
// (capabilities(7)).
void SetCapabilities(const Context& context, std::uint64_t mask,
                     std::uint64_t inheritable) noexcept {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int i = 0; i < 2; ++i) {
    data[i].effective = static_cast<std::uint32_t>(mask >> (32 * i));
    data[i].permitted = data[i].effective;
    data[i].inheritable = static_cast<std::uint32_t>(inheritable >> (32 * i));
  }
  Check(context, kStage, sys::Call(SYS_capset, sys::Arg(&header), sys::Arg(data)), "capset", "");
}

bool MayDrop(const Context& context) noexcept {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  Check(context, kStage, sys::Call(SYS_capget, sys::Arg(&header), sys::Arg(data)), "capget", "");
  return (data[0].effective >> CAP_SETPCAP & 1) != 0;
}

}  // namespace

void DropPrivileges(Context* context) noexcept {
  const std::uint64_t kept = context->plan.capabilities;
  // A session keyring of its own: the caller's, with whatever keys it holds, stays behind. ENOSYS:
  // a kernel without keys. EPERM: a container's filter allows no use of keys at all, and the cell
  // inherits it.
  const long keyring = sys::Call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
  if (keyring < 0 && keyring != -ENOSYS && keyring != -EPERM) {
    Fail(*context, kStage, -keyring, "keyctl", "KEYCTL_JOIN_SESSION_KEYRING");
  }
  if (!MayDrop(*context)) {
    // No user namespace, and a caller without privileges: bounding set and securebits stay as they
    // are. With no_new_privs, execve(2) gives nothing that is not in the permitted set, whatever
    // those say.
    Prctl(*context, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, "PR_CAP_AMBIENT_CLEAR_ALL");
    SetCapabilities(*context, kept, kept);
    Prctl(*context, PR_SET_NO_NEW_PRIVS, 1, 0, "PR_SET_NO_NEW_PRIVS");
    return;
  }
  for (std::uint32_t capability = 0; capability <= context->facts.last_capability; ++capability) {
    if ((kept >> capability & 1) == 0) {
      Prctl(*context, PR_CAPBSET_DROP, capability, 0, "PR_CAPBSET_DROP");
    }
  }
  Prctl(*context, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, "PR_CAP_AMBIENT_CLEAR_ALL");
  // Ambient capabilities survive exec without any uid 0 magic, which the securebits below switch
  // off. They must be permitted and inheritable, and setting the bits needs CAP_SETPCAP, so that
  // the sets are emptied last.
  SetCapabilities(*context, kept | std::uint64_t{1} << CAP_SETPCAP, kept);
  for (std::uint32_t capability = 0; capability <= context->facts.last_capability; ++capability) {
    if ((kept >> capability & 1) != 0) {
      Prctl(*context, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, "PR_CAP_AMBIENT_RAISE");
    }
  }
  Prctl(*context, PR_SET_SECUREBITS, uapi::kSecurebitsLocked, 0, "PR_SET_SECUREBITS");
  SetCapabilities(*context, kept, kept);
  Prctl(*context, PR_SET_NO_NEW_PRIVS, 1, 0, "PR_SET_NO_NEW_PRIVS");
}

}  // namespace cloister::child
