// Linked into the prebuilt addons only. The compiler's static C++ and unwinding libraries were made for a newer C library than the oldest that an addon
// is to run on; these two names are what they miss there. Hidden: nothing outside of the addon sees them.

// glibc 2.32: whether the process never had a second thread, so that reference counts need no atomic instructions. It always has: Node.js is threaded.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

// glibc 2.35: the unwinder's shortcut to the tables of a loaded object; -1 says that there is none. Only an exception would ask, and the addon is built
// without: what the C++ library would throw for (out of memory, a broken precondition) ends the process either way.
struct dl_find_object;
__attribute__((visibility("hidden"))) int _dl_find_object(void *address, struct dl_find_object *result) {
  (void)address;
  (void)result;
  return -1;
}

#if defined(__aarch64__)
// glibc's private name of getauxval(3), by which libgcc asks for the processor's atomic instructions.
unsigned long getauxval(unsigned long type);
__attribute__((visibility("hidden"))) unsigned long __getauxval(unsigned long type) {
  return getauxval(type);
}
#endif
