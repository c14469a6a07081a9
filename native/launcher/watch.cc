#include "native/launcher/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "native/launcher/listener.h"
#include "native/launcher/packet.h"
#include "native/wire/messages.h"

namespace cloister::launcher {

namespace {

// Waits for a packet with one descriptor.
bool Await(int socket, void* message, std::size_t size, UniqueFd* descriptor) {
  Packet packet;
  Received received = Received::kNothing;
  while (received == Received::kNothing) {
    pollfd waiting = {socket, POLLIN, 0};
    if (poll(&waiting, 1, -1) < 0 && errno != EINTR) {
      return false;
    }
    received = Receive(socket, static_cast<std::uint8_t*>(message), size, &packet);
  }
  if (received != Received::kPacket || packet.size != size || packet.fds.size() != 1) {
    return false;
  }
  *descriptor = std::move(packet.fds[0]);
  return true;
}

void Answer(Listener* listener, const SeccompNotification& call, int events) {
  const std::string path = listener->ReadPath(call);
  const bool log = listener->Answer() == plan::ViolationAnswer::kLog;
  const Judgement judgement = listener->Judge(call, path);
  if (judgement == Judgement::kViolation) {
    const wire::ViolationEvent event = MakeViolationEvent(0, call, path);
    // A pipe takes this much whole or not at all. Full: whoever listens is behind, and the call
    // that waits is more urgent.
    [[maybe_unused]] const ssize_t written = write(events, &event, sizeof(event));
  }
  if (log || judgement == Judgement::kPass) {
    listener->Pass(call);
  } else {
    listener->Refuse(call, judgement == Judgement::kViolation ? EPERM : EACCES);
  }
}

}  // namespace

int Watch(int socket) {
  wire::WatchRequest request = {};
  UniqueFd events;
  if (!Await(socket, &request, sizeof(request), &events) || request.version != wire::kVersion ||
      request.log > 1) {
    return 1;
  }
  const int flags = fcntl(events.Get(), F_GETFL);
  if (flags < 0 || fcntl(events.Get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return 1;  // it would hold up the calls that it is asked about
  }
  char byte = 0;
  UniqueFd asking;
  if (!Await(socket, &byte, sizeof(byte), &asking)) {
    return 0;  // nothing was restricted
  }
  plan::Plan plan;
  plan.violation_answer =
      request.log == 1 ? plan::ViolationAnswer::kLog : plan::ViolationAnswer::kError;
  plan.promises = request.promises == 1;
  Listener listener(plan);
  listener.CommandRuns();
  listener.Attach(std::move(asking));
  for (;;) {
    pollfd waiting = {listener.Fd(), POLLIN, 0};
    if (poll(&waiting, 1, -1) < 0 && errno != EINTR) {
      return 1;
    }
    if (const std::optional<SeccompNotification> call = listener.Next()) {
      Answer(&listener, *call, events.Get());
    } else if ((waiting.revents & (POLLHUP | POLLERR)) != 0) {
      return 0;
    }
  }
}

}  // namespace cloister::launcher
