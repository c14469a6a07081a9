#include <sys/socket.h>

#include "native/child/context.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

void Fail(const Context& context, Stage stage, long error, const char* syscall,
          const char* detail) noexcept {
  wire::ChildReport own = {};
  wire::ChildReport& report = context.failure != nullptr ? *context.failure : own;
  report.kind = wire::ReportKind::kFailed;
  report.stage = static_cast<std::uint32_t>(stage);
  report.error = static_cast<std::int32_t>(error);
  CopyText(report.syscall, sizeof(report.syscall), syscall);
  CopyText(report.detail, sizeof(report.detail), detail);
  if (context.failure != nullptr) {
    sys::Exit(127);
  }
  // A launcher that is gone cannot be told; this process ends either way, and end of file without a
  // report is a failure as well.
  sys::Call(SYS_sendto, context.channel, sys::Arg(&report), sizeof(report), MSG_NOSIGNAL);
  sys::Exit(1);
}

}  // namespace cloister::child
