#include "native/binding/watcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "native/binding/launcher_process.h"
#include "native/linux/syscalls.h"
#include "native/wire/descriptor_message.h"

namespace cloister::binding {

namespace {

Failure FilterFailure(const char* syscall) {
  return {Stage::k_filter, errno, syscall, ""};
}

bool SendRequest(int socket, const wire::WatchRequest& request, int events) {
  const wire::DescriptorMessage message(&request, sizeof(request), events);
  return sendmsg(socket, message.Get(), MSG_NOSIGNAL) == sizeof(request);
}

}  // namespace

Result<Watcher> StartWatcher(const std::string& launcher_path, const wire::WatchRequest& request) {
  int sockets[2] = {-1, -1};
  int pipes[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return FilterFailure("socketpair");
  }
  Watcher watcher;
  watcher.socket.Reset(sockets[0]);
  const UniqueFd theirs(sockets[1]);
  if (pipe2(pipes, O_CLOEXEC) != 0) {
    return FilterFailure("pipe2");
  }
  watcher.events.Reset(pipes[0]);
  const UniqueFd writing(pipes[1]);
  const UniqueFd null_device(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_device.Valid()) {
    return FilterFailure("open");
  }
  // Its end shows nowhere: no signal, no wait for any child.
  Result<UniqueFd> process =
      StartLauncherProcess({launcher_path.c_str(), "watch", theirs.Get(), -1, null_device.Get()});
  if (!process.Ok()) {
    return process.Error();
  }
  if (!SendRequest(watcher.socket.Get(), request, writing.Get())) {
    const Failure failure = FilterFailure("sendmsg");
    EndWatcher(std::move(process.Value()));
    return failure;
  }
  watcher.process = std::move(process.Value());
  return watcher;
}

void EndWatcher(UniqueFd process) {
  sys::PidfdSendSignal(process.Get(), SIGKILL);
  ReapLauncherProcess(process);
}

}  // namespace cloister::binding
