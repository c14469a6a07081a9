#include "native/binding/file_lock.h"

#include <sys/file.h>

#include <cerrno>
#include <optional>

#include "native/binding/convert.h"
#include "native/plan/result.h"

namespace cloister::binding {

// flock(2) and not fcntl(2): the lock belongs to the open file, so that closing another descriptor
// of the same file does not drop it, two callers in one process keep each other out, and the kernel
// drops it with the last descriptor, however the process ends.
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  const std::optional<int> fd = ToInt(info[0]);
  if (!fd || !info[1].IsBoolean()) {
    ThrowArgument(info.Env(), "lockFile(descriptor, exclusive)");
    return {};
  }
  const bool exclusive = info[1].As<Napi::Boolean>().Value();
  if (flock(*fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) {
    return Napi::Boolean::New(info.Env(), true);
  }
  if (errno == EWOULDBLOCK) {
    return Napi::Boolean::New(info.Env(), false);
  }
  ThrowFailure(info.Env(), Failure{Stage::k_mounts, errno, "flock", ""});
  return {};
}

}  // namespace cloister::binding
