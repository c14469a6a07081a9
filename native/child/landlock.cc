// Stage landlock.

#include "native/landlock/rights.h"

#include <sys/stat.h>

#include <cerrno>

#include "native/child/context.h"
#include "native/landlock/ruleset.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_landlock;

// The paths are those of the cell: it stands in its new root by now.
void GrantPath(const Context& context, int ruleset, const plan::PathGrant& grant) noexcept {
  const int fd = static_cast<int>(
      Check(context, kStage, landlock::OpenForRule(grant.path), "openat", grant.path));
  std::uint64_t rights = grant.rights;
  struct stat status = {};
  Check(context, kStage,
        sys::Call(SYS_newfstatat, fd, sys::Arg(""), sys::Arg(&status), AT_EMPTY_PATH), "newfstatat",
        grant.path);
  if (!S_ISDIR(status.st_mode)) {
    rights &= landlock::FileRights();
  }
  // Nothing is left for a file when the rights concern directories alone: no rule is what it gets.
  if (rights != 0) {
    Check(context, kStage, landlock::AddPath(ruleset, fd, rights), "landlock_add_rule", grant.path);
  }
  sys::Close(fd);
}

}  // namespace

void EnterLandlock(Context* context) noexcept {
  const plan::Plan& plan = context->plan;
  if (!plan.landlock) {
    return;
  }
  const long abi = Check(*context, kStage, landlock::Abi(), "landlock_create_ruleset", "version");
  const landlock::Rights handled = {plan.landlock_fs, plan.landlock_net, plan.landlock_scoped};
  // The plan was made for this kernel. Should it know less, the cell would be wider than asked.
  if (landlock::Downgrade(handled, static_cast<int>(abi)).missing != landlock::Rights{}) {
    Fail(*context, kStage, EOPNOTSUPP, "landlock_create_ruleset", "rights");
  }
  const int ruleset = static_cast<int>(
      Check(*context, kStage, landlock::Create(handled), "landlock_create_ruleset", ""));
  for (std::size_t i = 0; i < plan.landlock_paths.size; ++i) {
    GrantPath(*context, ruleset, plan.landlock_paths[i]);
  }
  for (std::size_t i = 0; i < plan.landlock_ports.size; ++i) {
    const plan::PortGrant& grant = plan.landlock_ports[i];
    Check(*context, kStage, landlock::AddPort(ruleset, grant.port, grant.rights),
          "landlock_add_rule", "port");
  }
  Check(*context, kStage, landlock::Restrict(ruleset, 0), "landlock_restrict_self", "");
  sys::Close(ruleset);
  context->confirmed.landlock_abi = static_cast<std::uint32_t>(abi);
  context->confirmed.landlock_fs = plan.landlock_fs;
  context->confirmed.landlock_net = plan.landlock_net;
  context->confirmed.landlock_scoped = plan.landlock_scoped;
}

}  // namespace cloister::child
