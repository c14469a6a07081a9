#include "native/binding/enter_binding.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "native/binding/convert.h"
#include "native/binding/sealed_copy.h"
#include "native/linux/syscalls.h"
#include "native/wire/proof.h"

namespace cloister::binding {

namespace {

Failure EnterFailure(int error, const char* syscall, std::string detail) {
  return {Stage::k_clone, error, syscall, std::move(detail)};
}

// Keeps descriptors over an execve(2), and takes that back when there was none.
class Inherited {
 public:
  explicit Inherited(const std::array<int, 5>& fds) : fds_(fds) {
    for (std::size_t i = 0; i < fds_.size(); ++i) {
      flags_[i] = fcntl(fds_[i], F_GETFD);
      if (flags_[i] >= 0) {
        fcntl(fds_[i], F_SETFD, flags_[i] & ~FD_CLOEXEC);
      }
    }
  }
  ~Inherited() {
    for (std::size_t i = 0; i < fds_.size(); ++i) {
      if (flags_[i] >= 0) {
        fcntl(fds_[i], F_SETFD, flags_[i]);
      }
    }
  }
  Inherited(const Inherited&) = delete;
  Inherited& operator=(const Inherited&) = delete;

 private:
  std::array<int, 5> fds_;
  std::array<int, 5> flags_ = {};
};

// Returns only when it failed. All other threads end in the moment in which it does not
// (execve(2)).
Failure BecomeLauncher(const std::string& path, std::span<const std::uint8_t> plan,
                       std::span<const std::uint8_t> proof) {
  Result<UniqueFd> plan_copy = SealedCopy("cloister-plan", plan);
  if (!plan_copy.Ok()) {
    return plan_copy.Error();
  }
  Result<UniqueFd> proof_copy = Copy(wire::kProofName, proof);
  if (!proof_copy.Ok()) {
    return proof_copy.Error();
  }
  // A program without standard descriptors may have got one of their numbers for these.
  const UniqueFd plan_fd(fcntl(plan_copy.Value().Get(), F_DUPFD_CLOEXEC, 3));
  const UniqueFd proof_fd(fcntl(proof_copy.Value().Get(), F_DUPFD_CLOEXEC, 3));
  if (!plan_fd.Valid() || !proof_fd.Valid()) {
    return EnterFailure(errno, "fcntl", "F_DUPFD_CLOEXEC");
  }
  const std::string plan_number = std::to_string(plan_fd.Get());
  const std::string proof_number = std::to_string(proof_fd.Get());
  const Inherited inherited({0, 1, 2, plan_fd.Get(), proof_fd.Get()});
  const char* const argv[] = {"cloister-launcher", "enter", plan_number.c_str(),
                              proof_number.c_str(), nullptr};
  const char* const environment[] = {nullptr};
  const long result =
      sys::Call(SYS_execve, sys::Arg(path.c_str()), sys::Arg(argv), sys::Arg(environment));
  return EnterFailure(static_cast<int>(-result), "execve", path);
}

Napi::Value Enter(const Napi::CallbackInfo& info) {
  const std::optional<std::string> path = ToText(info[0]);
  const std::optional<std::span<const std::uint8_t>> plan = ToBytes(info[1]);
  const std::optional<std::span<const std::uint8_t>> proof = ToBytes(info[2]);
  if (!path || !plan || !proof || proof->size() > wire::kProofLimit) {
    ThrowArgument(info.Env(), "enterCell(launcherPath, plan, proof)");
    return {};
  }
  ThrowFailure(info.Env(), BecomeLauncher(*path, *plan, *proof));
  return {};
}

Failure ProofFailure(int error, const char* syscall) {
  return {Stage::k_exec, error, syscall, "the proof of being in a cell"};
}

// Whether the descriptor is what BecomeLauncher makes, by its name.
bool IsProof(int fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const std::string expected = std::string("/memfd:") + wire::kProofName + " (deleted)";
  char name[64] = {};
  return readlink(link.c_str(), name, sizeof(name) - 1) > 0 && expected == name;
}

// The process outside hears of the start a moment after the program begins.
bool AwaitSeals(int fd) {
  constexpr int kPatienceMs = 10000;
  constexpr timespec kMillisecond = {0, 1000000};
  for (int waited = 0; waited < kPatienceMs; ++waited) {
    if (fcntl(fd, F_GET_SEALS) == wire::kAllSeals) {
      return true;
    }
    nanosleep(&kMillisecond, nullptr);
  }
  return false;
}

Result<std::vector<std::uint8_t>> ReadProof(int fd) {
  if (!AwaitSeals(fd)) {
    return ProofFailure(ETIMEDOUT, "fcntl");
  }
  // Programs that are started from here are not born with it.
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  std::vector<std::uint8_t> bytes(wire::kProofLimit + sizeof(wire::Confirmed));
  const ssize_t count = pread(fd, bytes.data(), bytes.size(), 0);
  if (count < static_cast<ssize_t>(sizeof(wire::Confirmed))) {
    return ProofFailure(count < 0 ? errno : EBADMSG, "pread");
  }
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

// cellProof(): { text, confirmed } inside of a cell that was entered, null elsewhere
Napi::Value CellProof(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!IsProof(wire::kProofDescriptor)) {
    return env.Null();
  }
  Result<std::vector<std::uint8_t>> proof = ReadProof(wire::kProofDescriptor);
  if (!proof.Ok()) {
    ThrowFailure(env, proof.Error());
    return {};
  }
  const std::size_t size = proof.Value().size() - sizeof(wire::Confirmed);
  wire::Confirmed confirmed = {};
  std::memcpy(&confirmed, proof.Value().data() + size, sizeof(confirmed));
  Napi::Object result = Napi::Object::New(env);
  const napi_value text = Napi::Buffer<std::uint8_t>::Copy(env, proof.Value().data(), size);
  result.Set("text", Napi::Value(env, text)).Check();
  result.Set("confirmed", FromConfirmed(env, confirmed)).Check();
  return result;
}

}  // namespace

void RegisterEnter(Napi::Env env, Napi::Object exports) {
  exports.Set("enterCell", Napi::Function::New(env, Enter, "enterCell")).Check();
  exports.Set("cellProof", Napi::Function::New(env, CellProof, "cellProof")).Check();
}

}  // namespace cloister::binding
