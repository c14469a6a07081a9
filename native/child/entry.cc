#include "native/child/entry.h"

#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

// The process has copies of everything the launcher holds: other cells' channels and processes, the
// connection to Node. They go before anything else can fail, or a stuck cell would keep another
// cell's pipes open.
void CloseForeign(const Context& context) noexcept {
  const unsigned channel = static_cast<unsigned>(context.channel);
  if (channel > 0) {
    Check(context, Stage::k_clone, sys::CloseRange(0, channel - 1), "close_range", "");
  }
  Check(context, Stage::k_clone, sys::CloseRange(channel + 1, ~0U), "close_range", "");
}

}  // namespace

void RunCell(const Facts& facts, int channel) noexcept {
  // Too large for a comfortable stack; initialized by the compiler, so that no lock guards it.
  static constinit Context context = {};
  context.facts = facts;
  context.channel = channel;
  context.terminal_master = -1;
  context.pantry = -1;
  context.queues = -1;
  CloseForeign(context);
  ReceivePreparation(&context);
  EnterIds(&context);
  if (context.ahead) {
    BuildStandardMounts(&context);
    SetUpNetwork(&context);
    OpenQueues(&context);
  }
  if (context.mounts_ahead) {
    BuildTree(&context);
  }
  ReceivePlan(&context);
  if (context.plan.HasOwnTree()) {
    if (!context.mounts_ahead) {
      BuildTree(&context);
    }
    EnterTree(&context);
  }
  if (!context.ahead) {
    SetUpNetwork(&context);
    OpenQueues(&context);
  }
  ChangeIds(&context);
  DropPrivileges(&context);
  if (!context.plan.NeedsKeeper()) {
    EnterLandlock(&context);
  }
  PlaceStdio(&context);
  SetLimits(&context);
  RunInit(&context);
}

}  // namespace cloister::child
