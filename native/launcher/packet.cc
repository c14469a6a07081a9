#include "native/launcher/packet.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "native/wire/descriptor_message.h"
#include "native/wire/messages.h"

namespace cloister::launcher {

Received Receive(int socket, std::uint8_t* buffer, std::size_t capacity, Packet* packet) {
  alignas(cmsghdr) char
      control[CMSG_SPACE((wire::kStdioLimit + 1) * sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
  iovec part = {buffer, capacity};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t count = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count < 0) {
    return errno == EAGAIN || errno == EINTR ? Received::kNothing : Received::kBroken;
  }
  // Whatever arrived has an owner before anything is judged.
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
      ucred sender = {};
      std::memcpy(&sender, CMSG_DATA(header), sizeof(sender));
      // Number 0: it was sent before the socket asked, and tells nothing.
      if (sender.pid != 0) {
        packet->sender = sender;
      }
      continue;
    }
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < fds; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      packet->fds.emplace_back(fd);
    }
  }
  if (count == 0) {
    return Received::kClosed;
  }
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    return Received::kBroken;
  }
  packet->size = static_cast<std::size_t>(count);
  packet->fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  return Received::kPacket;
}

int SendPacket(int socket, const void* data, std::size_t size, int fd) {
  const wire::DescriptorMessage message(data, size, fd);
  // A packet of this kind of socket is sent whole or not at all.
  return sendmsg(socket, message.Get(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

}  // namespace cloister::launcher
