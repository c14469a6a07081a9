#include "native/binding/watcher.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "native/binding/launcher_process.h"

namespace cloister::binding {

namespace {

Failure FilterFailure(const char* syscall) {
  return {Stage::k_filter, errno, syscall, ""};
}

bool SendRequest(int socket, const wire::WatchRequest& request, int events) {
  iovec part = {const_cast<wire::WatchRequest*>(&request), sizeof(request)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &events, sizeof(int));
  return sendmsg(socket, &message, MSG_NOSIGNAL) == sizeof(request);
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
  // Its end shows nowhere: no signal, no wait for any child. It ends after this process.
  Result<UniqueFd> process =
      StartLauncherProcess({launcher_path.c_str(), "watch", theirs.Get(), -1, null_device.Get()});
  if (!process.Ok()) {
    return process.Error();
  }
  if (!SendRequest(watcher.socket.Get(), request, writing.Get())) {
    return FilterFailure("sendmsg");
  }
  return watcher;
}

}  // namespace cloister::binding
