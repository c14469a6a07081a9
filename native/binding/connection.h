// One launcher and the socket to it. Requests go out without waiting, or into a queue; what comes
// in is read by the watcher thread.

#ifndef CLOISTER_BINDING_CONNECTION_H_
#define CLOISTER_BINDING_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "native/base/unique_fd.h"
#include "native/binding/cell_event.h"
#include "native/plan/result.h"
#include "native/wire/messages.h"

namespace cloister::binding {

// A packet to the launcher. The descriptors are borrowed while it is tried, owned once it is
// queued.
struct Packet {
  std::span<const std::uint8_t> head;
  std::span<const std::uint8_t> body;
  std::span<const int> descriptors;
};

class Connection {
 public:
  // Starts the launcher's program.
  static Result<std::unique_ptr<Connection>> Open(const std::string& launcher_path,
                                                  int null_device);

  // Sends the packet, or queues it when the socket is full or others wait already. EPIPE: the
  // launcher is gone.
  std::optional<Failure> Send(const Packet& packet);
  // Sends what is queued as far as there is room. A request that cannot be sent is taken out and
  // returned: call again.
  struct Rejected {
    wire::Header header;
    Failure failure;
  };
  std::optional<Rejected> Flush();
  [[nodiscard]] bool HasQueued() const { return !queue_.empty(); }

  enum class Received { kEvent, kNothing, kLost };
  // For the watcher thread only.
  Received Receive(std::unique_ptr<CellEvent>* event);

  // Blocks until there is something to receive, room for what is queued, a Wake() or the end of the
  // launcher. True at the end of the launcher.
  bool Wait(bool want_room) const;
  // Whether this descriptor is the socket to the launcher, or a copy of it.
  [[nodiscard]] bool IsSocket(int fd) const;

  // Makes Wait() return.
  void Wake() const;

  // Ends the launcher from another thread than the watcher, which sees the end and does the rest.
  void Abandon() const;

  // Ends the launcher, if it has not ended, and reaps it. Its cells end with it.
  void Close();

 private:
  struct Queued {
    std::vector<std::uint8_t> bytes;
    std::vector<UniqueFd> descriptors;
  };

  // 0, or an error number.
  int Transmit(const Packet& packet) const;
  std::optional<Failure> Enqueue(const Packet& packet);

  UniqueFd socket_;
  UniqueFd wake_;
  UniqueFd process_;
  std::deque<Queued> queue_;
};

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_CONNECTION_H_
