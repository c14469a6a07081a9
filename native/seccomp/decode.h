// Reads a request of lib/filter/encode.ts. The bytes may be anything.

#ifndef CLOISTER_SECCOMP_DECODE_H_
#define CLOISTER_SECCOMP_DECODE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "native/seccomp/policy.h"

namespace cloister::seccomp {

inline constexpr std::uint32_t kRequestVersion = 1;

// Nothing when the bytes are no request, or one that contradicts itself.
[[nodiscard]] std::optional<Request> DecodeRequest(const std::uint8_t* data, std::size_t size);

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_DECODE_H_
