#include "native/binding/terminal_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "native/binding/quiet_thread.h"

namespace cloister::binding {

namespace {

constexpr char kEndOfTransmission = 4;

bool SetNonBlocking(const UniqueFd& fd) {
  const int flags = fcntl(fd.Get(), F_GETFL);
  return flags >= 0 && fcntl(fd.Get(), F_SETFL, flags | O_NONBLOCK) == 0;
}

bool IsTransient(int error) {
  return error == EAGAIN || error == EINTR;
}

}  // namespace

std::shared_ptr<TerminalRelay> TerminalRelay::Start(UniqueFd master, UniqueFd socket) {
  if (!SetNonBlocking(master) || !SetNonBlocking(socket)) {
    return nullptr;
  }
  auto relay = std::make_shared<TerminalRelay>(std::move(master), std::move(socket));
  auto argument = std::make_unique<std::shared_ptr<TerminalRelay>>(relay);
  if (StartQuietThread(ThreadMain, argument.get()) != 0) {
    return nullptr;
  }
  [[maybe_unused]] const auto* const owned_by_thread = argument.release();
  return relay;
}

TerminalRelay::TerminalRelay(UniqueFd master, UniqueFd socket)
    : master_(std::move(master)), socket_(std::move(socket)) {}

bool TerminalRelay::Resize(std::uint16_t columns, std::uint16_t rows) {
  const std::lock_guard<std::mutex> lock(master_mutex_);
  winsize size = {};
  size.ws_col = columns;
  size.ws_row = rows;
  return master_.Valid() && ioctl(master_.Get(), TIOCSWINSZ, &size) == 0;
}

void* TerminalRelay::ThreadMain(void* argument) {
  const std::unique_ptr<std::shared_ptr<TerminalRelay>> relay(
      static_cast<std::shared_ptr<TerminalRelay>*>(argument));
  NameThread("cloister-tty");
  (*relay)->Run();
  return nullptr;
}

void TerminalRelay::Run() {
  while (Step()) {
  }
  // After the last output the master stays open until the cell is forgotten: closing it hangs the
  // terminal up, and a program that closes its descriptors before it exits would still be hit by
  // SIGHUP.
  socket_.Reset();
  if (!output_over_) {
    const std::lock_guard<std::mutex> lock(master_mutex_);
    master_.Reset();
  }
}

bool TerminalRelay::Step() {
  if (output_over_ && output_.Empty()) {
    return false;
  }
  const bool want_typed = typed_.Empty() && !typing_over_;
  const bool want_output = output_.Empty() && !output_over_;
  pollfd watched[2] = {{socket_.Get(), 0, 0}, {master_.Get(), 0, 0}};
  watched[0].events =
      static_cast<short>((want_typed ? POLLIN : 0) | (output_.Empty() ? 0 : POLLOUT));
  watched[1].events =
      static_cast<short>((want_output ? POLLIN : 0) | (typed_.Empty() ? 0 : POLLOUT));
  if (watched[1].events == 0) {
    // A master without a slave is always ready to say so.
    watched[1].fd = -1;
  }
  if (poll(watched, 2, -1) < 0) {
    return errno == EINTR;
  }
  // Both directions of the socket are closed: nobody reads the terminal any more.
  if ((watched[0].revents & (POLLHUP | POLLERR)) != 0) {
    return false;
  }
  if ((watched[0].revents & POLLIN) != 0) {
    ReadTyped();
  }
  if (!typed_.Empty()) {
    WriteTyped();
  }
  if (want_output && watched[1].revents != 0) {
    ReadOutput();
  }
  return output_.Empty() || WriteOutput();
}

void TerminalRelay::ReadTyped() {
  const ssize_t count = read(socket_.Get(), typed_.bytes, sizeof(typed_.bytes));
  if (count > 0) {
    typed_.start = 0;
    typed_.end = static_cast<std::size_t>(count);
    last_typed_ = typed_.bytes[count - 1];
  } else if (count == 0 || !IsTransient(errno)) {
    TypeEndOfFile();
  }
}

// A terminal has no half-closed state: its end of file is a character that is typed (termios(3),
// VEOF).
void TerminalRelay::TypeEndOfFile() {
  typing_over_ = true;
  termios modes = {};
  char end = kEndOfTransmission;
  bool twice = false;
  if (tcgetattr(master_.Get(), &modes) == 0) {
    if (modes.c_cc[VEOF] != _POSIX_VDISABLE) {
      end = static_cast<char>(modes.c_cc[VEOF]);
    }
    // In the middle of a line the first one only hands over the line so far.
    twice = (modes.c_lflag & ICANON) != 0 && last_typed_ != '\n';
  }
  typed_.bytes[0] = end;
  typed_.bytes[1] = end;
  typed_.start = 0;
  typed_.end = twice ? 2 : 1;
}

void TerminalRelay::WriteTyped() {
  const ssize_t count =
      write(master_.Get(), typed_.bytes + typed_.start, typed_.end - typed_.start);
  if (count >= 0) {
    typed_.start += static_cast<std::size_t>(count);
  } else if (!IsTransient(errno)) {
    // EIO: no process has the other side open any more.
    typed_.start = typed_.end;
  }
}

void TerminalRelay::ReadOutput() {
  const ssize_t count = read(master_.Get(), output_.bytes, sizeof(output_.bytes));
  if (count > 0) {
    output_.start = 0;
    output_.end = static_cast<std::size_t>(count);
  } else if (count == 0 || !IsTransient(errno)) {
    // EIO once everything was read and no process has the other side open (pty(7)).
    output_over_ = true;
  }
}

bool TerminalRelay::WriteOutput() {
  const ssize_t count =
      send(socket_.Get(), output_.bytes + output_.start, output_.end - output_.start, MSG_NOSIGNAL);
  if (count >= 0) {
    output_.start += static_cast<std::size_t>(count);
    return true;
  }
  return IsTransient(errno);
}

}  // namespace cloister::binding
