// The launcher's side of a cell's filter: it is asked about each call that the policy forbids
// (seccomp_unotify(2)), and the call waits for the answer.

#ifndef CLOISTER_LAUNCHER_LISTENER_H_
#define CLOISTER_LAUNCHER_LISTENER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "native/base/unique_fd.h"
#include "native/linux/uapi.h"
#include "native/plan/plan.h"
#include "native/wire/messages.h"

namespace cloister::launcher {

using uapi::SeccompNotification;

enum class Judgement {
  kPass,       // no violation, and the kernel decides
  kDoWithout,  // no violation, and refused: the caller has another way
  kViolation,
};

class Listener {
 public:
  explicit Listener(const plan::Plan& plan);

  // There is no command to come that would be executed under the filter.
  void CommandRuns() { command_executed_ = true; }
  void Attach(UniqueFd fd) { fd_ = std::move(fd); }
  [[nodiscard]] int Fd() const { return fd_.Get(); }
  [[nodiscard]] plan::ViolationAnswer Answer() const { return answer_; }

  // A call that waits, or nothing. Never waits itself.
  std::optional<SeccompNotification> Next();
  // `path`: of the call's path argument, as far as it has one that can be read.
  Judgement Judge(const SeccompNotification& call, const std::string& path);
  // What the call's path argument leads to. Another thread may change it at once: nothing is
  // allowed because of it that nobody else would refuse.
  [[nodiscard]] std::string ReadPath(const SeccompNotification& call) const;

  void Pass(const SeccompNotification& call) const;
  void Refuse(const SeccompNotification& call, int error) const;

  // Violations so far.
  [[nodiscard]] std::uint64_t Count() const { return count_; }
  // One more; whether it is one of those that are told.
  bool CountOne() { return count_++ < wire::kViolationsTold; }

  // The line for the program's standard error.
  [[nodiscard]] std::string Line(const SeccompNotification& call) const;

 private:
  // `path`: absolute and normalized, or empty.
  [[nodiscard]] bool IsReadable(const std::string& path) const;

  UniqueFd fd_;
  plan::ViolationAnswer answer_;
  bool promises_;
  std::vector<std::string> readable_;
  std::vector<std::uint8_t> descriptions_;
  // The command itself is executed under its own filter.
  bool command_executed_ = false;
  std::uint64_t count_ = 0;
};

wire::ViolationEvent MakeViolationEvent(std::uint64_t cell, const SeccompNotification& call,
                                        const std::string& path);

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_LISTENER_H_
