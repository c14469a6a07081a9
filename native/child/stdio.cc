// Stage stdio: the command's descriptors 0 to n, and its terminal where it gets one.

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "native/child/context.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_stdio;

// A copy above the numbers that the command will own.
int MoveUp(const Context& context, int fd) noexcept {
  return static_cast<int>(Check(
      context, kStage, sys::Fcntl(fd, F_DUPFD_CLOEXEC, static_cast<long>(context.stdio_count)),
      "fcntl", "F_DUPFD_CLOEXEC"));
}

// The terminal comes from the devpts in sight, the cell's own where it has one, so that ttyname(3)
// finds it. TIOCGPTPEER (4.13) opens the slave without a path.
int OpenTerminal(Context* context) noexcept {
  const long master = sys::Openat(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  Check(*context, kStage, master, "open", "/dev/ptmx");
  context->terminal_master = static_cast<int>(master);
  int locked = 0;
  Check(*context, kStage, sys::Ioctl(context->terminal_master, TIOCSPTLCK, &locked), "ioctl",
        "TIOCSPTLCK");
  winsize size = {};
  size.ws_col = context->plan.columns;
  size.ws_row = context->plan.rows;
  Check(*context, kStage, sys::Ioctl(context->terminal_master, TIOCSWINSZ, &size), "ioctl",
        "TIOCSWINSZ");
  const long slave = sys::Call(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return static_cast<int>(Check(*context, kStage, slave, "ioctl", "TIOCGPTPEER"));
}

void CloseExcept(const Context& context, int low, int high) noexcept {
  const unsigned first = static_cast<unsigned>(context.stdio_count);
  unsigned next = first;
  const int ends[] = {low, high};
  for (const int kept : ends) {
    if (kept < 0) {
      continue;
    }
    if (static_cast<unsigned>(kept) > next) {
      Check(context, kStage, sys::CloseRange(next, static_cast<unsigned>(kept) - 1), "close_range",
            "");
    }
    next = static_cast<unsigned>(kept) + 1;
  }
  Check(context, kStage, sys::CloseRange(next, ~0U), "close_range", "");
}

}  // namespace

void PlaceStdio(Context* context) noexcept {
  int sources[wire::kStdioLimit] = {};
  // All sources up first: a dup3(2) onto a low number would close another source, or the channel.
  context->channel = MoveUp(*context, context->channel);
  int slave = -1;
  if (context->plan.terminal) {
    slave = MoveUp(*context, OpenTerminal(context));
    context->terminal_master = MoveUp(*context, context->terminal_master);
  }
  for (std::size_t i = 0; i < context->stdio_count; ++i) {
    const int source = context->stdio[i];
    sources[i] = source >= 0 ? MoveUp(*context, source) : slave;
    if (sources[i] < 0) {
      Fail(*context, kStage, EBADF, "dup3", "");
    }
  }
  for (std::size_t i = 0; i < context->stdio_count; ++i) {
    Check(*context, kStage, sys::Call(SYS_dup3, sources[i], static_cast<long>(i), 0), "dup3", "");
  }
  for (std::size_t i = 0; i < context->stdio_count; ++i) {
    context->stdio[i] = static_cast<int>(i);
  }
  const int master = context->terminal_master;
  const int channel = context->channel;
  CloseExcept(*context, master >= 0 && master < channel ? master : channel,
              master > channel ? master : channel);
}

}  // namespace cloister::child
