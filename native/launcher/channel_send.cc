#include "native/launcher/channel_send.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "native/wire/child_messages.h"

namespace cloister::launcher {

namespace {

// How long a new process may take to read what is sent to it before the cell is given up: it does
// nothing else.
constexpr int kPatienceMs = 2000;

}  // namespace

std::optional<Failure> SendToCell(int channel, const iovec* parts, std::size_t count,
                                  const std::vector<int>& fds) {
  std::vector<std::uint8_t> control(fds.empty() ? 0 : CMSG_SPACE(fds.size() * sizeof(int)));
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  while (sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    pollfd room = {channel, POLLOUT, 0};
    if ((errno != EAGAIN && errno != EINTR) || poll(&room, 1, kPatienceMs) == 0) {
      return Failure{Stage::k_clone, errno, "sendmsg", "channel"};
    }
  }
  return std::nullopt;
}

std::optional<Failure> SendTrees(int channel, const std::vector<UniqueFd>& trees) {
  wire::TreesMessage message = {};
  std::vector<int> fds;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    if (trees[i].Valid()) {
      message.operation[message.count++] = static_cast<std::uint32_t>(i);
      fds.push_back(trees[i].Get());
    }
    if (message.count == wire::kTreesPerMessage || (i + 1 == trees.size() && message.count > 0)) {
      const iovec part = {&message, sizeof(message)};
      if (std::optional<Failure> failure = SendToCell(channel, &part, 1, fds)) {
        return failure;
      }
      message = {};
      fds.clear();
    }
  }
  return std::nullopt;
}

std::uint32_t CountTrees(const std::vector<UniqueFd>& trees) {
  return static_cast<std::uint32_t>(
      std::count_if(trees.begin(), trees.end(), [](const UniqueFd& fd) { return fd.Valid(); }));
}

}  // namespace cloister::launcher
