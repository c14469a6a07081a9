#include "native/child/entry.h"

#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

// The process has copies of everything the launcher holds: other cells' channels and processes, the connection to Node. They go before
// anything else can fail, or a stuck cell would keep another cell's pipes open.
void CloseForeign(const Context& context) noexcept {
  unsigned next = 0;
  for (std::size_t i = 0; i < context.kept_count; ++i) {
    const unsigned kept = static_cast<unsigned>(context.kept[i]);
    if (kept > next) {
      Check(context, Stage::k_clone, sys::CloseRange(next, kept - 1), "close_range", "");
    }
    next = kept + 1;
  }
  Check(context, Stage::k_clone, sys::CloseRange(next, ~0U), "close_range", "");
}

}  // namespace

void RunCell(Context* context) noexcept {
  CloseForeign(*context);
  EnterIds(context);
  BuildMounts(context);
  SetUpNetwork(context);
  DropPrivileges(context);
  EnterLandlock(context);
  PlaceStdio(context);
  SetLimits(context);
  RunInit(context);
}

}  // namespace cloister::child
