#include "native/launcher/outbox.h"

#include <cerrno>

#include "native/launcher/packet.h"

namespace cloister::launcher {

Outbox::State Outbox::Flush(int socket) {
  while (!packets_.empty()) {
    const Packet& packet = packets_.front();
    const int error = SendPacket(socket, packet.bytes.data(), packet.bytes.size(), packet.fd.Get());
    if (error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM) {
      return State::kBlocked;
    }
    if (error != 0) {
      return State::kBroken;
    }
    packets_.pop_front();
  }
  return State::kEmpty;
}

}  // namespace cloister::launcher
