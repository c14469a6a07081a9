// Memory that nobody can change any more: whoever gets the descriptor reads what was written,
// whatever happens here meanwhile.

#ifndef CLOISTER_BINDING_SEALED_COPY_H_
#define CLOISTER_BINDING_SEALED_COPY_H_

#include <cstdint>
#include <span>

#include "native/base/unique_fd.h"
#include "native/plan/result.h"

namespace cloister::binding {

// A memfd that can be sealed, close-on-exec. memfd_create(2), 3.17.
Result<UniqueFd> Copy(const char* name, std::span<const std::uint8_t> bytes);
// And is sealed.
Result<UniqueFd> SealedCopy(const char* name, std::span<const std::uint8_t> bytes);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_SEALED_COPY_H_
