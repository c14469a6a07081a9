#include <sys/personality.h>
#include <sys/time.h>
#include <sys/timex.h>

#include "deed.h"

static const struct {
  const char* name;
  long number;
} calls[] = {
#define C(name) {#name, SYS_##name}
    C(bpf),
    C(perf_event_open),
    C(kexec_load),
    C(init_module),
    C(finit_module),
    C(delete_module),
    C(reboot),
    C(swapon),
    C(swapoff),
    C(acct),
    C(quotactl),
    C(syslog),
    C(vhangup),
    C(settimeofday),
    C(adjtimex),
    C(clock_settime),
    C(keyctl),
    C(add_key),
    C(request_key),
    C(mount),
    C(umount2),
    C(pivot_root),
    C(chroot),
    C(setns),
    C(ptrace),
    C(kcmp),
    C(open_by_handle_at),
    C(name_to_handle_at),
    C(process_vm_readv),
    C(process_vm_writev),
    C(sethostname),
    C(setdomainname),
    C(userfaultfd),
#ifdef SYS_iopl
    C(iopl),
    C(ioperm),
    C(modify_ldt),
#endif
#undef C
    {"io_uring_setup", 425},
    {"io_uring_enter", 426},
    {"io_uring_register", 427},
    {"open_tree", 428},
    {"move_mount", 429},
    {"fsopen", 430},
    {"fsconfig", 431},
    {"fsmount", 432},
    {"fspick", 433},
    {"pidfd_getfd", 438},
    {"mount_setattr", 442},
    {"clone3", 435},
    {"no-such-call", 9999},
};

/* call,NAME,ARGUMENT...: a system call with these numbers */
static long do_call(char** args) {
  for (size_t i = 0; i < sizeof calls / sizeof calls[0]; ++i) {
    if (strcmp(calls[i].name, args[0]) == 0) {
      return answer(syscall(calls[i].number, number(args[1]), number(args[2]), number(args[3]),
                            number(args[4]), number(args[5]), number(args[6])));
    }
  }
  fprintf(stderr, "no call %s\n", args[0]);
  exit(64);
}

/* x32,NUMBER: the second system call table of x86-64, which filters by number forget */
static long do_x32(char** args) {
  return answer(syscall(0x40000000L | number(args[0])));
}

#ifdef __x86_64__
/* int80: getpid(2) as a 32-bit program calls it */
static long do_int80(char** args) {
  (void)args;
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
  return result < 0 ? result : 0;
}
#else
static long do_int80(char** args) {
  (void)args;
  return -ENOSYS;
}
#endif

static long do_personality(char** args) {
  const long before = personality(0xffffffff);
  const long result = answer(personality((unsigned long)number(args[0])));
  personality((unsigned long)before);
  return result < 0 ? result : 0;
}

const struct deed kernel_deeds[] = {{"call", do_call},
                                    {"x32", do_x32},
                                    {"int80", do_int80},
                                    {"personality", do_personality},
                                    {NULL, NULL}};
