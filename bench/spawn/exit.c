/* The smallest command: ends at once, without a C library or a dynamic loader. */

void _start(void) {
#if defined(__x86_64__)
  __asm__ volatile("syscall" : : "a"(231L), "D"(0L)); /* exit_group(0) */
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = 94; /* exit_group(0) */
  register long x0 __asm__("x0") = 0;
  __asm__ volatile("svc 0" : : "r"(x8), "r"(x0));
#endif
  for (;;) {
  }
}
