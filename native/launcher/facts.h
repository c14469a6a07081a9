// What the launcher knows of itself and of the machine, read once at its start.

#ifndef CLOISTER_LAUNCHER_FACTS_H_
#define CLOISTER_LAUNCHER_FACTS_H_

#include "native/child/context.h"
#include "native/plan/result.h"

namespace cloister::launcher {

// A failure here concerns every cell: it is reported for each.
Result<child::Facts> ReadFacts();

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_FACTS_H_
