// Tries a restriction on a process of its own first: what the kernel would refuse is known before
// anything happened to this one.

#ifndef CLOISTER_THREADS_REHEARSAL_H_
#define CLOISTER_THREADS_REHEARSAL_H_

#include <linux/filter.h>

#include <span>

#include "native/threads/apply.h"

namespace cloister::threads {

struct Rehearsed {
  // The call that failed there, or null.
  Problem problem;
  // It failed while installing the filter.
  bool in_filter;
  // No process could be made to try it in; `problem` says why.
  bool not_tried;
};

// `listener`: the filter is to have one.
[[nodiscard]] Rehearsed Rehearse(const Restriction& restriction,
                                 std::span<const sock_filter> filter, bool listener);

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_REHEARSAL_H_
