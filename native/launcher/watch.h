// The process that answers for the filter of a process that has restricted itself.

#ifndef CLOISTER_LAUNCHER_WATCH_H_
#define CLOISTER_LAUNCHER_WATCH_H_

namespace cloister::launcher {

// Waits at the socket for how to answer, where to tell of it and, at last, the listener; answers
// until nobody is left who could ask. Returns the exit status.
int Watch(int socket);

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_WATCH_H_
