// Requests of any bytes: the decoder reads nothing that is not there, and whatever it accepts
// compiles to a program that was found right.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <variant>

#include "native/seccomp/compile.h"
#include "native/seccomp/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto request = cloister::seccomp::DecodeRequest(data, size);
  if (!request.has_value()) {
    return 0;
  }
  const auto result = cloister::seccomp::Compile(*request);
  const auto* error = std::get_if<cloister::seccomp::Error>(&result);
  if (error != nullptr && error->kind != cloister::seccomp::ErrorKind::kTooLong) {
    std::abort();
  }
  return 0;
}
