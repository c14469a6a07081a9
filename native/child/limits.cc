// Stage limits: resource limits.

#include <sys/resource.h>

#include "native/child/context.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

void SetLimit(const Context& context, const plan::ResourceLimit& limit) noexcept {
  struct {
    std::uint64_t soft;
    std::uint64_t hard;
  } values = {};
  Check(context, Stage::k_limits, sys::Call(SYS_prlimit64, 0, limit.resource, 0, sys::Arg(&values)),
        "prlimit", "");
  // Only ever lowered: raising a hard limit needs a privilege on the host, which is gone.
  values.hard = limit.value < values.hard ? limit.value : values.hard;
  values.soft = values.hard;
  Check(context, Stage::k_limits, sys::Call(SYS_prlimit64, 0, limit.resource, sys::Arg(&values), 0),
        "prlimit", "");
}

void SetLimits(Context* context) noexcept {
  for (std::size_t i = 0; i < context->plan.limits.size; ++i) {
    if (context->plan.limits[i].resource != RLIMIT_NOFILE) {
      SetLimit(*context, context->plan.limits[i]);
    }
  }
}

}  // namespace cloister::child
