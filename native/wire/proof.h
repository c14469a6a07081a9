// What a program finds in its descriptor 3 when enterCell runs it again: that it is inside, and
// what is in force. A memfd: an environment variable or a file could be anybody's.
//
// The text of lib/cell/enter.ts, and after it wire::Confirmed, which the process outside adds when
// the cell has told what the kernel says of it; then it is sealed, and complete.

#ifndef CLOISTER_WIRE_PROOF_H_
#define CLOISTER_WIRE_PROOF_H_

#include <fcntl.h>

#include <cstddef>

namespace cloister::wire {

inline constexpr int kProofDescriptor = 3;
inline constexpr char kProofName[] = "cloister-cell";
inline constexpr std::size_t kProofLimit = 1024UL * 1024;
inline constexpr int kAllSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace cloister::wire

#endif  // CLOISTER_WIRE_PROOF_H_
