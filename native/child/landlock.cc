// Stage landlock.

#include <cerrno>

#include "native/child/context.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

void EnterLandlock(Context* context) noexcept {
  constexpr Stage kStage = Stage::k_landlock;
  const plan::Plan& plan = context->plan;
  if (!plan.landlock) {
    return;
  }
  const long abi = sys::Call(uapi::kSysLandlockCreate, 0, 0, uapi::kLandlockCreateRulesetVersion);
  Check(*context, kStage, abi, "landlock_create_ruleset", "version");
  uapi::LandlockRulesetAttr attributes = {};
  attributes.scoped = plan.landlock_scoped;
  const int ruleset = static_cast<int>(
      Check(*context, kStage,
            sys::Call(uapi::kSysLandlockCreate, sys::Arg(&attributes), sizeof(attributes), 0),
            "landlock_create_ruleset", ""));
  Check(*context, kStage, sys::Call(uapi::kSysLandlockRestrict, ruleset, 0),
        "landlock_restrict_self", "");
  sys::Close(ruleset);
  context->confirmed.landlock_abi = static_cast<std::uint32_t>(abi);
  context->confirmed.landlock_scoped = static_cast<std::uint32_t>(plan.landlock_scoped);
}

}  // namespace cloister::child
