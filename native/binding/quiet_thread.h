// Threads of the addon's own.

#ifndef CLOISTER_BINDING_QUIET_THREAD_H_
#define CLOISTER_BINDING_QUIET_THREAD_H_

namespace cloister::binding {

// Starts a detached thread that takes no signals of the program. 0, or an error number.
int StartQuietThread(void* (*main)(void*), void* argument);

// Names the calling thread; at most 15 bytes.
void NameThread(const char* name);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_QUIET_THREAD_H_
