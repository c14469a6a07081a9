// Stage network: the loopback interface of the cell's own network namespace, and the host name.

#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/socket.h>

#include "native/child/context.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

void SetUpNetwork(Context* context) noexcept {
  constexpr Stage kStage = Stage::k_network;
  const wire::Preparation& wanted = context->preparation;
  const std::size_t length = TextLength(wanted.hostname);
  if (length > 0) {
    Check(*context, kStage,
          sys::Call(SYS_sethostname, sys::Arg(wanted.hostname), static_cast<long>(length)),
          "sethostname", wanted.hostname);
  }
  if (wanted.loopback == 0) {
    return;
  }
  const int fd = static_cast<int>(
      Check(*context, kStage, sys::Call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
            "socket", ""));
  ifreq request = {};
  CopyText(request.ifr_name, sizeof(request.ifr_name), "lo");
  request.ifr_flags = IFF_UP;
  Check(*context, kStage, sys::Ioctl(fd, SIOCSIFFLAGS, &request), "ioctl", "SIOCSIFFLAGS lo");
  sys::Close(fd);
}

}  // namespace cloister::child
