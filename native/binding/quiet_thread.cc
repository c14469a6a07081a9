#include "native/binding/quiet_thread.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include <cstddef>

namespace cloister::binding {

namespace {

constexpr std::size_t kStackSize = 256UL * 1024;

// A Worker that ends may take the last reference to this library with it while a thread still runs
// in it.
void KeepLibraryLoaded() {
  Dl_info info = {};
  static const char anchor = 0;
  if (dladdr(&anchor, &info) != 0 && info.dli_fname != nullptr) {
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

}  // namespace

int StartQuietThread(void* (*main)(void*), void* argument) {
  KeepLibraryLoaded();
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) {
    return error;
  }
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackSize);
  // Signals are for the threads of the program: a handler of Node.js must not run here.
  // pthread_sigmask(3) leaves out what the C library itself sends.
  sigset_t all;
  sigset_t previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  pthread_t thread;
  error = pthread_create(&thread, &attributes, main, argument);
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

void NameThread(const char* name) {
  prctl(PR_SET_NAME, name);
}

}  // namespace cloister::binding
