#include "native/child/entry.h"

#include <cerrno>

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

// Waits here for as long as the cell is a spare one. End of file: the launcher is gone, or has no
// use for it.
bool AwaitPreparation(Context* context) noexcept {
  wire::PrepareMessage message = {};
  const long count = sys::Read(context->channel, &message, sizeof(message));
  if (count == 0) {
    sys::Exit(0);
  }
  Check(*context, Stage::k_clone, count, "read", "channel");
  if (count != sizeof(message)) {
    Fail(*context, Stage::k_clone, EPROTO, "read", "channel");
  }
  context->preparation = message.preparation;
  return message.ahead != 0;
}

}  // namespace

void RunCell(const Facts& facts, int channel) noexcept {
  static Context context;  // too large for a comfortable stack
  context.facts = facts;
  context.channel = channel;
  context.terminal_master = -1;
  context.pantry = -1;
  CloseForeign(context);
  const bool ahead = AwaitPreparation(&context);
  EnterIds(&context);
  if (ahead) {
    BuildStandardMounts(&context);
    SetUpNetwork(&context);
  }
  ReceivePlan(&context);
  BuildMounts(&context);
  if (!ahead) {
    SetUpNetwork(&context);
  }
  DropPrivileges(&context);
  EnterLandlock(&context);
  PlaceStdio(&context);
  SetLimits(&context);
  RunInit(&context);
}

}  // namespace cloister::child
