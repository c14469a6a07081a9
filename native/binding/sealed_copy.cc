#include "native/binding/sealed_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "native/wire/proof.h"

namespace cloister::binding {

Result<UniqueFd> Copy(const char* name, std::span<const std::uint8_t> bytes) {
  UniqueFd memory(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.Valid()) {
    return Failure{Stage::k_clone, errno, "memfd_create", name};
  }
  while (!bytes.empty()) {
    const ssize_t count = write(memory.Get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return Failure{Stage::k_clone, count < 0 ? errno : EIO, "write", name};
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return memory;
}

Result<UniqueFd> SealedCopy(const char* name, std::span<const std::uint8_t> bytes) {
  Result<UniqueFd> memory = Copy(name, bytes);
  if (memory.Ok() && fcntl(memory.Value().Get(), F_ADD_SEALS, wire::kAllSeals) != 0) {
    return Failure{Stage::k_clone, errno, "fcntl", "F_ADD_SEALS"};
  }
  return memory;
}

}  // namespace cloister::binding
