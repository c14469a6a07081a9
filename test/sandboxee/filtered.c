// Installs a filter from a file and then does one deed, so that a test can see what the kernel
// makes of it.
//
//   filtered PROGRAM call NUMBER [ARGUMENT...]   prints "ok RESULT" or "errno NUMBER"
//   filtered PROGRAM call32 NUMBER               the same through int 0x80: a call of 32-bit x86
//   from a 64-bit process filtered PROGRAM exec COMMAND [ARGUMENT...]
//
// PROGRAM: struct sock_filter[] as cloister compiles it, or "-" for no filter. Arguments are
// unsigned 64-bit numbers in any C notation.

#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct sock_filter instructions[BPF_MAXINSNS];

static int install(const char* path) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) {
    return -1;
  }
  const size_t count = fread(instructions, sizeof *instructions, BPF_MAXINSNS, file);
  fclose(file);
  struct sock_fprog program = {.len = (unsigned short)count, .filter = instructions};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return -1;
  }
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static long call32(long number) {
  long result = -ENOSYS;
#ifdef __x86_64__
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(0L), "c"(0L), "d"(0L)
                   : "memory", "r8", "r9", "r10", "r11");
#else
  (void)number;
#endif
  if (result < 0) {
    errno = (int)-result;
    return -1;
  }
  return result;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    return 64;
  }
  if (strcmp(argv[1], "-") != 0 && install(argv[1]) != 0) {
    perror("seccomp");
    return 65;
  }
  if (strcmp(argv[2], "exec") == 0) {
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 127;
  }
  unsigned long words[7] = {0};
  for (int i = 3; i < argc && i < 10; ++i) {
    words[i - 3] = strtoul(argv[i], NULL, 0);
  }
  errno = 0;
  const long result =
      strcmp(argv[2], "call32") == 0
          ? call32((long)words[0])
          : syscall((long)words[0], words[1], words[2], words[3], words[4], words[5], words[6]);
  if (result == -1) {
    printf("errno %d\n", errno);
  } else {
    printf("ok %ld\n", result);
  }
  return 0;
}
