// Carries bytes between the master side of a cell's terminal and a socket.
//
// libuv cannot be handed the master itself: it writes to it blocking, so that a program that does
// not read would stop the event loop, and it takes the last close of the slave for the end of the
// output although more than one read's worth (4096 bytes) may be waiting. A socket has neither
// problem.

#ifndef CLOISTER_BINDING_TERMINAL_RELAY_H_
#define CLOISTER_BINDING_TERMINAL_RELAY_H_

#include <cstdint>
#include <memory>
#include <mutex>

#include "native/base/unique_fd.h"

namespace cloister::binding {

class TerminalRelay {
 public:
  // Runs in a thread of its own until either side is closed. A socket that is closed first hangs
  // the terminal up. Null when the thread could not be started.
  static std::shared_ptr<TerminalRelay> Start(UniqueFd master, UniqueFd socket);

  TerminalRelay(UniqueFd master, UniqueFd socket);

  // False when the terminal is closed.
  bool Resize(std::uint16_t columns, std::uint16_t rows);

 private:
  // Bytes that were read on one side and wait for room on the other.
  struct Waiting {
    char bytes[16 * 1024];
    std::size_t start = 0;
    std::size_t end = 0;

    [[nodiscard]] bool Empty() const { return start == end; }
  };

  static void* ThreadMain(void* argument);
  void Run();
  // False when the other side of the socket is gone.
  bool Step();
  void ReadTyped();
  void TypeEndOfFile();
  void WriteTyped();
  void ReadOutput();
  bool WriteOutput();

  std::mutex master_mutex_;
  UniqueFd master_;
  UniqueFd socket_;
  Waiting typed_;
  Waiting output_;
  char last_typed_ = '\n';
  bool typing_over_ = false;
  bool output_over_ = false;
};

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_TERMINAL_RELAY_H_
