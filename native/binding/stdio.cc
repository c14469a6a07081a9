#include "native/binding/stdio.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "native/wire/messages.h"

namespace cloister::binding {

namespace {

Failure StdioFailure(int error, const char* syscall, std::string detail = {}) {
  return {Stage::k_clone, error, syscall, std::move(detail)};
}

// A descriptor that the caller shares. Programs do not expect a non-blocking standard descriptor,
// and the flag belongs to the open file, so that it would reach them; child_process does the same.
std::optional<Failure> Share(int fd, std::size_t position, Stdio* stdio) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) {
    return StdioFailure(errno, "fcntl", "descriptor " + std::to_string(fd));
  }
  if (position < 3 && (flags & O_NONBLOCK) != 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return StdioFailure(errno, "fcntl", "descriptor " + std::to_string(fd));
  }
  stdio->for_cell.push_back(fd);
  stdio->ours.emplace_back();
  return std::nullopt;
}

void Keep(int ours, int theirs, Stdio* stdio) {
  stdio->ours.emplace_back(ours);
  stdio->theirs.emplace_back(theirs);
  stdio->for_cell.push_back(theirs);
}

// A pipe belongs to the caller, with mode 0600. The cell of a root caller runs on another uid and
// could not open /dev/stdout. Only who may look into /proc/PID/fd of a process that has the pipe
// finds it there (proc(5)), so that the mode is not what keeps others away.
std::optional<Failure> MayBeReopened(int pipe) {
  if (geteuid() == 0 && fchmod(pipe, 0666) != 0) {
    return StdioFailure(errno, "fchmod");
  }
  return std::nullopt;
}

// One socket for all entries of the terminal; this process's end goes with the first.
std::optional<Failure> AddTerminal(std::size_t position, Stdio* stdio) {
  if (position > 2) {
    return StdioFailure(EINVAL, "decode", "stdio");
  }
  stdio->terminal_mask |= 1U << position;
  if (stdio->terminal.Valid()) {
    stdio->ours.emplace_back();
    return std::nullopt;
  }
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return StdioFailure(errno, "socketpair");
  }
  stdio->ours.emplace_back(ends[0]);
  stdio->terminal.Reset(ends[1]);
  return std::nullopt;
}

std::optional<Failure> Add(int entry, std::size_t position, int null_device, Stdio* stdio) {
  int ends[2] = {-1, -1};
  switch (entry) {
    case kIgnore:
      stdio->for_cell.push_back(null_device);
      stdio->ours.emplace_back();
      return std::nullopt;
    case kPipeToCell:
    case kPipeFromCell:
      if (pipe2(ends, O_CLOEXEC) != 0) {
        return StdioFailure(errno, "pipe2");
      }
      entry == kPipeToCell ? Keep(ends[1], ends[0], stdio) : Keep(ends[0], ends[1], stdio);
      return MayBeReopened(ends[0]);
    case kDuplex:
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return StdioFailure(errno, "socketpair");
      }
      Keep(ends[0], ends[1], stdio);
      return std::nullopt;
    case kTerminal:
      return AddTerminal(position, stdio);
    default:
      return entry >= 0 ? Share(entry, position, stdio) : StdioFailure(EINVAL, "decode", "stdio");
  }
}

}  // namespace

Result<Stdio> MakeStdio(std::span<const int> entries, int null_device) {
  Stdio stdio;
  if (entries.size() > wire::kStdioLimit) {
    return StdioFailure(EMFILE, "sendmsg", std::to_string(entries.size()) + " descriptors");
  }
  stdio.for_cell.reserve(entries.size());
  stdio.ours.reserve(entries.size());
  stdio.theirs.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (std::optional<Failure> failure = Add(entries[i], i, null_device, &stdio)) {
      return *std::move(failure);
    }
  }
  return stdio;
}

}  // namespace cloister::binding
