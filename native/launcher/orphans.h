// What a killed keeper leaves behind. It happens where something else than its cell kills it (the
// kernel, for want of memory; whoever has the same user id), or where Landlock has no signal scope.

#ifndef CLOISTER_LAUNCHER_ORPHANS_H_
#define CLOISTER_LAUNCHER_ORPHANS_H_

#include <sys/types.h>

#include <vector>

namespace cloister::launcher {

// Ends all children of this process, which is a subreaper, but for these: it has no others. What
// those have started becomes its children then.
void EndOrphans(const std::vector<pid_t>& known);

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_ORPHANS_H_
