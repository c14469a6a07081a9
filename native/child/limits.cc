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
  // A limit of 0 keeps the kernel from writing a core file, not from starting the program that
  // core_pattern names: the host's, as root, with an image of the cell's making. 1 keeps it from
  // both (core(5), "Piping core dumps to a program"; no core file is that small).
  const bool no_core = limit.resource == RLIMIT_CORE && limit.value == 0;
  const std::uint64_t value = no_core ? 1 : limit.value;
  // Only ever lowered: raising a hard limit needs a privilege on the host, which is gone.
  values.hard = value < values.hard ? value : values.hard;
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
